"""Address books over HTTP.

No Idempotency-Key: every request may be repeated, and the fingerprint of a body would be kept without a secret.
"""

from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import JSONBody

from dating.database import Database
from dating.safety import contacts
from dating.safety.contact_models import AT_ONCE, ContactCount, Contacts
from dating.settings import Settings
from dating.tokens import Identity

TAGS = ["Safety"]
MAKING = (
    "Each hash is SHA-256 of UTF-8 text, as 64 hexadecimal digits. A mail address: Unicode NFKC, blanks around it removed, lower "
    "case (`maria@example.org`); dots and `+` stay. A telephone number: E.164, a `+` and 7 to 15 digits, nothing else "
    "(`+4915112345678`). "
)
EFFECT = (
    "Whose account has one of these addresses, verified or not, and I no longer come up for each other in search, picks and "
    "likes, from now on and for accounts made later, too. Not a block: nobody is told, and matches, chats and profiles stay. "
    "Accounts have no telephone numbers yet; hashes of them are kept, and count from the day they do. "
)
LIMITS = f"At most {AT_ONCE} hashes in a request and {contacts.MOST:,} in all. The answer does not depend on who has an account."


@put(
    "/me/contacts",
    summary="Do not meet those whom I know",
    description=f"Replaces my address book. {EFFECT}{MAKING}{LIMITS}",
    tags=TAGS,
    opt={"limit": "contacts"},
)
async def replace_contacts(
    data: JSONBody[Contacts], me: NamedDependency[Identity], db: NamedDependency[Database], settings: NamedDependency[Settings]
) -> ContactCount:
    """Keep these hashes and no others."""
    return await contacts.replace(db, settings, me.user_id, data)


@post(
    "/me/contacts",
    status_code=200,
    summary="Add to those whom I know",
    description=f"Adds to my address book; those already there count once. {MAKING}{LIMITS}",
    tags=TAGS,
    opt={"limit": "contacts"},
)
async def add_contacts(
    data: JSONBody[Contacts], me: NamedDependency[Identity], db: NamedDependency[Database], settings: NamedDependency[Settings]
) -> ContactCount:
    """Keep these hashes, too."""
    return await contacts.add(db, settings, me.user_id, data)


@get(
    "/me/contacts",
    summary="How many I keep",
    description="The number of different hashes in my address book; neither they nor whom they belong to are ever given out.",
    tags=TAGS,
)
async def count_contacts(me: NamedDependency[Identity], db: NamedDependency[Database]) -> ContactCount:
    """The size of my address book."""
    return await db.read(contacts.count, me.user_id)


@delete(
    "/me/contacts",
    status_code=200,
    summary="Forget my address book",
    description="Removes every hash; those whom it kept away may come up again at once, and I for them.",
    tags=TAGS,
)
async def clear_contacts(me: NamedDependency[Identity], db: NamedDependency[Database]) -> ContactCount:
    """Keep none any more."""
    return await db.write(contacts.clear, me.user_id)


handlers = [replace_contacts, add_contacts, count_contacts, clear_contacts]
