"""Not meeting those whom one knows from elsewhere, by hashes out of one's address book.

The client sends SHA-256 hashes; kept is a keyed hash of each (`seal`, as the codes of accounts do it), so that a stolen database
cannot be searched for addresses. Accounts have the same keyed hash of their own address, verified or not, in `handles`. Where the
two meet, the view `unwanted` hides each from the other in lists of people. Nothing else changes and nobody is told.

Whether an address has an account shows nowhere: all that is written and answered follows from the request alone, without a look
at `handles`; who knows whom is worked out by whoever asks for a list.

**When secrets rotate:** an address book is sealed by the newest secret, a handle once by each of `JWT_SECRET`. So books sealed by
the secret before go on working, for new accounts too while it is listed, and afterwards for those sealed while it was. A client
that sends its book anew (PUT) brings it under the newest.
"""

import asyncio
import hashlib
import unicodedata

from dating.database import Database, Transaction
from dating.errors import Conflict
from dating.realtime import inbox
from dating.safety import contact_queries as queries
from dating.safety.contact_models import ContactCount, Contacts
from dating.settings import Settings
from dating.tokens import key_id, seal

MOST = 5000


class TooManyContacts(Conflict):
    """409: with these there would be more hashes than one person may keep; nothing was changed."""

    code = "too_many_contacts"
    detail = f"An address book has at most {MOST} entries here."


def digest_mail(email: str) -> str:
    """The hash that a client makes of this address: NFKC, no blanks around it, lower case, UTF-8, SHA-256, hexadecimal."""
    return hashlib.sha256(unicodedata.normalize("NFKC", email).strip().lower().encode(errors="replace")).hexdigest()


def seal_digest(secret: str, digest: str) -> str:
    """A client's hash as it is kept."""
    return seal(secret, "contact", digest.lower())


def seal_book(settings: Settings, hashes: list[str]) -> list[str]:
    """An address book as it is kept, each entry once, in order."""
    return sorted({seal_digest(settings.jwt_secret, digest) for digest in hashes})


# --- my address book --------------------------------------------------------------------------------------------------------


async def replace(db: Database, settings: Settings, me_id: int, book: Contacts) -> ContactCount:
    """Keep these and no others. A repeat is harmless."""
    sealed = await asyncio.to_thread(seal_book, settings, book.hashes)
    return await db.write(write_book, me_id, sealed, fresh=True)


async def add(db: Database, settings: Settings, me_id: int, book: Contacts) -> ContactCount:
    """Keep these, too. A repeat is harmless. Raises TooManyContacts."""
    sealed = await asyncio.to_thread(seal_book, settings, book.hashes)
    return await db.write(write_book, me_id, sealed, fresh=False)


async def write_book(tx: Transaction, me_id: int, sealed: list[str], *, fresh: bool) -> ContactCount:
    """The database work of both; one at a time for each person. Raises TooManyContacts."""
    await inbox.hold(tx, [me_id])
    if fresh:
        await queries.clear(tx, me_id)
    await queries.add(tx, me_id, sealed)
    kept = await count(tx, me_id)
    if kept.count > MOST:
        raise TooManyContacts
    return kept


async def count(tx: Transaction, me_id: int) -> ContactCount:
    """How many I keep."""
    return ContactCount(await queries.count(tx, me_id))


async def clear(tx: Transaction, me_id: int) -> ContactCount:
    """Keep none any more."""
    await inbox.hold(tx, [me_id])
    await queries.clear(tx, me_id)
    return ContactCount(0)


async def erase(tx: Transaction, user_id: int) -> None:
    """Forget the address book of a person whose account is being deleted, and how they could be reached."""
    await queries.erase(tx, user_id)


# --- the addresses of accounts ----------------------------------------------------------------------------------------------


async def put_mail(tx: Transaction, settings: Settings, user_id: int, email: str | None) -> None:
    """From now on the person is found by this address in the books of others, and by none before; None: by none."""
    await queries.drop_handles(tx, user_id, "mail")
    if email is None:
        return
    digest = digest_mail(email)
    for secret in settings.jwt_secrets:
        await queries.put_handle(tx, user_id, "mail", key_id(secret), seal_digest(secret, digest))
