"""Who is kept out: for a time or for good, let back in, and known nevertheless when they appeal."""

from dating.accounts import queries
from dating.accounts.guessing import WrongCredentials, forgive
from dating.accounts.names import fold
from dating.accounts.passwords import Passwords
from dating.database import Database, Transaction
from dating.errors import Forbidden
from dating.realtime import inbox
from dating.realtime.protocol import Close
from dating.throttle import Throttle


class Banned(Forbidden):
    """403: the right password of a banned account."""

    code = "banned"
    detail = "This account is banned."


async def hold(tx: Transaction, user_id: int) -> None:
    """Let nobody else decide about somebody, or delete them, until this transaction ends."""
    await queries.hold_user(tx, user_id)


async def ban(tx: Transaction, user_id: int, until_at: int | None) -> None:
    """Keep somebody out, until a moment (microseconds) or for good: hidden, every socket closed, no session good."""
    await queries.ban(tx, user_id, until_at)
    inbox.revoke(tx, user_id, None, Close.REVOKED)
    inbox.disclose(tx, [user_id])


async def lift(tx: Transaction, user_id: int) -> None:
    """Let somebody back in, whose sessions are good again."""
    await queries.lift(tx, user_id)
    inbox.disclose(tx, [user_id])


async def lift_expired(tx: Transaction) -> None:
    """Let everybody back in whose suspension is over."""
    inbox.disclose(tx, await queries.lift_expired(tx))


async def confirm_excluded(
    db: Database, passwords: Passwords, throttle: Throttle, given: str, password: str, address: str
) -> int:
    """Who is kept out and knows their password. Raises WrongCredentials for everybody else, RateLimited or Busy."""
    await throttle.take("login", f"{fold(given)} {address}")
    await throttle.take("account", fold(given))
    account = await db.read(queries.find_login, fold(given))
    if not await passwords.verify(account.password if account else None, password) or account is None:
        raise WrongCredentials
    if account.banned_at is None:
        raise WrongCredentials
    await forgive(throttle, fold(given), address)
    return account.id
