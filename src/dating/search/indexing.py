"""Keeping the index of the search true, a moment behind what is said.

The database itself notes what is new (see the migrations), so nothing that is said can be forgotten, whoever writes it; what is
deleted leaves the index in the same transaction. A job reads what is noted, makes words of it outside the database, and writes
them down unless the message has changed meanwhile. It takes at most a third of the time, so that a flood of messages is
searchable later, not sent later. One process does it, as long as its lease lasts; several at once do no harm.
"""

import asyncio
import time
from collections.abc import Sequence

import msgspec

from dating.clock import SECOND
from dating.database import Database, Transaction
from dating.search import index_queries as queries
from dating.search.models import Called, Due, Noted, Terms, Text
from dating.search.words import list_words, write_terms

AT_ONCE = 200  # lots, changed messages, people or chats that one transaction indexes: keeps the writer free for others
LARGER = 5  # times as many new messages, when they come in lots of many
REST = 2.0  # times as long as a step took, until the next
LEASE = 5 * SECOND
PAGES = 200  # of FTS5's storage that one transaction merges


async def keep_up(db: Database, process: str) -> None:
    """Index what is noted, then what was there before the search came, until nothing is left or another process is at it."""
    while True:
        began = time.monotonic()
        due = await db.read(queries.find_due, process)
        if due is None or not due.is_any() or not await db.write(queries.take_lease, process, LEASE):
            return
        await index(db, due)
        await asyncio.sleep(REST * (time.monotonic() - began))


async def index(db: Database, due: Due) -> None:
    """The next of what is noted; when nothing is, note the next of what is older."""
    if due.messages:
        await index_messages(db)
    if due.people or due.chats:
        await index_names(db)
    if not (due.messages or due.people or due.chats):
        await db.write(queries.note_older)


async def index_messages(db: Database, many: int = AT_ONCE) -> int:
    """The next messages; how many were noted."""
    noted, texts = await db.read(read_messages, many)
    if noted.lots or noted.single:
        terms = await asyncio.to_thread(write_all_terms, texts)
        await db.write(write_messages, noted, terms)
    return len(noted.ids())


async def read_messages(tx: Transaction, many: int = AT_ONCE) -> tuple[Noted, list[Text]]:
    """What is noted, and what those messages say that have something to say."""
    lots: dict[int, list[int]] = {}
    for lot in await queries.list_lots(tx, many):
        if sum(map(len, lots.values())) >= LARGER * many:
            break
        lots[lot.id] = msgspec.json.decode(lot.messages, type=list[int])
    noted = Noted(lots, await queries.list_noted(tx, "message", many))
    return noted, await queries.list_texts(tx, noted.ids())


def write_all_terms(texts: Sequence[Text]) -> list[Terms]:
    """The messages as they are kept."""
    return [Terms(text.id, text.edited_at, write_terms(text.scopes(), text.content)) for text in texts]


async def write_messages(tx: Transaction, noted: Noted, terms: Sequence[Terms]) -> None:
    """Take the notes down and the words in; what was noted singly and has changed since it was read stays noted."""
    lots = await queries.take_lots(tx, list(noted.lots)) if noted.lots else set()
    single = await queries.take_notes(tx, "message", noted.single) if noted.single else set()
    taken = single.union(*[noted.lots[lot] for lot in lots])
    mine = [one for one in terms if one.id in taken]
    if await queries.add_terms(tx, [one for one in mine if one.words]) < len(mine):
        await queries.note_changed(tx, mine)


async def index_names(db: Database) -> int:
    """The next people and groups; how many were noted."""
    return await db.write(rename, "person") + await db.write(rename, "chat")


async def rename(tx: Transaction, kind: str) -> int:
    """Write down anew how the next people, or groups, are called; how many were noted."""
    ids = await queries.take_notes(tx, kind, await queries.list_noted(tx, kind, AT_ONCE))
    if ids:
        called = await queries.list_called(tx, kind, sorted(ids))
        await queries.replace_names(tx, kind, sorted(ids), spell(called))
    return len(ids)


def spell(called: Sequence[Called]) -> list[tuple[int, str]]:
    """Each with each word of its name."""
    return [(one.id, word) for one in called for word in list_words(one.name)]


async def merge(db: Database) -> None:
    """Take words that were removed out of the storage of the index as well, in small steps."""
    pages = await db.read(queries.count_pages)
    if pages:
        await db.write(queries.merge, -PAGES)
        for _ in range(pages // PAGES + 1):
            await db.write(queries.merge, PAGES)
