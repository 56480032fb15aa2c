"""Mailed codes: six digits, good once, for one purpose and one address, for some minutes and a few tries.

Addresses and codes are stored as keyed hashes. A code is made for an address that nobody has, too: asking for one, and trying
one, takes the same work for known and unknown.
"""

import hmac
import secrets

from dating.accounts import queries
from dating.accounts.models import Account, Purpose
from dating.clock import SECOND
from dating.database import Transaction
from dating.errors import Unauthorized
from dating.settings import Settings
from dating.tokens import seal

CODE_MINUTES = 15
CODE_TRIES = 5


class BadCode(Unauthorized):
    """401: not the code that was mailed last, or too old, used, or tried too often."""

    code = "invalid_code"
    detail = "The code is wrong or has expired."


def seal_address(settings: Settings, email_key: str) -> str:
    """An address as the codes know it."""
    return seal(settings.jwt_secret, "address", email_key)


def seal_code(settings: Settings, purpose: Purpose, email_key: str, code: str) -> str:
    """A code as it is stored: good for one purpose and one address."""
    return seal(settings.jwt_secret, f"code to {purpose}", f"{code} {email_key}")


async def issue_code(tx: Transaction, settings: Settings, purpose: Purpose, email_key: str) -> str:
    """A new code for the address; the one before it is good no more."""
    code = f"{secrets.randbelow(10**6):06}"
    subject, sealed = seal_address(settings, email_key), seal_code(settings, purpose, email_key, code)
    await queries.put_code(tx, subject, purpose, sealed, tx.now + CODE_MINUTES * 60 * SECOND)
    return code


async def redeem_code(tx: Transaction, settings: Settings, purpose: Purpose, email_key: str, code: str) -> Account | None:
    """Whose code this is, once; None for a wrong one, which counts as a try and must be committed as such."""
    subject = seal_address(settings, email_key)
    kept = await queries.try_code(tx, subject, purpose, CODE_TRIES)
    if kept is None or not hmac.compare_digest(kept, seal_code(settings, purpose, email_key, code)):
        return None
    await queries.drop_code(tx, subject, purpose)
    return await queries.find_login(tx, email_key)


async def request_code(tx: Transaction, settings: Settings, purpose: Purpose, email_key: str) -> tuple[Account | None, str]:
    """A code, and who it is for: the same work whether or not there is somebody."""
    return await queries.find_login(tx, email_key), await issue_code(tx, settings, purpose, email_key)
