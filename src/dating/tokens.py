"""Proofs of who somebody is: access tokens (JWT), refresh tokens and one-time socket tokens.

* Access token: JWT signed with HS256. One algorithm, a fixed set of keys chosen by `kid`, every claim below required.
* Refresh token: opaque; the name of its family (one per session) and 256 bits. Only hashes are stored. The successor of a token
  is derived from it with the server's secret, so that a repeated request gets the same one although it was never kept.
* Socket token: 256 random bits, good for one connection within seconds, bound to a person and a session.
"""

import hashlib
import hmac
import secrets
import time
from base64 import urlsafe_b64encode
from collections import OrderedDict
from typing import Protocol, runtime_checkable

import jwt
import msgspec

from dating.errors import Unauthorized, Unavailable
from dating.settings import Settings

ISSUER = "dating"
AUDIENCE = "dating-api"
KIND = "access"
REQUIRED = ["exp", "iat", "nbf", "sub", "sid", "since", "jti", "typ", "aud", "iss"]
IDS_END = 2**53
TICKETS = 100_000  # tokens waiting to be used; more means somebody asks for tokens and never connects


class InvalidToken(Unauthorized):
    """401: the access token is forged, expired, revoked or not one of ours."""

    code = "invalid_token"
    detail = "The access token is not valid or has expired."


class Crowded(Unavailable):
    """503: more socket tokens are open than this process keeps."""

    code = "crowded"
    detail = "Too many connections are being opened; try again in a moment."


class Identity(msgspec.Struct, frozen=True):
    """Who is asking: a person, the session (device) they signed in with, and until when (seconds since the epoch)."""

    user_id: int
    session_id: int
    role: str
    expires_at: float


class Claims(msgspec.Struct, frozen=True):
    """What an access token says, its signature checked. `since` is when the session was opened, in microseconds since the epoch.

    After a restore of the database the ids of lost sessions are given out again; the moment tells the two apart.
    """

    user_id: int
    session_id: int
    since: int
    expires_at: int


def key_id(secret: str) -> str:
    """A name for a key that tells nothing about it."""
    return hashlib.sha256(b"dating kid" + secret.encode()).hexdigest()[:16]


def sign_access(settings: Settings, user_id: int, session_id: int, since: int, now: float | None = None) -> str:
    """A new access token, good for `access_token_seconds` from `now` (seconds since the epoch)."""
    issued = int(time.time() if now is None else now)
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "typ": KIND,
        "sub": str(user_id),
        "sid": session_id,
        "since": since,
        "jti": secrets.token_urlsafe(12),
        "iat": issued,
        "nbf": issued,
        "exp": issued + settings.access_token_seconds,
    }
    return jwt.encode(claims, settings.jwt_secret, algorithm="HS256", headers={"kid": key_id(settings.jwt_secret)})


def verify_access(settings: Settings, token: str) -> Claims:
    """The claims of a genuine, current access token. Raises InvalidToken for anything else."""
    try:
        header = jwt.get_unverified_header(token)
        keys = {key_id(secret): secret for secret in settings.jwt_secrets}
        if set(header) != {"alg", "kid", "typ"} or header["kid"] not in keys:
            raise InvalidToken
        claims = jwt.decode(
            token,
            keys[header["kid"]],
            algorithms=["HS256"],
            audience=AUDIENCE,
            issuer=ISSUER,
            options={"require": REQUIRED, "strict_aud": True},
        )
        return _read_claims(claims)
    except (jwt.PyJWTError, ValueError, TypeError, RecursionError) as error:
        raise InvalidToken from error


def _read_claims(claims: dict[str, object]) -> Claims:
    subject, session, since, expires = (claims[name] for name in ("sub", "sid", "since", "exp"))
    if claims["typ"] != KIND or not isinstance(subject, str) or type(expires) is not int:
        raise InvalidToken
    if type(session) is not int or type(since) is not int:
        raise InvalidToken
    if not (0 < int(subject) < IDS_END and 0 < session < IDS_END and 0 < since < IDS_END):
        raise InvalidToken
    return Claims(int(subject), session, since, expires)


def new_secret() -> str:
    """256 random bits for a refresh or socket token."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """How such a secret is stored. A fast hash is enough: there is nothing to guess in 256 random bits."""
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()


def seal(secret: str, purpose: str, text: str) -> str:
    """A hash that only the holder of the secret can make: for what is short enough to be guessed, and to derive secrets."""
    key = hmac.digest(secret.encode(), f"dating {purpose}".encode(), "sha256")
    return urlsafe_b64encode(hmac.digest(key, text.encode(errors="replace"), "sha256")).decode().rstrip("=")


def new_refresh() -> str:
    """The first refresh token of a session, and the beginning of its family."""
    return f"{secrets.token_urlsafe(16)}.{new_secret()}"


def family_of(token: str) -> str:
    """What all the refresh tokens of a session have in common. As secret as they are: knowing it can end the session."""
    return token.partition(".")[0]


def succeed(secret: str, token: str) -> str:
    """The refresh token that comes after this one."""
    return f"{family_of(token)}.{seal(secret, 'refresh', token)}"


class Ticket(msgspec.Struct, frozen=True):
    """What a socket token stands for."""

    identity: Identity
    dies_at: float


@runtime_checkable
class Tickets(Protocol):
    """One-time socket tokens: whatever the number of racers, one is admitted."""

    async def issue(self, identity: Identity) -> str:
        """A new token. Raises Crowded."""

    async def redeem(self, token: str) -> Identity | None:
        """Whose token this is, once; None for a used, unknown or expired one."""


class LocalTickets:
    """Tickets of one process, kept in memory for `session_token_seconds`."""

    def __init__(self, settings: Settings) -> None:
        self._life = settings.session_token_seconds
        self._open: OrderedDict[str, Ticket] = OrderedDict()

    async def issue(self, identity: Identity) -> str:
        now = time.monotonic()
        while self._open and next(iter(self._open.values())).dies_at <= now:
            self._open.popitem(last=False)
        if len(self._open) >= TICKETS:
            raise Crowded(retry_after=self._life)
        token = new_secret()
        self._open[hash_secret(token)] = Ticket(identity, now + self._life)
        return token

    async def redeem(self, token: str) -> Identity | None:
        ticket = self._open.pop(hash_secret(token), None)
        return ticket.identity if ticket and ticket.dies_at > time.monotonic() else None
