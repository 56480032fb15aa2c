"""What polls are made of: what comes in, what goes out, what a row is."""

from typing import Annotated

import msgspec
from msgspec import Meta


class NewPoll(msgspec.Struct, frozen=True):
    """What a message asks: its `content` is the question, these are the answers. Everybody sees who chose what."""

    options: Annotated[
        list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(min_length=2, max_length=12, examples=[["Горы", "Море"]])
    ]
    multiple: Annotated[bool, Meta(description="whether several may be chosen", examples=[False])] = False


class Choices(msgspec.Struct, frozen=True):
    """My vote: the places of options, from 0. It takes the place of an earlier one; none takes that back."""

    choices: Annotated[list[Annotated[int, Meta(ge=0, le=11)]], Meta(max_length=12, examples=[[0]])]


class Option(msgspec.Struct, frozen=True):
    """One answer of a poll, and who chose it."""

    text: Annotated[str, Meta(examples=["Горы"])]
    user_ids: Annotated[list[int], Meta(examples=[[7]])]


class Poll(msgspec.Struct, frozen=True):
    """What a message asks."""

    options: list[Option]
    multiple: bool


class PollRow(msgspec.Struct, frozen=True):
    """What a message asks; `options` is JSON."""

    message_id: int
    options: str
    multiple: bool


class VoteRow(msgspec.Struct, frozen=True):
    """One person's choice in one poll."""

    message_id: int
    user_id: int
    choice: int
