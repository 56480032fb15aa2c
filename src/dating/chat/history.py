"""A chat's history as one member sees it."""

from collections.abc import Sequence

import msgspec

from dating.chat import access, holds
from dating.chat import history_queries as queries
from dating.chat.access import BEYOND, MessageNotFound
from dating.chat.message_models import Message, MessageRow, Reaction, Version
from dating.chat.poll_models import Option, Poll
from dating.clock import rfc3339
from dating.database import Transaction


async def list_messages(
    tx: Transaction, me: int, chat_id: int, limit: int, before_id: int | None, after_id: int | None
) -> list[Message]:
    """A page of a chat, ascending by id: after `after_id`, or the last ones before `before_id`, or the newest.

    With my own held messages, which look like sent ones.

    Raises ChatNotFound.
    """
    room = await access.see(tx, me, chat_id)
    before = before_id or BEYOND
    if after_id is None:
        rows = await queries.list_older(tx, me, chat_id, before, limit)
    else:
        rows = await queries.list_newer(tx, me, chat_id, after_id, before, limit)
    messages = await complete(tx, me, rows)
    if not room.was_screened:
        return messages
    messages = await holds.add_own(tx, room, me, messages, limit, before, after_id)
    return messages[-limit:] if after_id is None else messages[:limit]


async def show_message(tx: Transaction, me: int, message_id: int) -> Message:
    """One message of a chat that is open to me. Raises MessageNotFound."""
    row = await queries.find(tx, me, message_id) if message_id < BEYOND else None
    if row is None or not await access.is_open(tx, me, row.chat_id):
        raise MessageNotFound
    return (await complete(tx, me, [row]))[0]


async def show_own(tx: Transaction, me: int, message_id: int) -> Message:
    """One message of mine, with what it is to say. Raises MessageNotFound."""
    return (await holds.add_edits(tx, me, [await show_message(tx, me, message_id)]))[0]


async def list_pinned(tx: Transaction, me: int, chat_id: int) -> list[Message]:
    """The pinned messages of a chat, the latest pinned first. Raises ChatNotFound."""
    await access.see(tx, me, chat_id)
    return await complete(tx, me, await queries.list_pinned(tx, me, chat_id))


async def list_versions(tx: Transaction, me: int, message_id: int) -> list[Version]:
    """Everything that a message has said, the oldest first, the present text last; for everybody who may read the message.

    Raises MessageNotFound.
    """
    message = await show_message(tx, me, message_id)
    earlier = [Version(row.content, rfc3339(row.written_at)) for row in await queries.list_versions(tx, message_id)]
    return [*earlier, Version(message.content, message.edited_at or message.created_at)]


async def complete(tx: Transaction, me: int, rows: Sequence[MessageRow]) -> list[Message]:
    """Messages as they go out, with what hangs on them."""
    reactions: dict[int, dict[str, list[int]]] = {}
    for reaction in await queries.list_reactions(tx, me, [row.id for row in rows]) if rows else []:
        reactions.setdefault(reaction.message_id, {}).setdefault(reaction.emoji, []).append(reaction.user_id)
    polls = await read_polls(tx, me, [row.id for row in rows if row.kind == "poll"])
    return [show(row, reactions.get(row.id, {}), polls.get(row.id)) for row in rows]


async def read_polls(tx: Transaction, me: int, ids: list[int]) -> dict[int, Poll]:
    """What these messages ask, and who chose what."""
    if not ids:
        return {}
    polls = {
        row.message_id: Poll([Option(text, []) for text in msgspec.json.decode(row.options, type=list[str])], row.multiple)
        for row in await queries.list_polls(tx, ids)
    }
    for vote in await queries.list_votes(tx, me, ids):
        polls[vote.message_id].options[vote.choice].user_ids.append(vote.user_id)
    return polls


def show(row: MessageRow, reactions: dict[str, list[int]], poll: Poll | None = None) -> Message:
    """A message as it goes out."""
    return Message(
        id=row.id,
        chat_id=row.chat_id,
        sender_id=row.sender_id,
        receiver_id=row.receiver_id,
        content=row.content,
        kind=row.kind,
        is_read=row.is_read,
        created_at=rfc3339(row.created_at),
        client_id=row.client_id,
        reply_to_id=row.reply_to_id,
        edited_at=None if row.edited_at is None else rfc3339(row.edited_at),
        deleted=row.deleted,
        forwarded=row.forwarded,
        expires_at=None if row.expires_at is None else rfc3339(row.expires_at),
        links=msgspec.json.decode(row.links, type=list[str]),
        reactions=[Reaction(emoji, user_ids) for emoji, user_ids in reactions.items()],
        poll=poll,
    )
