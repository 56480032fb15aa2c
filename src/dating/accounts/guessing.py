"""What keeps passwords from being guessed, and the password once more from somebody who is signed in.

Guessing is bounded by three limits, none of which locks the owner out:

* `limit_login` for one address, whatever it asks for (in development the machine itself is not counted);
* `limit_login` for one account from one address; forgotten when the right password comes;
* `limit_account` for one account from everywhere; forgotten likewise, and not counted for a device that is signed in already.

What cannot be undone, or gives everything away, asks for the password once more. Wrong ones are counted for the person, whatever
the operation: whoever holds a session of somebody else cannot guess by it.
"""

from dating.accounts import queries
from dating.accounts.models import Account
from dating.accounts.passwords import Passwords
from dating.clock import SECOND
from dating.database import Database, Transaction
from dating.errors import Forbidden, Unauthorized
from dating.throttle import Throttle
from dating.tokens import Identity, InvalidToken

RECENT = 600 * SECOND
"""Microseconds for which having signed in is as good as saying the password once more."""


class WrongCredentials(Unauthorized):
    """401: no such name, or another password; which of the two is not said."""

    code = "invalid_credentials"
    detail = "The name or the password is wrong."


class WrongPassword(Forbidden):
    """403: somebody signed in, who does not know the password."""

    code = "wrong_password"
    detail = "The password is wrong."


class PasswordNeeded(Forbidden):
    """403: signed in some time ago, and this needs the password once more."""

    code = "password_needed"
    detail = "Say your password once more: POST the same path with it, or sign in again."


async def forgive(throttle: Throttle, given: str, address: str) -> None:
    """The right password came: what was guessed before does not count any more."""
    await throttle.clear("login", f"{given} {address}")
    await throttle.clear("account", given)


async def confirm(db: Database, passwords: Passwords, throttle: Throttle, me: Identity, password: str) -> Account:
    """My account, after the password was checked once more. Raises WrongPassword, RateLimited or Busy."""
    await throttle.take("login", f"#{me.user_id}")
    account = await db.read(queries.find_account, me.user_id)
    if account is None:
        raise InvalidToken
    if not await passwords.verify(account.password, password):
        raise WrongPassword
    await throttle.clear("login", f"#{me.user_id}")
    return account


async def require_recent(tx: Transaction, me: Identity) -> None:
    """Whether I have just signed in on this device. Raises PasswordNeeded."""
    if not await queries.was_opened_since(tx, me.user_id, me.session_id, tx.now - RECENT):
        raise PasswordNeeded
