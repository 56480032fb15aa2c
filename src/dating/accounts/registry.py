"""Where the server keeps what: every table and store, and what becomes of a person in it.

Deleting an account walks `ERASERS`, in this order, and an archive is collected by `EXPORTERS`. `PERSONAL` and `IMPERSONAL` name
every table of the schema; a test compares them with it, plants a marker in every column of every personal table, deletes the
person, and finds none. Redis holds of a person what lives for seconds to hours and is named by hashes or numbers: socket tokens,
counts for limits, and hints on the bus. Files there are none.
"""

from collections.abc import Awaitable, Callable, Sequence

import msgspec

from dating import idempotency
from dating.accounts import export_queries, mailboxes, queries
from dating.calls import service as calls
from dating.chat import archive as chat
from dating.database import Transaction
from dating.matching import service as matching
from dating.profiles import service as profiles
from dating.realtime import inbox, redis_tickets
from dating.safety import service as safety

Eraser = Callable[[Transaction, int], Awaitable[None]]
Exporter = Callable[[Transaction, int], Awaitable[dict[str, Sequence[msgspec.Struct]]]]


async def silence(tx: Transaction, user_id: int) -> None:
    """Take the person's words out of the inboxes of everybody who had a chat with them."""
    await inbox.silence(tx, user_id, await queries.list_correspondents(tx, user_id))


ERASERS: tuple[Eraser, ...] = (
    silence,
    matching.erase,
    calls.erase,
    chat.erase,
    profiles.erase,
    safety.erase,
    inbox.erase,
    redis_tickets.erase,
    idempotency.erase,
    export_queries.erase,
    mailboxes.erase,
)
"""Who forgets a person, in this order: matches end before their chats go, chats before the people in them."""

EXPORTERS: tuple[Exporter, ...] = (matching.export, calls.export, safety.export, idempotency.export)
"""Who says what they hold on a person, beside what `export.collect` needs by name."""

PERSONAL = {
    "users": "a row without a name stays, so that the id is never used again",
    "sessions": "ended, with every socket",
    "codes": "those of the person's address",
    "answers": "by idempotency",
    "exports": "the person's archive",
    "inbox": "the person's own; in those of others the person's words become empty and the numbers stay",
    "inbox_heads": "by the inbox",
    "tickets": "by redis_tickets",
    "blocks": "of both sides",
    "hides": "of both sides",
    "contacts": "the person's own; in those of others nobody can tell who is who",
    "handles": "the person's own",
    "mailboxes": "the person's own",
    "reports": "by and about the person",
    "statements": "about the person",
    "hidden_words": "the person's own",
    "newcomer_sends": "by chat",
    "newcomers": "by chat",
    "screenings": "with their chats, and what the person has sent",
    "profiles": "by profiles",
    "chats": "direct ones; groups stay",
    "members": "with the chat, and the person's seats in groups",
    "messages": "with the chat; in groups it stays that there was one",
    "message_words": "with their messages",
    "names": "with the profile; those of groups stay",
    "unindexed": "with their messages, and the person's own",
    "reads": "with the chat, and the person's own in groups",
    "edits": "with their messages",
    "dismissals": "with their messages, and the person's own",
    "reactions": "with their messages, and the person's own",
    "pins": "with their messages, and the person's own",
    "polls": "with their messages",
    "votes": "with their messages, and the person's own",
    "invites": "those that the person made",
    "calls": "of both sides",
    "call_seats": "with the call",
    "call_signals": "with the call",
    "pairs": "of both sides",
    "likes_used": "by matching",
    "spent": "by matching",
    "boosts": "by matching",
    "superlikes": "of both sides",
    "picks": "of both sides",
    "standings": "by matching",
    "lessons": "of both sides",
    "exposures": "of both sides",
    "reveals": "by matching",
}
"""Every table that holds something of people, and how a deletion leaves it."""

IMPERSONAL = {
    "cells": "places where anybody has ever lived",
    "pick_rounds": "when the picks of a day were made where",
    "statistics": "sums over many people",
    "backfills": "how far the search has got with what was there before it",
    "facts": "about the database as a whole",
    "lots": "the ids of messages that are to be indexed in a moment",
    "leases": "which process does what",
    "audit": "numbers of who did what about whom; the database refuses every change of it",
    "audit_head": "the seal of the last row of that",
    "migrations": "the schema's own ledger",
    "floors": "how old code may be that uses it",
}
"""Every other table, and what it holds instead."""


async def erase(tx: Transaction, user_id: int) -> None:
    """Forget a person everywhere but in the account itself."""
    for forget in ERASERS:
        await forget(tx, user_id)
