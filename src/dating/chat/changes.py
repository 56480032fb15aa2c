"""What people do with messages that are there: edit, delete, react, pin.

Who sees what: whoever may read a message may read everything that it has said before its edits. A message deleted for all leaves
nothing of itself, neither earlier versions nor reactions, in nobody's inbox either; that it was there stays, so that histories
and counts agree. One that I delete for myself is gone for me alone, and counts as read by me.
"""

import emoji
from emoji import EmojiMatch, EmojiMatchZWJNonRGI

from dating.chat import access, hold_queries, holds, limits, receipts, veils
from dating.chat import change_queries as queries
from dating.chat.limits import Rules
from dating.chat.links import encode_links, find_links
from dating.chat.message_models import Target
from dating.chat.models import Done, Room
from dating.chat.posts import EmptyMessage
from dating.clock import rfc3339
from dating.database import Transaction
from dating.errors import Conflict, Forbidden, Malformed
from dating.realtime import audience, events, inbox

MOST_EDITS = 100
MOST_PINS = 100
MANAGERS = ("owner", "admin")


class NotYours(Forbidden):
    """403: only the sender may do this (or, where the detail says so, whoever manages the group)."""

    code = "not_your_message"
    detail = "Only the sender of a message may do this."


class NotEditable(Conflict):
    """409: the message is no text of its sender's own, or was edited too often."""

    code = "not_editable"
    detail = "Only texts can be edited, and not without end."


class MessageGone(Conflict):
    """409: the message was deleted."""

    code = "message_deleted"
    detail = "This message was deleted."


class NotAnEmoji(Malformed):
    """400: the text is not exactly one emoji."""

    code = "not_an_emoji"
    detail = "A reaction is exactly one emoji."


class ManagersOnly(Forbidden):
    """403: in a group, only its owner and its administrators may do this."""

    code = "managers_only"
    detail = "Only the owner and the administrators of the group may do this."


class TooManyPins(Conflict):
    """409: so many messages are pinned that none can be added."""

    code = "too_many_pins"
    detail = f"No more than {MOST_PINS} messages of a chat can be pinned."


async def edit(tx: Transaction, me: int, message_id: int, content: str, rules: Rules) -> Done:
    """Let a message of mine say something else; what it says already changes nothing and is not told.

    Where messages are held, the edit is too, until it was judged. Raises EmptyMessage, MessageNotFound, NotYours, MessageGone,
    NotEditable, and what `limits` says.
    """
    if not content.strip():
        raise EmptyMessage
    is_new = await limits.hold_newcomer(tx, me, rules)
    room, target = await access.take_message(tx, me, message_id)
    if target.sender_id != me:
        raise NotYours
    await judge_edit(tx, target)
    if content == target.content:
        await hold_queries.drop_edit(tx, message_id)
        return Done()
    await limits.judge_edit(tx, me, room, content, rules, is_new)
    if rules.screening == "hold":
        await holds.hold_edit(tx, me, room.id, message_id, content)
        return Done("held")
    await hold_queries.drop_edit(tx, message_id)
    if rules.screening == "score":
        await holds.rewatch(tx, me, room.id, message_id)
    await rewrite(tx, me, room, target, content)
    return Done()


async def rewrite(tx: Transaction, me: int, room: Room, target: Target, content: str) -> None:
    """Let a message say something else, and tell the chat, which is taken."""
    # Whoever waited for the chat began before those who went first; what is told has the moment by which `silence` finds it.
    tx.now = at = max(tx.now, (target.edited_at or target.created_at) + 1)
    await queries.edit(tx, target.id, content, encode_links(content), at)
    event = events.MessageEdited(target.id, room.id, me, content, rfc3339(at), find_links(content))
    await access.announce(tx, me, room, event, await veils.judge_edit(tx, me, room.id, target.id, content))


async def judge_edit(tx: Transaction, target: Target) -> None:
    """Raises MessageGone or NotEditable."""
    if target.deleted_at is not None:
        raise MessageGone
    if target.kind != "text" or target.forwarded or await queries.count_versions(tx, target.id) >= MOST_EDITS:
        raise NotEditable


async def delete(tx: Transaction, me: int, message_id: int, for_all: bool) -> Done:
    """Delete a message, for all or for me alone. What is deleted already is not told again.

    For all: mine, or any of a group that I manage. Raises MessageNotFound or NotYours.
    """
    if await holds.withdraw(tx, me, message_id, for_all=for_all):
        return Done()
    room, target = await access.take_message(tx, me, message_id)
    if not for_all:
        await dismiss(tx, me, room, target)
        return Done()
    manages = room.kind == "group" and room.role in MANAGERS
    if target.sender_id is None or (target.sender_id != me and not manages):
        raise NotYours
    if target.deleted_at is None:
        await empty(tx, target)
        by = me if target.sender_id == me else None
        await access.announce(tx, me, room, events.MessageDeleted(room.id, message_id, by, for_all=True))
    return Done()


async def remove(tx: Transaction, message_id: int) -> bool:
    """Delete a message for all by a decision of moderators; the chat, if it is open, hears it. False when it is gone already."""
    is_open = await queries.hold_chat_of(tx, message_id)
    target = await queries.find_any(tx, message_id)
    if target is None or target.deleted_at is not None:
        return False
    await empty(tx, target)
    if is_open:
        await audience.tell_members(tx, [(target.chat_id, events.MessageDeleted(target.chat_id, message_id, None, for_all=True))])
    return True


async def dismiss(tx: Transaction, me: int, room: Room, target: Target) -> None:
    """Take a message out of my sight, which reads it, and tell my own devices."""
    await receipts.read_in(tx, me, room, [target.id])
    if await queries.dismiss(tx, me, target.id):
        await inbox.tell(tx, [me], events.MessageDeleted(room.id, target.id, me, for_all=False))


async def empty(tx: Transaction, target: Target) -> None:
    """Take everything off a message, in the inboxes as well."""
    await silence(tx, target)
    await hold_queries.drop_edit(tx, target.id)
    await queries.empty(tx, target.id)


async def silence(tx: Transaction, target: Target) -> None:
    """Take what a message said, before its edits as well, out of all inboxes; the numbers and their order stay."""
    moments = [target.created_at, *await queries.list_moments(tx, target.id)]
    if target.edited_at is not None:
        moments.append(target.edited_at)
    at = rfc3339(target.created_at)
    dies = None if target.expires_at is None else rfc3339(target.expires_at)  # a device that hears it late lets go of it then
    said = events.Message(
        target.id, target.chat_id, target.sender_id, "", at, target.kind, target.client_id, target.reply_to_id, expires_at=dies
    )
    await inbox.retell(tx, moments, f'{{"type":"message","id":{target.id},', said)
    if len(moments) > 1 and target.sender_id is not None:
        edited = events.MessageEdited(target.id, target.chat_id, target.sender_id, "", at)
        await inbox.retell(tx, moments, f'{{"type":"message_edited","message_id":{target.id},', edited)


async def react(tx: Transaction, me: int, message_id: int, text: str) -> Done:
    """Put my emoji under a message, in place of my earlier one; the same again takes it back.

    Raises NotAnEmoji, MessageNotFound, RequestWaiting or MessageGone.
    """
    given = read_emoji(text)
    room, target = await access.take_message(tx, me, message_id)
    access.require_settled(room)
    if target.deleted_at is not None:
        raise MessageGone
    if await queries.own_reaction(tx, me, message_id) == given:
        await queries.take_back(tx, me, message_id)
        await access.announce(tx, me, room, events.Reaction(room.id, message_id, me))
    else:
        await queries.react(tx, me, message_id, given)
        await access.announce(tx, me, room, events.Reaction(room.id, message_id, me, given))
    return Done()


def read_emoji(text: str) -> str:
    """The one emoji that the text is, fully qualified: ❤ and ❤️ are the same. Raises NotAnEmoji."""
    tokens = list(emoji.analyze(text, non_emoji=True, join_emoji=True))
    if len(tokens) != 1 or not isinstance(tokens[0].value, EmojiMatch | EmojiMatchZWJNonRGI):
        raise NotAnEmoji
    return emoji.emojize(emoji.demojize(text))


async def pin(tx: Transaction, me: int, message_id: int, on: bool) -> Done:
    """Pin a message for everybody in the chat, or take it down; in a group by those who manage it.

    Raises MessageNotFound, RequestWaiting, ManagersOnly, MessageGone or TooManyPins.
    """
    room, target = await access.take_message(tx, me, message_id)
    access.require_settled(room)
    if room.kind == "group" and room.role not in MANAGERS:
        raise ManagersOnly
    if on and target.deleted_at is not None:
        raise MessageGone
    if on:
        changed = await queries.pin(tx, me, room.id, message_id)
        if changed and await queries.count_pins(tx, room.id) > MOST_PINS:
            raise TooManyPins
    else:
        changed = await queries.unpin(tx, room.id, message_id)
    if changed:
        await access.announce(tx, me, room, events.Pinned(room.id, message_id, me if room.kind == "direct" else None, on))
    return Done()
