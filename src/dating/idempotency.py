"""Idempotency-Key: the first answer to an unsafe request is kept with what it changed, and a repeat gets it again.

The key, the change and the answer are one transaction, so a client that lost the answer may repeat without harm, even when the
server was killed between commit and answer. Keys belong to a person; the same key with another request is a conflict.
See draft-ietf-httpapi-idempotency-key-header.
"""

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Concatenate, ParamSpec, TypeVar, get_type_hints

import msgspec
from litestar import Request
from litestar.di import NamedDependency

from dating.database import SWEPT, Database, Transaction
from dating.errors import Conflict, Malformed
from dating.tokens import Identity

T = TypeVar("T")
Look = TypeVar("Look")
P = ParamSpec("P")

CLAIM = """
INSERT INTO answers (user_id, key, fingerprint, answer, created_at) VALUES (:user_id, :key, :fingerprint, '', :now)
ON CONFLICT (user_id, key) DO NOTHING
"""
KEEP = "UPDATE answers SET answer = :answer WHERE user_id = :user_id AND key = :key"
FIND = "SELECT fingerprint, answer FROM answers WHERE user_id = :user_id AND key = :key"
FORGET = """
DELETE FROM answers
WHERE (user_id, key) IN (SELECT user_id, key FROM answers WHERE created_at < :before ORDER BY created_at LIMIT :most)
"""
ERASE = "DELETE FROM answers WHERE user_id = :user_id"
EXPORT = "SELECT key, created_at FROM answers WHERE user_id = :user_id ORDER BY created_at, key"


class BadKey(Malformed):
    """400: the Idempotency-Key is empty, longer than 255 characters, or not printable ASCII."""

    code = "invalid_idempotency_key"
    detail = "Idempotency-Key must be 1 to 255 printable ASCII characters."


class KeyReused(Conflict):
    """409: the same key came with another request."""

    code = "idempotency_key_reused"
    detail = "This Idempotency-Key was used for another request."


class Answer(msgspec.Struct, frozen=True):
    """What was answered first, and to which request."""

    fingerprint: str
    answer: str


class UsedKey(msgspec.Struct, frozen=True):
    """A key whose answer is kept; `created_at` in microseconds."""

    key: str
    created_at: int


class Commit:
    """How a route changes something: `await commit(service.swipe, me.user_id, …)`.

    Without a key it is `db.write`. `repeated` is true when the answer is the kept one.
    """

    def __init__(self, db: Database, user_id: int, key: str | None, fingerprint: str) -> None:
        self.repeated = False
        self.key = key
        self._db = db
        self._user_id = user_id
        self._fingerprint = fingerprint

    async def __call__(self, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **options: P.kwargs) -> T:
        if self.key is None:
            return await self._db.write(fn, *args, **options)
        answer, self.repeated = await self._db.write(self._perform, fn, args, options)
        return answer

    async def after(
        self,
        look: Callable[[Transaction], Awaitable[Look]],
        fn: Callable[Concatenate[Transaction, P], Awaitable[T]],
        /,
        *args: P.args,
        **options: P.kwargs,
    ) -> tuple[Look, T]:
        """The same after a look at the database in the same transaction. What was seen is not kept with the answer."""

        async def work(tx: Transaction) -> tuple[Look, T, bool]:
            return await look(tx), *await self._perform(tx, fn, args, options)

        seen, answer, self.repeated = await self._db.write(work)
        return seen, answer

    async def _perform(
        self, tx: Transaction, fn: Callable[..., Awaitable[T]], args: tuple[object, ...], options: dict[str, object]
    ) -> tuple[T, bool]:
        """The answer, and whether it is the kept one."""
        if self.key is None:
            return await fn(tx, *args, **options), False
        if not await self._claim(tx):
            return await self._recall(tx, fn), True
        answer = await fn(tx, *args, **options)
        await self._keep(tx, answer)
        return answer, False

    async def _claim(self, tx: Transaction) -> bool:
        claimed = await tx.run(CLAIM, user_id=self._user_id, key=self.key, fingerprint=self._fingerprint, now=tx.now)
        return claimed == 1

    async def _keep(self, tx: Transaction, answer: object) -> None:
        await tx.run(KEEP, user_id=self._user_id, key=self.key, answer=msgspec.json.encode(answer).decode())

    async def _recall(self, tx: Transaction, fn: Callable[..., Awaitable[T]]) -> T:
        first = await tx.one(Answer, FIND, user_id=self._user_id, key=self.key)
        if first is None or first.fingerprint != self._fingerprint:
            raise KeyReused
        kept: T = msgspec.json.decode(first.answer, type=get_type_hints(fn)["return"])
        return kept


def read_key(request: Request[Any, Any, Any]) -> str | None:
    """The request's Idempotency-Key, if it has one. Raises BadKey."""
    key = next((value.decode("latin-1") for name, value in request.scope["headers"] if name == b"idempotency-key"), None)
    if key is not None and not (0 < len(key) <= 255 and key.isascii() and key.isprintable()):
        raise BadKey
    return key


async def provide_commit(request: Request[Any, Any, Any], db: NamedDependency[Database], me: NamedDependency[Identity]) -> Commit:
    """The `commit` of a request, bound to its person, key and body. Raises BadKey."""
    key = read_key(request)
    if key is None:
        return Commit(db, me.user_id, None, "")
    request_text = f"{request.method} {request.url.path} ".encode() + await request.body()
    commit = Commit(db, me.user_id, key, hashlib.sha256(request_text).hexdigest())
    request.scope["state"]["commit"] = commit
    return commit


async def forget(tx: Transaction, before: int) -> int:
    """Drop the oldest answers from before `before` (microseconds); how many."""
    return await tx.run(FORGET, before=before, most=SWEPT)


async def erase(tx: Transaction, user_id: int) -> None:
    """Drop the answers to a person who is being deleted."""
    await tx.run(ERASE, user_id=user_id)


async def export(tx: Transaction, user_id: int) -> dict[str, Sequence[msgspec.Struct]]:
    """The keys that the person has used lately. What was answered is of that moment, and may speak of people hidden since."""
    return {"idempotency_keys": await tx.all(UsedKey, EXPORT, user_id=user_id)}
