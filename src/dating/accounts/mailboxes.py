"""One mailbox, however its address is spelled: so that whoever is kept out does not come again as `anna+2@…`.

Everywhere what follows a `+` is left out, and where dots mean nothing the dots are. Kept is a keyed hash, so that nobody can
search a stolen database for addresses. Two accounts may share a mailbox, unless one of them is kept out.
"""

from dating.accounts import mailbox_queries as queries
from dating.accounts.names import fold
from dating.database import Transaction
from dating.settings import Settings
from dating.tokens import key_id, seal

DOTLESS = {"gmail.com", "googlemail.com"}  # one provider, whose addresses lead to the same mailbox with dots and without


def spell(email: str) -> str:
    """The one spelling of the mailbox that an address leads to."""
    name, _, domain = fold(email).rpartition("@")
    name = name.split("+", 1)[0] or name
    return f"{name.replace('.', '')}@gmail.com" if domain in DOTLESS else f"{name}@{domain}"


async def put(tx: Transaction, settings: Settings, user_id: int, email: str | None) -> None:
    """From now on this is the person's mailbox; None: none is."""
    await queries.erase(tx, user_id)
    for secret in settings.jwt_secrets if email is not None else ():
        await queries.put(tx, user_id, key_id(secret), seal(secret, "mailbox", spell(email or "")))


async def is_kept_out(tx: Transaction, settings: Settings, email: str) -> bool:
    """Whether somebody who is banned or suspended now reads this mailbox."""
    for secret in settings.jwt_secrets:
        if await queries.is_kept_out(tx, seal(secret, "mailbox", spell(email))):
            return True
    return False


async def erase(tx: Transaction, user_id: int) -> None:
    """Forget the mailbox of a person whose account is being deleted."""
    await queries.erase(tx, user_id)
