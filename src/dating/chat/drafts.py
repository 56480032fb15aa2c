"""Messages on their way: how a post reads once it is sent, and what the members hear of it."""

from dating.chat.message_models import Message
from dating.chat.poll_models import Option, Poll
from dating.chat.post_models import Post
from dating.clock import SECOND, rfc3339
from dating.realtime import events


def show(one: Post, id_: int, other_id: int | None, at: int) -> Message:
    """The message as it is when it has just been sent, at that moment (microseconds)."""
    return Message(
        id_, one.chat_id, one.me, other_id, one.content, one.kind, False, rfc3339(at), one.client_id, one.reply_to_id,
        forwarded=one.forwarded,
        expires_at=None if one.expires_in is None else rfc3339(at + one.expires_in * SECOND),
        links=one.links,
        poll=None if one.poll is None else Poll([Option(text, []) for text in one.poll.options], one.poll.multiple),
    )  # fmt: skip


def describe(message: Message, *, request: bool = False) -> events.Message:
    """What the members hear; `request`: the chat is one that waits."""
    return events.Message(
        message.id, message.chat_id, message.sender_id, message.content, message.created_at, message.kind, message.client_id,
        message.reply_to_id, message.forwarded, message.expires_at, message.links,
        None if message.poll is None else ask(message.poll), request,
    )  # fmt: skip


def ask(poll: Poll) -> events.Question:
    """What a poll asks, without votes."""
    return events.Question([option.text for option in poll.options], poll.multiple)
