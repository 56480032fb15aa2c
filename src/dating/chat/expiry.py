"""Disappearing messages: from their moment on nobody sees them; within a minute a job takes them out of storage, too.

Clients know the moment from the message, so nobody is told. Counts of what is unread follow with the job, and are exact then: a
message takes with it what it counted for in its chat, and for every member who had read it.
"""

from collections.abc import Sequence
from itertools import groupby

from dating.chat import expiry_queries as queries
from dating.chat.changes import silence
from dating.chat.message_models import Target
from dating.database import Transaction

AT_ONCE = 200  # messages that one transaction removes: keeps the writer free for others in between


async def expire(tx: Transaction) -> bool:
    """Remove the next messages whose time is over; whether there may be more."""
    gone = await queries.list_expired(tx, AT_ONCE)
    for chat_id, messages in groupby(gone, key=lambda message: message.chat_id):
        await remove(tx, chat_id, list(messages))
    return len(gone) == AT_ONCE


async def remove(tx: Transaction, chat_id: int, messages: Sequence[Target]) -> None:
    """Remove messages of one chat, and every word of them in the inboxes."""
    await queries.uncount(tx, chat_id, [message.id for message in messages])
    for message in messages:
        await silence(tx, message)
    await queries.remove(tx, [message.id for message in messages])
