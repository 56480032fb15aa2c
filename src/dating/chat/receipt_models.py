"""What receipts are made of: what comes in, and what a row is."""

from typing import Annotated

import msgspec
from msgspec import Meta

from dating.realtime.events import Id


class ChatToRead(msgspec.Struct, frozen=True):
    """The chat that I have read to its end."""

    chat_id: Annotated[Id, Meta(examples=[42])]


class MessagesToRead(msgspec.Struct, frozen=True):
    """Messages that I have read."""

    chat_id: Annotated[Id, Meta(examples=[42])]
    message_ids: Annotated[list[Id], Meta(max_length=500, examples=[[1001, 1002]])]


class Marks(msgspec.Struct, frozen=True):
    """How far a member has received and read."""

    delivered_id: int
    read_id: int
