"""Passwords: hashed with argon2id in a few threads of their own, never on the event loop.

One check costs about 16 ms and 19 MiB by default. Whoever would wait longer than `PATIENCE` is sent away with 503, so that a
flood of sign-ins cannot take the processor from everybody else. Hashes made by bcrypt (imported people) are accepted;
`is_stale` says that a hash should be made anew while the password is at hand.
"""

import asyncio
import math
import secrets
import time
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import ParamSpec, TypeVar

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error

from dating.errors import Malformed, Unavailable
from dating.settings import Settings

T = TypeVar("T")
P = ParamSpec("P")

LEAST = 8  # characters; the most are 256 (models.py), which are 1,024 bytes
PATIENCE = 5.0  # expected seconds in the queue beyond which nobody else is let in
BCRYPT_BYTES = 72  # bcrypt has never looked at more


@cache
def list_common() -> frozenset[str]:
    """The most used passwords of eight characters or more in published leaks, also as typed on a Russian keyboard."""
    return frozenset(Path(__file__).with_name("common_passwords.txt").read_text("utf-8").split())


class WeakPassword(Malformed):
    """400: the password is among the first that anybody would try."""

    code = "weak_password"
    detail = "This password is too common or repeats the name; choose another one."


class Busy(Unavailable):
    """503: too many passwords are being checked already."""

    code = "busy"
    detail = "Too many people are signing in at this moment; try again in a few seconds."


def judge_password(password: str, *names: str) -> None:
    """Refuse what is guessed first: a common password, or one of the person's own names. Raises WeakPassword."""
    folded = normalize(password).casefold().strip()
    if folded in list_common() or len(set(folded)) == 1 or folded in {name.casefold() for name in names}:
        raise WeakPassword


def normalize(password: str) -> str:
    """One form for what looks alike: keyboards differ in how they compose letters such as й."""
    return unicodedata.normalize("NFC", password)


def is_bcrypt(stored: str) -> bool:
    """Whether a hash was made by bcrypt."""
    return stored.startswith(("$2a$", "$2b$", "$2y$"))


class Passwords:
    """Hashes and checks passwords with the strength that the settings ask for."""

    def __init__(self, settings: Settings) -> None:
        memory, passes = settings.argon2_memory_kib, settings.argon2_time
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory, parallelism=1)
        self._threads = settings.password_threads
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="password")
        self._waiting = 0
        self._seconds = 0.0
        salt, rest = (b64encode(secrets.token_bytes(size)).decode().rstrip("=") for size in (16, 32))
        self._nobody = f"$argon2id$v=19$m={memory},t={passes},p=1${salt}${rest}"

    async def hash(self, password: str) -> str:
        """The password as it is stored. Raises Busy."""
        return await self._work(self._hasher.hash, normalize(password))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether this is the password; without a stored one (nobody of that name) the same work and False. Raises Busy."""
        return await self._work(self._check, stored or self._nobody, normalize(password))

    def is_stale(self, stored: str) -> bool:
        """Whether the hash was made by another method or with other parameters than are asked for now."""
        return is_bcrypt(stored) or self._hasher.check_needs_rehash(stored)

    def close(self) -> None:
        """Let the threads go."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _check(self, stored: str, password: str) -> bool:
        try:
            if is_bcrypt(stored):
                return bcrypt.checkpw(password.encode()[:BCRYPT_BYTES], stored.encode())
            return self._hasher.verify(stored, password)
        except (Argon2Error, ValueError):  # another password, or no hash at all
            return False

    async def _work(self, fn: Callable[P, T], *args: P.args, **options: P.kwargs) -> T:
        expected = self._waiting / self._threads * self._seconds
        if expected > PATIENCE:
            raise Busy(retry_after=math.ceil(expected))

        def timed() -> tuple[T, float]:
            started = time.perf_counter()
            return fn(*args, **options), time.perf_counter() - started

        self._waiting += 1
        try:
            result, seconds = await asyncio.get_running_loop().run_in_executor(self._pool, timed)
        finally:
            self._waiting -= 1
        self._seconds += (seconds - self._seconds) / 8
        return result
