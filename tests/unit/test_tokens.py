"""Access tokens, refresh tokens, keyed hashes and one-time socket tokens, without a server."""

import asyncio
import itertools

import msgspec
import pytest

from dating.settings import Settings
from dating.tokens import (
    Crowded,
    Identity,
    InvalidToken,
    LocalTickets,
    family_of,
    hash_secret,
    key_id,
    new_refresh,
    new_secret,
    seal,
    sign_access,
    succeed,
    verify_access,
)
from tests.forgery import Forger

SINCE = 1_700_000_000_000_000
SETTINGS = Settings(jwt_secrets=("k" * 24 + "0123456789abcdef" * 2,))
FORGER = Forger(SETTINGS, 7, 31, SINCE)  # for what is never genuine: made when the run begins, it expires before a long one ends
# Only the database knows that these are nobody's.
GENUINE_IN_FORM = {"nobody's subject", "another person's session", "nobody's session", "a session opened at another time"}
FORGERIES = [(fault, token) for fault, token in FORGER.forgeries() if fault not in GENUINE_IN_FORM]


def test_a_genuine_token_is_read() -> None:
    """Person, session, its beginning and expiry come back as they were signed."""
    claims = verify_access(SETTINGS, sign_access(SETTINGS, 7, 31, SINCE))
    assert (claims.user_id, claims.session_id, claims.since) == (7, 31, SINCE)
    assert verify_access(SETTINGS, Forger(SETTINGS, 7, 31, SINCE).genuine()).user_id == 7


@pytest.mark.parametrize(("fault", "token"), FORGERIES, ids=[fault for fault, _ in FORGERIES])
def test_a_forged_token_is_refused(fault: str, token: str) -> None:
    """Whatever is wrong with it, the answer is the same refusal and never another error."""
    with pytest.raises(InvalidToken):
        verify_access(SETTINGS, token)


def test_the_table_of_forgeries_is_long() -> None:
    """At least 25 tokens, each wrong in another way."""
    assert len({token for _, token in FORGERIES}) >= 25


def test_an_expired_token_is_refused() -> None:
    """The life of a token ends with `access_token_seconds`."""
    with pytest.raises(InvalidToken):
        verify_access(SETTINGS, sign_access(SETTINGS, 7, 31, SINCE, now=1_000_000))


def test_both_secrets_verify_while_they_rotate() -> None:
    """The first secret signs, every secret verifies, and a secret that was taken away does not."""
    old, new = "old" * 16, "new" * 16
    before, during, after = (Settings(jwt_secrets=secrets) for secrets in ((old,), (new, old), (new,)))
    token = sign_access(before, 7, 31, SINCE)
    assert verify_access(during, token).user_id == 7
    assert verify_access(after, sign_access(during, 7, 31, SINCE)).user_id == 7
    with pytest.raises(InvalidToken):
        verify_access(after, token)


def test_a_key_id_does_not_tell_the_key() -> None:
    """Names of keys differ and hold nothing of the key."""
    assert key_id("a" * 48) != key_id("b" * 48)
    assert "a" * 4 not in key_id("a" * 48)


def test_refresh_tokens_are_long_and_differ() -> None:
    """256 random bits each, in a family of their own."""
    tokens = [new_refresh() for _ in range(100)]
    assert len({family_of(token) for token in tokens}) == len(set(tokens)) == 100
    assert all(len(token.split(".")[1]) >= 43 for token in tokens)


def test_the_successor_is_always_the_same_and_needs_the_secret() -> None:
    """It is derived from the token and the server's secret, and stays in the family."""
    first = new_refresh()
    second = succeed("secret", first)
    assert second == succeed("secret", first) != succeed("another", first)
    assert family_of(second) == family_of(first)
    assert len({first, second, succeed("secret", second)}) == 3


def test_keyed_hashes_depend_on_secret_purpose_and_text() -> None:
    """No two of them are alike."""
    hashes = [seal(*words) for words in itertools.product(("k", "l"), ("verify", "reset"), ("123456", "123457"))]
    assert len(set(hashes)) == 8


def test_hashing_a_secret_takes_any_text() -> None:
    """A lone surrogate, which no honest client sends, is hashed like anything else."""
    assert hash_secret("\ud800") != hash_secret(new_secret())


async def test_a_ticket_is_good_once() -> None:
    """Of eight that ask at once one gets in."""
    tickets = LocalTickets(SETTINGS)
    identity = Identity(7, 31, "user", 0.0)
    token = await tickets.issue(identity)
    admitted = await asyncio.gather(*[tickets.redeem(token) for _ in range(8)])
    assert [one for one in admitted if one] == [identity]


async def test_a_ticket_dies() -> None:
    """After its time it admits nobody."""
    tickets = LocalTickets(msgspec.structs.replace(SETTINGS, session_token_seconds=0))
    token = await tickets.issue(Identity(7, 31, "user", 0.0))
    assert await tickets.redeem(token) is None


async def test_tickets_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for tokens and never connects is sent away, and told when to come back."""
    monkeypatch.setattr("dating.tokens.TICKETS", 3)
    tickets = LocalTickets(SETTINGS)
    for _ in range(3):
        await tickets.issue(Identity(7, 31, "user", 0.0))
    with pytest.raises(Crowded) as refused:
        await tickets.issue(Identity(7, 31, "user", 0.0))
    assert refused.value.retry_after == SETTINGS.session_token_seconds
