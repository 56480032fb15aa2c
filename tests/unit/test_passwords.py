"""Passwords: their hashes, the pool that makes them, and which of them are refused."""

import asyncio
from collections.abc import Iterator

import bcrypt
import pytest
from argon2 import extract_parameters
from argon2.low_level import Type

from dating.accounts.passwords import Busy, Passwords, WeakPassword, judge_password, list_common
from dating.settings import Settings


@pytest.fixture
def passwords() -> Iterator[Passwords]:
    """Cheap hashes, made in two threads."""
    made = Passwords(Settings(argon2_memory_kib=64, argon2_time=1))
    yield made
    made.close()


async def test_hashes_are_argon2id_of_the_asked_strength() -> None:
    """By default at least 19 MiB and two passes, as `safety.md` asks."""
    made = Passwords(Settings())
    stored = await made.hash("correct horse battery")
    made.close()
    parameters = extract_parameters(stored)
    assert stored.startswith("$argon2id$")
    assert parameters.type is Type.ID
    assert (parameters.memory_cost, parameters.time_cost, parameters.parallelism) == (19456, 2, 1)


async def test_the_right_password_is_known(passwords: Passwords) -> None:
    """It verifies, and no other does; two hashes of one password differ."""
    stored = await passwords.hash("Пароль с котиком 🐈")
    assert await passwords.verify(stored, "Пароль с котиком 🐈")
    assert not await passwords.verify(stored, "Пароль с котиком 🐕")
    assert stored != await passwords.hash("Пароль с котиком 🐈")


async def test_every_character_counts(passwords: Passwords) -> None:
    """A long password is not cut: another last character is another password."""
    stored = await passwords.hash("a" * 255 + "b")
    assert not await passwords.verify(stored, "a" * 255 + "c")


async def test_composed_letters_are_the_same_password(passwords: Passwords) -> None:
    """A keyboard may send й as one character or as two."""
    stored = await passwords.hash("йогурт со льдом")
    assert await passwords.verify(stored, "и\u0306огурт со льдом")


async def test_nobody_has_no_password(passwords: Passwords) -> None:
    """For an unknown name the same work is done, and nothing verifies."""
    assert not await passwords.verify(None, "correct horse battery")
    assert not await passwords.verify("", "")
    assert extract_parameters(passwords._nobody) == extract_parameters(await passwords.hash("correct horse battery"))


@pytest.mark.parametrize("stored", ["x", "$argon2id$", "$argon2id$v=19$m=64,t=1,p=1$a$b", "plain text", "$2b$12$short"])
async def test_a_broken_hash_verifies_nothing(passwords: Passwords, stored: str) -> None:
    """What is no hash is nobody's password."""
    assert not await passwords.verify(stored, stored)


@pytest.mark.parametrize("prefix", [b"2a", b"2b", b"2y"])
async def test_imported_hashes_are_accepted_and_stale(passwords: Passwords, prefix: bytes) -> None:
    """bcrypt in all its spellings verifies, and asks to be made anew."""
    stored = bcrypt.hashpw("любой пароль".encode(), bcrypt.gensalt(4)).replace(b"2b", prefix, 1).decode()
    assert await passwords.verify(stored, "любой пароль")
    assert not await passwords.verify(stored, "другой пароль")
    assert passwords.is_stale(stored)


async def test_a_long_imported_password_still_works(passwords: Passwords) -> None:
    """bcrypt looked at 72 bytes only when the hash was made."""
    stored = bcrypt.hashpw(b"a" * 72, bcrypt.gensalt(4)).decode()
    assert await passwords.verify(stored, "a" * 100)


async def test_weaker_hashes_are_stale(passwords: Passwords) -> None:
    """When the settings ask for more, old hashes are to be made anew; those of today are not."""
    stored = await passwords.hash("correct horse battery")
    stronger = Passwords(Settings(argon2_memory_kib=128, argon2_time=1))
    assert stronger.is_stale(stored)
    assert not passwords.is_stale(stored)
    stronger.close()


async def test_the_loop_goes_on_while_hashing() -> None:
    """Hashes are made in other threads: the loop turns between the first call and its result."""
    made = Passwords(Settings())
    turns = 0
    work = asyncio.gather(*[made.hash("correct horse battery") for _ in range(4)])
    while not work.done():
        await asyncio.sleep(0)
        turns += 1
    made.close()
    assert turns > 4


async def test_a_long_queue_is_closed(passwords: Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever would wait too long is refused at once and told when to come back."""
    await passwords.hash("correct horse battery")
    monkeypatch.setattr("dating.accounts.passwords.PATIENCE", passwords._seconds * 8)
    outcomes = await asyncio.gather(*[passwords.hash("correct horse battery") for _ in range(100)], return_exceptions=True)
    refused = [outcome for outcome in outcomes if isinstance(outcome, Busy)]
    assert refused
    assert all(busy.retry_after is not None and busy.retry_after >= 1 for busy in refused)
    assert any(isinstance(outcome, str) for outcome in outcomes)
    assert (await passwords.hash("correct horse battery")).startswith("$argon2id$")


@pytest.mark.parametrize(
    "password", ["password123", "PassWord123", "  12345678", "йцукенгш", "ЙЦУКЕНГШ", "zzzzzzzzzzzzz", "maria1990"]
)
def test_guessable_passwords_are_refused(password: str) -> None:
    """The most used ones in any case, one character again and again, and the person's own name."""
    with pytest.raises(WeakPassword):
        judge_password(password, "Maria1990", "maria@example.org")


@pytest.mark.parametrize("password", ["correct horse battery", "ёлки-палки", "aaaaaaab", "x7$kQp2m"])
def test_other_passwords_need_no_composition(password: str) -> None:
    """There is no rule about digits or capitals."""
    judge_password(password, "Maria1990", "maria@example.org")


def test_the_list_holds_what_the_length_lets_through() -> None:
    """Some hundred common passwords, none shorter than what is refused by its length."""
    assert len(list_common()) >= 200
    assert min(len(word) for word in list_common()) == 8
    assert all(word == word.casefold() for word in list_common())
