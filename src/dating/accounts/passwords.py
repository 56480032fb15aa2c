"""Passwords: hashed with argon2id in a few threads of their own, never on the event loop.

One check costs about 16 ms and 19 MiB by default. Whoever would wait longer than `PATIENCE` is sent away with 503, so that a flood of
sign-ins cannot take the processor from everybody else. Hashes made by bcrypt (imported people) are accepted; `is_stale` says that a hash
should be made anew while the password is at hand.
"""

import asyncio
import math
import secrets
import time
import unicodedata
from base64 import b64encode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import bcrypt
from argon2 import PasswordHasher
from argon2.exceptions import Argon2Error, InvalidHashError

from dating.errors import Malformed, Unavailable
from dating.settings import Settings

T = TypeVar("T")
P = ParamSpec("P")

LEAST = 8  # characters
MOST = 256  # characters: 1,024 bytes at most
PATIENCE = 5.0  # expected seconds in the queue beyond which nobody else is let in
BCRYPT_BYTES = 72  # bcrypt has never looked at more

# The most used passwords of eight characters or more in published leaks, and what they become on a Russian keyboard.
COMMON = frozenset(
    """
    00000000 000000000 0000000000 01234567 012345678 0123456789 01020304 01012000 01011990 10101010 10203040 11111111 111111111
    1111111111 11112222 11223344 1122334455 11235813 112233445566 12121212 12341234 123412345 12344321 12345678 123456789 1234567890
    12345678910 1234567891 123456781 1234567a 12345678a 12345678q 123456789a 123456789q 123456789z 12345qwert 1234qwer 123123123
    123321123 123654789 123qweasd 123qwe123 123abc123 12qwaszx 13131313 131313131 135792468 147258369 159753456 159357456 18436572
    19841984 19851985 19861986 19871987 19881988 19891989 19901990 19911991 19921992 1a2b3c4d 1q2w3e4r 1q2w3e4r5t 1q2w3e4r5t6y
    1qaz2wsx 1qaz2wsx3edc 1qazxsw2 20002000 20102010 20202020 21212121 22222222 222222222 23456789 23232323 25802580 2wsx3edc 31415926
    33333333 333333333 44444444 444444444 45454545 55555555 555555555 5555555555 56565656 66666666 666666666 69696969 741852963
    77777777 777777777 7777777777 78787878 789456123 87654321 88888888 888888888 8888888888 98765432 987654321 9876543210 99999999
    999999999 9999999999 a1234567 a12345678 a123456789 a1b2c3d4 aa123456 aa12345678 aaaaaaaa abc12345 abc123456 abcd1234 abcdefgh
    abcdefghi access14 admin123 admin1234 administrator alexander amanda12 angel123 arsenal1 asd12345 asdasdasd asdf1234 asdfasdf
    asdfghjk asdfghjkl asdfghjkl1 azerty123 babygirl babygirl1 baseball baseball1 basketball benjamin blink182 bigdaddy butterfly
    butterfly1 charlie1 changeme chocolate chocolate1 christian christopher computer computer1 cocacola corvette courtney danielle
    december dolphins dragon123 einstein elephant elizabeth facebook facebook1 fktrcfylh football football1 football12 forever1
    freedom1 gfhjkm123 ghjcnjnfr godzilla goodluck gjgrflehf guitar12 hello123 hello1234 hellokitty heslo123 iloveyou iloveyou1
    iloveyou2 iloveyou12 internet internet1 isabella jennifer jennifer1 jessica1 jonathan jordan23 justin12 kristina letmein1
    letmein123 liverpool liverpool1 lollipop london12 lovelove loveyou1 manchester marina12 marlboro master12 matrix12 maverick
    mercedes metallica michael1 michelle mickey12 midnight minecraft monkey12 monkey123 mustang1 myspace1 nastya12 natasha1 natalia1
    nicholas nicole12 nirvana1 november october1 p4ssw0rd p@ssw0rd p@ssword pa55word pa55w0rd passport passw0rd passw0rd1 password
    password! password0 password01 password1 password1! password11 password12 password123 password1234 password2 password3 passwort
    patricia pokemon1 porsche1 princess princess1 privet123 q1w2e3r4 q1w2e3r4t5 q1w2e3r4t5y6 qazqazqaz qazwsx12 qazwsx123 qazwsxedc
    qazwsxedcrfv qwaszx12 qweasdzxc qweasd123 qweqweqwe qwer1234 qwert123 qwert12345 qwerty11 qwerty12 qwerty123 qwerty1234
    qwerty12345 qwerty123456 qwertyui qwertyuiop qwertyuiop1 rangers1 rfnthbyf robert12 samantha samantha1 samsung1 samsung123
    scooby12 scorpion secret12 secret123 september shadow12 shadow123 skywalker slipknot snowball soccer12 softball spartak1 spiderman
    spongebob starwars starwars1 steelers sunflower sunshine sunshine1 superman superman1 superstar sweetheart swordfish tatyana1
    test1234 test12345 testtest teste123 thomas12 tinkerbell trustno1 twilight victoria victoria1 vfrcbvrf vladimir welcome1 welcome12
    welcome123 whatever whatever1 william1 winston1 wrestling xxxxxxxx yankees1 ytrewq321 zaq12wsx zaq1xsw2 zaqwsxcde zxc123456
    zxcvbnm1 zxcvbnm123 zxcvbnmm zxcvzxcv zzzzzzzz йцукенгш йцукенгшщз йцукен123 йцукен12345 фывапролд фывапролджэ ячсмитьбю пароль12
    пароль123 пароль1234 любовь123 привет12 привет123 наташа123 марина123 спартак1 йцукен12
    """.split()
)


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
    if folded in COMMON or len(set(folded)) == 1 or folded in {name.casefold() for name in names}:
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
        if is_bcrypt(stored):
            return bcrypt.checkpw(password.encode()[:BCRYPT_BYTES], stored.encode())
        try:
            return self._hasher.verify(stored, password)
        except (Argon2Error, InvalidHashError):
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
