"""What comes in and goes out when people swipe."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dating.profiles.models import User
from dating.realtime.events import Id

Action = Literal["like", "dislike", "superlike"]
NOTE = 140  # characters that come with a superlike


class Swipe(msgspec.Struct, frozen=True):
    """What I think of somebody. A superlike counts as a like, is told at once, and may bring a note."""

    target_id: Annotated[Id, Meta(examples=[7])]
    action: Annotated[Action, Meta(examples=["like"])]
    note: Annotated[str, Meta(max_length=NOTE, examples=["Тоже люблю старые карты 🗺️"])] | None = None


class SwipeAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """`match` when the other likes me too; only then there is a `content` for people to read and the chat's id."""

    status: Annotated[Literal["like", "dislike", "match"], Meta(examples=["match"])]
    content: Annotated[str, Meta(examples=["It's a match with user 7!"])] | UnsetType = UNSET
    chat_id: Annotated[Id, Meta(examples=[42])] | UnsetType = UNSET


class Undone(msgspec.Struct, frozen=True):
    """My swipe on `target_id` never happened."""

    target_id: Annotated[Id, Meta(examples=[7])]
    status: Literal["undone"] = "undone"


class Follower(User, frozen=True, kw_only=True):
    """Somebody who likes me; `note` are the words of a superlike, if it came with some."""

    superlike: bool
    note: Annotated[str | None, Meta(examples=["Тоже люблю старые карты 🗺️"])]


class Allowance(msgspec.Struct, frozen=True):
    """How many I may spend a day and how many are left today; null: no limit."""

    per_day: Annotated[int | None, Meta(examples=[5])]
    left: Annotated[int | None, Meta(examples=[4])]


class Allowances(msgspec.Struct, frozen=True, kw_only=True):
    """What is left until `resets_at`, the next midnight UTC."""

    likes: Allowance
    superlikes: Allowance
    rewinds: Allowance
    boosts: Allowance
    resets_at: Annotated[str, Meta(examples=["2026-11-21T00:00:00.000Z"])]


class Boost(msgspec.Struct, frozen=True):
    """I am boosted until `ends_at`, or until I was shown `impressions` times because of it."""

    ends_at: Annotated[str, Meta(examples=["2026-11-20T09:30:00.000Z"])]
    impressions: Annotated[int, Meta(examples=[50])]
    status: Literal["boosted"] = "boosted"


class Match(msgspec.Struct, frozen=True):
    """Somebody and I like each other since `matched_at` (RFC 3339, UTC), and talk in `chat_id`."""

    user_id: Annotated[Id, Meta(examples=[7])]
    chat_id: Annotated[Id, Meta(examples=[42])]
    matched_at: Annotated[str, Meta(examples=["2026-11-20T09:00:00.000Z"])]
    user: User


class Unmatched(msgspec.Struct, frozen=True):
    """The match is over and its chat closed."""

    status: Literal["unmatched"] = "unmatched"


class Changed(msgspec.Struct, frozen=True):
    """The pair after a swipe that changed it; `matched_at` is set if this very swipe made the match.

    `before` is what I thought, `theirs` what the other thinks.
    """

    matched_at: int | None
    before: str | None
    theirs: str | None


class TakenBack(msgspec.Struct, frozen=True):
    """The pair after a swipe of mine was taken back: what holds on my side now, and what the other thinks."""

    action: str | None
    theirs: str | None


class MySwipe(msgspec.Struct, frozen=True):
    """A swipe of mine as it stands; `acted_at` and `matched_at` in microseconds."""

    other_id: int
    action: str | None
    acted_at: int | None
    matched_at: int | None


class OwnSwipe(msgspec.Struct, frozen=True):
    """My side of a pair for my archive, in microseconds; `user_id` is None while I cannot see the person."""

    user_id: int | None
    action: str
    acted_at: int
    matched_at: int | None
    unmatched_at: int | None


class LikesUsed(msgspec.Struct, frozen=True):
    """How many likes I spent on the latest day on which I spent any; `day` counts from 1970-01-01."""

    day: int
    used: int


class Superlike(msgspec.Struct, frozen=True):
    """Who superlikes me, and what it says."""

    sender_id: int
    note: str | None


class OwnSuperlike(msgspec.Struct, frozen=True):
    """What a superlike of mine says, for my archive; `user_id` is None while I cannot see the person."""

    user_id: int | None
    note: str | None
    sent_at: int


class MatchRow(msgspec.Struct, frozen=True):
    """A match from the database; `matched_at` in microseconds."""

    user_id: int
    chat_id: int
    matched_at: int
