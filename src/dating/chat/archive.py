"""What is held on a person in chats, and forgetting it."""

from collections.abc import Sequence

import msgspec

from dating.chat import archive_queries as queries
from dating.chat import groups, history, holds, limit_queries, service
from dating.chat.access import BEYOND
from dating.chat.message_models import Message
from dating.database import Transaction

AT_ONCE = 1000
"""Messages that are read for an archive in one go."""


async def erase(tx: Transaction, user_id: int) -> None:
    """Forget a person who leaves: their direct chats with everything in them, their seats in groups, and what they said there.

    Of a message to a group it stays that there was one.
    """
    for chat_id in await queries.list_groups(tx, user_id):
        await groups.vacate(tx, user_id, chat_id)
    await queries.erase(tx, user_id)
    await limit_queries.erase(tx, user_id)


async def export(tx: Transaction, user_id: int) -> dict[str, Sequence[msgspec.Struct]]:
    """The person's open chats as they are listed, with their messages; of all others what the person wrote and marked."""
    return {
        "chats": [
            *await service.list_chats(tx, user_id, BEYOND, 0, 0),
            *await service.list_requests(tx, user_id, BEYOND, 0, 0),
        ],
        "messages": await list_messages(tx, user_id),
        "messages_in_closed_chats": await queries.lost_messages(tx, user_id),
        "message_versions": await queries.versions(tx, user_id),
        "chat_memberships": await queries.seats(tx, user_id),
        "read_marks": await queries.read_marks(tx, user_id),
        "reactions": await queries.reactions(tx, user_id),
        "dismissals": await queries.dismissals(tx, user_id),
        "pins": await queries.pins(tx, user_id),
        "votes": await queries.votes(tx, user_id),
        "held_messages": await holds.export(tx, user_id),
        "newcomer_sends": await limit_queries.own(tx, user_id),
        "invites": await queries.invites(tx, user_id),
    }


async def list_messages(tx: Transaction, user_id: int) -> list[Message]:
    """The messages of the person's open chats. A part at a time: between two, others have their turn."""
    messages: list[Message] = []
    while True:
        rows = await queries.open_messages(tx, user_id, messages[-1].id if messages else 0, AT_ONCE)
        polls = await history.read_polls(tx, user_id, [row.id for row in rows if row.kind == "poll"])
        messages += [history.show(row, {}, polls.get(row.id)) for row in rows]
        if len(rows) < AT_ONCE:
            return messages
