"""The sealed addresses and mailboxes of accounts that have none yet: older than the features, or than the newest secret.

An account gets its own when it is made. The rounds of `jobs` look at everybody, so processes of the version before, and a secret
put in front of `JWT_SECRET`, leave nobody out for long.
"""

from dating.accounts import mailboxes, queries
from dating.database import Database, Transaction
from dating.safety import contacts
from dating.settings import Settings
from dating.tokens import key_id

AT_ONCE = 100  # people sealed in one transaction: about a millisecond of hashing
LOOKED_AT = 1000  # people read at once


async def seal_missing(db: Database, settings: Settings) -> None:
    """Seal every address that lacks one by the newest secret, some at a time. A repeat is harmless."""
    after_id: int | None = 0
    while after_id is not None:
        after_id, missing = await db.read(find_missing, settings, after_id)
        for first in range(0, len(missing), AT_ONCE):
            await db.write(seal_some, settings, missing[first : first + AT_ONCE])


async def find_missing(tx: Transaction, settings: Settings, after_id: int) -> tuple[int | None, list[int]]:
    """Who of the next people lacks one, and the last of those people; None at the end."""
    people = await queries.list_sealed(tx, key_id(settings.jwt_secret), after_id, LOOKED_AT)
    missing = [person.id for person in people if person.has_email and not person.is_sealed]
    return (people[-1].id if len(people) == LOOKED_AT else None), missing


async def seal_some(tx: Transaction, settings: Settings, people: list[int]) -> None:
    """Seal the addresses of these people as they are now: a deletion comes before it, or after."""
    for user_id in people:
        await queries.hold_user(tx, user_id)
        account = await queries.find_account(tx, user_id)
        if account is not None:
            await contacts.put_mail(tx, settings, user_id, account.email)
            await mailboxes.put(tx, settings, user_id, account.email)
