"""What comes in and goes out about a person, and what the rows are."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dating.realtime.events import Id

Gender = Literal["male", "female", "nonbinary"]
Interest = Literal["male", "female", "nonbinary", "both", "everyone"]
MessagesFrom = Literal["matches", "followed", "everyone"]

DATE = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])([Tt ].*)?$"
# The blanks that \s means here and in JavaScript are not quite the same: those of either are named.
PICTURE = r"^(https?://[^\s\x1c-\x1f\x85\ufeff/][^\s\x1c-\x1f\x85\ufeff]*|/[^\s\x1c-\x1f\x85\ufeff/][^\s\x1c-\x1f\x85\ufeff]*)?$"
LINK = r"^(https?://[^\s\x1c-\x1f\x85\ufeff/][^\s\x1c-\x1f\x85\ufeff]*)?$"

Name = Annotated[str, Meta(max_length=100, examples=["Мария"])]
Birthday = Annotated[str, Meta(max_length=35, pattern=DATE, description="a day, or RFC 3339", examples=["1994-05-17"])]
Bio = Annotated[str, Meta(max_length=500, examples=["Горы, чай и старые карты 🗺️"])]
Picture = Annotated[str, Meta(max_length=500, pattern=PICTURE, examples=["https://example.org/maria.jpg"])]
Location = Annotated[str, Meta(max_length=200, examples=["Берлин"])]
Website = Annotated[str, Meta(max_length=200, pattern=LINK, examples=["https://example.org"])]
Latitude = Annotated[float, Meta(ge=-90, le=90, examples=[52.52])]
Longitude = Annotated[float, Meta(ge=-180, le=180, examples=[13.405])]
Topic = Annotated[str, Meta(min_length=1, max_length=50)]
Topics = Annotated[list[Topic], Meta(max_length=30, examples=[["hiking", "чай"]])]
Age = Annotated[int, Meta(ge=18, le=120, examples=[25])]
Dealbreaker = Literal["age", "distance"]
Kilometers = Annotated[int, Meta(ge=1, le=40_000, examples=[50])]


class Prompt(msgspec.Struct, frozen=True):
    """A question that the profile answers."""

    question: Annotated[str, Meta(min_length=1, max_length=200, examples=["A perfect Sunday?"])]
    answer: Annotated[str, Meta(min_length=1, max_length=500, examples=["В горах"])]


Prompts = Annotated[list[Prompt], Meta(max_length=10)]


class Place(msgspec.Struct, frozen=True):
    """A point; what is kept of it is its cell, and given back is the center of that."""

    latitude: Latitude
    longitude: Longitude


class PreferenceChanges(msgspec.Struct, frozen=True, kw_only=True):
    """The given preferences change, the others stay; null takes a rule away."""

    genders: Annotated[list[Gender], Meta(max_length=3, examples=[["male"]])] | UnsetType | None = UNSET
    min_age: Age | UnsetType | None = UNSET
    max_age: Age | UnsetType | None = UNSET
    max_distance_km: Kilometers | UnsetType | None = UNSET
    dealbreakers: Annotated[list[Dealbreaker], Meta(max_length=2, examples=[["distance"]])] | UnsetType | None = UNSET


class SettingChanges(msgspec.Struct, frozen=True, kw_only=True):
    """The given settings change, the others stay."""

    discoverable: bool | UnsetType = UNSET
    incognito: bool | UnsetType = UNSET
    show_distance: bool | UnsetType = UNSET
    show_last_active: bool | UnsetType = UNSET
    read_receipts: bool | UnsetType = UNSET
    messages_from: MessagesFrom | UnsetType = UNSET
    notify_matches: bool | UnsetType = UNSET
    notify_messages: bool | UnsetType = UNSET
    notify_likes: bool | UnsetType = UNSET


class ProfileFields(msgspec.Struct, frozen=True, kw_only=True):
    """Any part of a profile: what is given changes, what is absent stays, null (or an empty text) clears.

    Unknown keys are ignored, so neither `role` nor a counter can be set.
    """

    name: Name | UnsetType | None = UNSET
    gender: Gender | UnsetType | None = UNSET
    birthday: Birthday | UnsetType | None = UNSET
    interested_in: Interest | UnsetType | None = UNSET
    bio: Bio | UnsetType | None = UNSET
    photo_url: Picture | UnsetType | None = UNSET
    location: Location | UnsetType | None = UNSET
    latitude: Latitude | UnsetType | None = UNSET
    longitude: Longitude | UnsetType | None = UNSET
    travel: Place | UnsetType | None = UNSET
    website: Website | UnsetType | None = UNSET
    interests: Topics | UnsetType | None = UNSET
    prompts: Prompts | UnsetType | None = UNSET
    preferences: PreferenceChanges | UnsetType = UNSET
    settings: SettingChanges | UnsetType = UNSET


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A person as others see them. `distance_km` is between cells, at least 1; `last_active` is coarse; both only where shown."""

    id: Annotated[Id, Meta(examples=[7])]
    username: Annotated[str, Meta(examples=["maria"])]
    name: Annotated[str | None, Meta(examples=["Мария"])]
    age: Annotated[int | None, Meta(examples=[32])]
    gender: Annotated[Gender | None, Meta(examples=["female"])]
    bio: Annotated[str | None, Meta(examples=["Горы, чай и старые карты 🗺️"])]
    photo_url: Annotated[str | None, Meta(examples=["https://example.org/maria.jpg"])]
    photos: Annotated[list[str], Meta(examples=[["https://example.org/maria.jpg"]])]
    location: Annotated[str | None, Meta(examples=["Берлин"])]
    distance_km: Annotated[int | None, Meta(examples=[4])]
    interests: Annotated[list[str], Meta(examples=[["hiking", "чай"]])]
    prompts: list[Prompt]
    verified: bool
    followers_count: int
    following_count: int
    posts_count: int
    rating: int
    current_streak: int
    max_streak: int
    last_active: Annotated[str | None, Meta(examples=["2026-11-20T09:00:00.000Z"])]
    is_online: bool


class Preferences(msgspec.Struct, frozen=True, kw_only=True):
    """Whom I look for; all three genders mean everybody, `max_distance_km` null means anywhere.

    A search that runs short goes a little beyond my ages and my distance, and says so; never beyond a dealbreaker.
    """

    genders: Annotated[list[Gender], Meta(examples=[["male"]])]
    min_age: Annotated[int, Meta(examples=[25])]
    max_age: Annotated[int, Meta(examples=[40])]
    max_distance_km: Annotated[int | None, Meta(examples=[50])]
    dealbreakers: Annotated[list[Dealbreaker], Meta(examples=[["distance"]])]


class ProfileSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What others may see of me, who may write to me, and what I am notified of.

    Whoever is not `discoverable` is in no search, and whoever is `incognito` only in those of the people whom they like.
    """

    discoverable: bool
    incognito: bool
    show_distance: bool
    show_last_active: bool
    read_receipts: bool
    messages_from: MessagesFrom
    notify_matches: bool
    notify_messages: bool
    notify_likes: bool


class Me(User, frozen=True, kw_only=True):
    """My own profile. `latitude` and `longitude` are the center of my cell; the exact point is not kept.

    While I travel, I search and am found at `travel`.
    """

    email: Annotated[str | None, Meta(examples=["maria@example.org"])]
    birthday: Annotated[str | None, Meta(examples=["1994-05-17"])]
    latitude: Annotated[float | None, Meta(examples=[52.5196])]
    longitude: Annotated[float | None, Meta(examples=[13.4069])]
    travel: Place | None
    website: Annotated[str | None, Meta(examples=["https://example.org"])]
    interested_in: Annotated[Interest | None, Meta(examples=["male"])]
    roles: Annotated[list[str], Meta(examples=[["user"]])]
    preferences: Preferences
    settings: ProfileSettings


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `profiles`, without what the database needs only for the search.

    `cell` is where the person is found, `home_cell` where they live while they travel (None: at home).
    """

    user_id: int
    name: str | None = None
    gender: int = 8
    born: int | None = None
    bio: str | None = None
    photo_url: str | None = None
    location: str | None = None
    website: str | None = None
    interests: str = "[]"
    prompts: str = "[]"
    seeks: int = 15
    min_age: int = 18
    max_age: int = 120
    max_distance_km: int | None = None
    cell: int | None = None
    home_cell: int | None = None
    dealbreakers: int = 0
    discoverable: bool = True
    incognito: bool = False
    show_distance: bool = True
    show_last_active: bool = True
    read_receipts: bool = True
    messages_from: MessagesFrom = "matches"
    notify_matches: bool = True
    notify_messages: bool = True
    notify_likes: bool = True
    last_active: int = 0


class Account(msgspec.Struct, frozen=True):
    """What the account knows about a person."""

    username: str
    email: str | None
    role: str
    verified: bool


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """What one person may see of another, from the database; `matched` tells whether the two are a match."""

    user_id: int
    username: str
    verified: bool
    name: str | None
    gender: int
    born: int | None
    bio: str | None
    photo_url: str | None
    location: str | None
    interests: str
    prompts: str
    cell: int | None
    show_distance: bool
    show_last_active: bool
    last_active: int
    matched: bool
