"""What groups and the links into them are made of: what comes in, what goes out, what a row is."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dating.chat.models import Moment
from dating.profiles.models import Picture
from dating.realtime.events import Id


class Description(msgspec.Struct, frozen=True):
    """What is to be different about a group: what is not given stays."""

    name: Annotated[str, Meta(max_length=100, examples=["Походы 🏔️"])] | UnsetType = UNSET
    photo_url: Picture | UnsetType | None = UNSET


class NewMembers(msgspec.Struct, frozen=True):
    """People to be brought into a group."""

    user_ids: Annotated[list[Id], Meta(min_length=1, max_length=255, examples=[[9]])]


class NewRole(msgspec.Struct, frozen=True):
    """What a member is to be. There is one owner: making one hands the group over."""

    role: Annotated[Literal["owner", "admin", "member"], Meta(examples=["admin"])]


class NewInvite(msgspec.Struct, frozen=True):
    """A link into a group. `expires_in` in seconds, at most 30 days."""

    expires_in: Annotated[int, Meta(ge=60, le=30 * 86_400, examples=[86_400])] = 7 * 86_400
    max_uses: Annotated[int, Meta(ge=1, le=1000, examples=[10])] | None = None


class Token(msgspec.Struct, frozen=True):
    """What a link into a group ends with."""

    token: Annotated[str, Meta(min_length=1, max_length=100, examples=["kX3vQ0mZ7sYw2nB5tR8uJ1aLcE4dF6gH9iKpNqVxTyU"])]


class Invite(msgspec.Struct, frozen=True):
    """A link into a group. The `token` is shown once, to whoever made it."""

    id: Annotated[int, Meta(examples=[3])]
    chat_id: Annotated[int, Meta(examples=[43])]
    uses: Annotated[int, Meta(examples=[0])]
    max_uses: Annotated[int | None, Meta(examples=[10])]
    expires_at: Moment
    token: Annotated[str | None, Meta(examples=["kX3vQ0mZ7sYw2nB5tR8uJ1aLcE4dF6gH9iKpNqVxTyU"])] = None


class InviteRow(msgspec.Struct, frozen=True):
    """A link that leads into a group; `expires_at` in microseconds."""

    id: int
    chat_id: int
    uses: int
    max_uses: int | None
    expires_at: int


class Reachable(msgspec.Struct, frozen=True):
    """Somebody whom I may see, and whether I may bring them into a group."""

    id: int
    reachable: bool


class Face(msgspec.Struct, frozen=True):
    """How a group shows itself."""

    name: str | None
    photo_url: str | None
