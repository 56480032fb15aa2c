"""A person's own archive: everything that the server holds on them, as a ZIP of JSON files.

Every feature says in its `export` what it holds, each kind a list. Secrets are in none of them, and of others there is no more
than the person may see at this moment: rows are the person's own, and what names somebody or a chat that is hidden is null.
"""

import io
from collections.abc import Mapping, Sequence
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZipFile

import msgspec

from dating.accounts import queries, registry
from dating.accounts.models import InboxEntry, InboxRow
from dating.chat import archive as chat
from dating.chat.models import Chat
from dating.clock import DAY, rfc3339
from dating.database import Transaction
from dating.profiles import service as profiles

MEDIA_TYPE = "application/zip"
HEADERS = {"content-disposition": 'attachment; filename="dating-export.zip"'}

AT_ONCE = 500
"""Records that are encoded, and entries of an inbox that are read, in one go."""

Kinds = dict[str, Sequence[msgspec.Struct]]


async def collect(tx: Transaction, user_id: int) -> Kinds:
    """Everything held on the person, by kind."""
    chats = await chat.export(tx, user_id)
    kinds: Kinds = {
        "account": await queries.own_account(tx, user_id),
        "profile": [await profiles.me(tx, user_id)],
        "sessions": await queries.own_sessions(tx, user_id),
        **chats,
        "inbox": await read_inbox(tx, user_id, {one.id for one in chats["chats"] if isinstance(one, Chat)}),
    }
    for export in registry.EXPORTERS:
        kinds |= await export(tx, user_id)
    return kinds


async def read_inbox(tx: Transaction, user_id: int, open_chats: set[int]) -> list[InboxEntry]:
    """What the person was told, without what is about people and chats that they cannot see any more. A part at a time."""
    entries: list[InboxEntry] = []
    while True:
        rows = await queries.own_inbox(tx, user_id, entries[-1].seq if entries else 0, AT_ONCE)
        entries += await read_entries(tx, user_id, rows, open_chats)
        if len(rows) < AT_ONCE:
            return entries


async def read_entries(tx: Transaction, user_id: int, rows: Sequence[InboxRow], open_chats: set[int]) -> list[InboxEntry]:
    """The same of these rows."""
    events: list[dict[str, Any]] = [msgspec.json.decode(row.event) for row in rows]
    people = {event["user_id"] for event in events if event.get("user_id") is not None}
    visible = {None, user_id, *await queries.keep_visible(tx, user_id, sorted(people))}
    return [
        InboxEntry(row.seq, row.created_at, event if may_see(event, visible, open_chats) else None)
        for row, event in zip(rows, events, strict=True)
    ]


def may_see(event: Mapping[str, Any], visible: set[int | None], open_chats: set[int]) -> bool:
    """Whether the event is about nobody hidden and no closed chat. That a match has ended is told of a closed chat."""
    return event.get("user_id") in visible and (
        "chat_id" not in event or event["chat_id"] in open_chats or event["type"] == "unmatch"
    )


def pack(kinds: Kinds) -> bytes:
    """The archive: `kind.json` for each kind. It may be large, so this is for a thread of its own."""
    archive = io.BytesIO()
    with ZipFile(archive, "w", ZIP_DEFLATED) as files:
        for kind, records in kinds.items():
            with files.open(f"{kind}.json", "w") as file:
                write_list(file, records)
    return archive.getvalue()


def write_list(file: IO[bytes], records: Sequence[msgspec.Struct]) -> None:
    """The records as an indented JSON list. A part at a time: the encoder lets nobody else run while it is at it."""
    file.write(b"[")
    for first in range(0, len(records), AT_ONCE):
        part = msgspec.json.encode([spell(record) for record in records[first : first + AT_ONCE]])
        file.write((b"," if first else b"") + msgspec.json.format(part, indent=2)[1:-2])
    file.write(b"\n]" if records else b"]")


def spell(record: msgspec.Struct) -> dict[str, Any]:
    """A record with its moments and days in words."""
    fields = {name: getattr(record, name) for name in record.__struct_fields__}
    return {name: spell_moment(name, value) for name, value in fields.items()}


def spell_moment(name: str, value: Any) -> Any:
    """Rows of the database have microseconds in `…_at` and a number in `day`; what is shown elsewhere has texts already."""
    if not isinstance(value, int):
        return value
    if name == "day":
        return rfc3339(value * DAY)[:10]
    return rfc3339(value) if name.endswith("_at") else value
