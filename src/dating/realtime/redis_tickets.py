"""One-time socket tokens that every process knows: in Redis, taken with one GETDEL, and in the database while Redis is away.

A token says where it is kept, so that one look is enough and no race between the two places exists.
"""

import msgspec

from dating.clock import SECOND
from dating.database import SWEPT, Database, Transaction
from dating.realtime import inbox
from dating.redis.store import RedisAway, RedisStore
from dating.settings import Settings
from dating.tokens import Identity, hash_secret, new_secret

KEPT = "db."  # how tokens in the database begin; the others have no dot

KEEP = "INSERT INTO tickets (hash, user_id, identity, dies_at) VALUES (:hash, :user_id, :identity, :dies_at)"
TAKE = "DELETE FROM tickets WHERE hash = :hash RETURNING identity, dies_at"
FORGET = "DELETE FROM tickets WHERE hash IN (SELECT hash FROM tickets WHERE dies_at <= :now ORDER BY dies_at LIMIT :most)"
ERASE = "DELETE FROM tickets WHERE user_id = :user_id"


class Kept(msgspec.Struct, frozen=True):
    """A token in the database: the identity as JSON, and when it is no good any more (microseconds since the epoch)."""

    identity: str
    dies_at: int


class RedisTickets:
    """Tickets of all processes on one Redis and one database."""

    def __init__(self, settings: Settings, store: RedisStore, db: Database) -> None:
        self._life = settings.session_token_seconds
        self._store = store
        self._db = db
        self._realm: str | None = None

    async def issue(self, identity: Identity) -> str:
        """A new token."""
        token = new_secret()
        key = await self._key(token)
        try:
            await self._store.ask(key, "SET", key, msgspec.msgpack.encode(identity), "EX", self._life)
        except RedisAway:
            token = KEPT + token
            await self._db.write(keep, token, identity, self._life)
        return token

    async def redeem(self, token: str) -> Identity | None:
        """Whose token this is, once. Raises RedisAway when a token in Redis cannot be looked up: the client asks for another."""
        if token.startswith(KEPT):
            return await self._db.write(take, token)
        key = await self._key(token)
        found = await self._store.ask(key, "GETDEL", key)
        return msgspec.msgpack.decode(found, type=Identity) if isinstance(found, bytes) else None

    async def _key(self, token: str) -> str:
        """Named after the database too: a token of another deployment on the same Redis opens nothing here."""
        if self._realm is None:
            self._realm = await inbox.keep_epoch(self._db)
        return f"dating:{self._realm}:ticket:{hash_secret(token)}"


async def keep(tx: Transaction, token: str, identity: Identity, life: int) -> None:
    """Keep a token for `life` seconds."""
    await tx.run(
        KEEP,
        hash=hash_secret(token),
        user_id=identity.user_id,
        identity=msgspec.json.encode(identity).decode(),
        dies_at=tx.now + life * SECOND,
    )


async def take(tx: Transaction, token: str) -> Identity | None:
    """Whose token this is; it is gone then."""
    kept = await tx.one(Kept, TAKE, hash=hash_secret(token))
    if kept is None or kept.dies_at <= tx.now:
        return None
    return msgspec.json.decode(kept.identity, type=Identity)


async def forget(tx: Transaction) -> int:
    """Drop the oldest tokens that nobody used in time; how many."""
    return await tx.run(FORGET, now=tx.now, most=SWEPT)


async def erase(tx: Transaction, user_id: int) -> None:
    """Drop the tokens of a person who is being deleted. Those in Redis live for seconds, and open nothing any more."""
    await tx.run(ERASE, user_id=user_id)
