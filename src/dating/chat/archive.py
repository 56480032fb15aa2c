"""What is held on a person in chats, and forgetting it."""

from collections.abc import Sequence

import msgspec

from dating.chat import archive_queries as queries
from dating.chat import groups, history, holds, limit_queries, service
from dating.chat.access import BEYOND
from dating.database import Transaction


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
        "messages": [history.show(row, {}) for row in await queries.open_messages(tx, user_id)],
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
