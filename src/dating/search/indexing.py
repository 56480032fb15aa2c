"""Keeping the index of the search true, a moment behind what is said.

The database itself notes what is new (see the migration), so nothing that is said can be forgotten, whoever writes it; what is
deleted leaves the index in the same transaction. A job reads what is noted, makes words of it outside the database, and writes
them down unless the message has changed meanwhile. It takes at most a third of the time, so that a flood of messages is
searchable later, not sent later. Several processes at once do no harm.
"""

import asyncio
import time
from collections.abc import Sequence

from dating.database import Database, Transaction
from dating.search import index_queries as queries
from dating.search.models import Called, Terms, Text
from dating.search.words import list_words, write_terms

AT_ONCE = 200  # messages, people or chats that one transaction indexes: keeps the writer free for others in between
REST = 2.0  # times as long as a step took, until the next
PAGES = 200  # of FTS5's storage that one transaction merges


async def keep_up(db: Database) -> None:
    """Index what is noted, then what was there before the search came, until nothing is left."""
    while True:
        began = time.monotonic()
        if not (await index_messages(db) + await index_names(db) or await db.write(queries.note_older)):
            return
        await asyncio.sleep(REST * (time.monotonic() - began))


async def index_messages(db: Database, many: int = AT_ONCE) -> int:
    """The next messages; how many were noted."""
    ids, texts = await db.read(read_messages, many)
    if ids:
        terms = await asyncio.to_thread(write_all_terms, texts)
        await db.write(write_messages, ids, terms)
    return len(ids)


async def read_messages(tx: Transaction, many: int = AT_ONCE) -> tuple[list[int], list[Text]]:
    """What is noted, and what those messages say that have something to say."""
    ids = await queries.list_noted(tx, "message", many)
    return ids, await queries.list_texts(tx, ids) if ids else []


def write_all_terms(texts: Sequence[Text]) -> list[Terms]:
    """The messages as they are kept."""
    return [Terms(text.id, text.edited_at, write_terms(text.scopes(), text.content)) for text in texts]


async def write_messages(tx: Transaction, ids: Sequence[int], terms: Sequence[Terms]) -> None:
    """Take the notes down and the words in; what has changed since it was read stays noted."""
    taken = await queries.take_notes(tx, "message", ids)
    await queries.add_terms(tx, [one for one in terms if one.id in taken and one.words])
    await queries.note_changed(tx, [one for one in terms if one.id in taken])


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
