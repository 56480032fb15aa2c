"""What comes in, what goes out and what a row is, for accounts and sessions."""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from dating.profiles.models import Me, ProfileFields

ACCESS_TOKEN = "eyJhbGciOiJIUzI1NiIsImtpZCI6IjZmMWMiLCJ0eXAiOiJKV1QifQ.eyJzdWIiOiI3In0.c2lnbmF0dXJl"  # noqa: S105  # a sample
REFRESH_TOKEN = "Jx0m2lQ9v3kQdJ6W1T8s8A.5o5mJtJ0m6oVnq0Qb6x3l0m1p8pJr1Q2h3s4t5u6v7w"  # noqa: S105  # a sample
EMAIL = r'^[ \t\r\n]*[^\s\x00-\x20\x7f-\xa0@"(),:;<>\[\]\\]{1,64}@(?:[^\W_](?:[\w-]{0,61}[^\W_])?\.)+[^\W_]{2,63}[ \t\r\n]*$'
NAME = r"[\w.-]{3,50}"

# What stands in `extra_json_schema` is only documented: the rules themselves answer with sentences of their own.
Username = Annotated[
    str, Meta(max_length=1000, examples=["Мария_93"], extra_json_schema={"pattern": rf"^[ \t\r\n]*{NAME}[ \t\r\n]*$"})
]
Email = Annotated[str, Meta(max_length=254, pattern=EMAIL, examples=["maria@example.org"])]
NOT_ONE_CHARACTER = {"not": {"pattern": r"^(.)\1*$"}}
NewPassword = Annotated[
    str, Meta(min_length=8, max_length=256, examples=["correct horse battery"], extra_json_schema=NOT_ONE_CHARACTER)
]
Password = Annotated[str, Meta(min_length=1, max_length=256, examples=["correct horse battery"])]
DeviceId = Annotated[str, Meta(min_length=1, max_length=200, examples=["8c1d7d0e-phone"])]
Code = Annotated[str, Meta(pattern=r"^[0-9]{6}$", examples=["402917"])]
RefreshToken = Annotated[str, Meta(max_length=512, examples=[REFRESH_TOKEN])]
Role = Literal["user", "moderator", "admin"]
Purpose = Literal["verify", "reset"]


# --- in ---------------------------------------------------------------------------------------------------------------------


class Registration(ProfileFields, frozen=True, kw_only=True):
    """A new account and, if one likes, the profile at once."""

    username: Username
    password: NewPassword
    email: Email | None = None
    device_id: DeviceId | None = None


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """A name or an e-mail address, and the password. The same `device_id` again takes the place of that device's session."""

    password: Password
    username: Annotated[str, Meta(max_length=1000, examples=["Мария_93"])] | None = None
    email: Annotated[str, Meta(max_length=1000, examples=["maria@example.org"])] | None = None
    device_id: DeviceId | None = None


class Refresh(msgspec.Struct, frozen=True):
    """The refresh token that was given last."""

    refresh_token: RefreshToken


class Logout(msgspec.Struct, frozen=True):
    """Which sessions end: this one, or every one of mine."""

    all: Annotated[bool, Meta(examples=[False])] = False


class AddressOnly(msgspec.Struct, frozen=True):
    """Where to mail a code to."""

    email: Email


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """The code that was mailed to the address."""

    email: Email
    code: Code
    device_id: DeviceId | None = None


class Reset(msgspec.Struct, frozen=True, kw_only=True):
    """The mailed code and the new password."""

    email: Email
    code: Code
    password: NewPassword


class PasswordChange(msgspec.Struct, frozen=True, kw_only=True):
    """The password until now and the one from now on."""

    old_password: Password
    new_password: NewPassword


class Farewell(msgspec.Struct, frozen=True):
    """The password, to be sure who deletes the account."""

    password: Password


# --- out --------------------------------------------------------------------------------------------------------------------


class Tokens(msgspec.Struct, frozen=True, kw_only=True):
    """A pair of tokens. `expires_in` is the life of the access token in seconds, `access_expires` its end."""

    user_id: Annotated[int, Meta(examples=[7])]
    access_token: Annotated[str, Meta(examples=[ACCESS_TOKEN])]
    refresh_token: Annotated[str, Meta(examples=[REFRESH_TOKEN])]
    token_type: Annotated[Literal["Bearer"], Meta(examples=["Bearer"])] = "Bearer"  # noqa: S105  # the name of a scheme
    expires_in: Annotated[int, Meta(examples=[900])]
    access_expires: Annotated[str, Meta(examples=["2026-11-20T09:15:00.000Z"])]


class SignedIn(msgspec.Struct, frozen=True, kw_only=True):
    """Who signed in, with the tokens. They are missing where the e-mail address must be verified first."""

    message: Annotated[str, Meta(examples=["Welcome, Мария_93."])]
    user: Me
    user_id: Annotated[int, Meta(examples=[7])]
    access_token: Annotated[str, Meta(examples=[ACCESS_TOKEN])] | UnsetType = UNSET
    refresh_token: Annotated[str, Meta(examples=[REFRESH_TOKEN])] | UnsetType = UNSET
    token_type: Annotated[Literal["Bearer"], Meta(examples=["Bearer"])] | UnsetType = UNSET
    expires_in: Annotated[int, Meta(examples=[900])] | UnsetType = UNSET
    access_expires: Annotated[str, Meta(examples=["2026-11-20T09:15:00.000Z"])] | UnsetType = UNSET


# Any: of bytes msgspec says that they are base64, as they would be inside JSON.
Archive = Annotated[
    Any,
    Meta(
        examples=["PK\u0003\u0004…account.json…"],
        extra_json_schema={"type": "string", "format": "binary", "contentMediaType": "application/zip"},
    ),
]


class Confirmation(msgspec.Struct, frozen=True):
    """The password, to be sure who asks."""

    password: Password


class ExportState(msgspec.Struct, frozen=True):
    """How my archive stands. Ready, it is fetched from `url`: once, with my access token, until `expires_at`."""

    status: Annotated[Literal["preparing", "ready"], Meta(examples=["ready"])]
    url: Annotated[str | None, Meta(examples=["/me/export/kX3vQ0mZ7sYw2nB5tR8uJ1aLcE4dF6gH9iKpNqVxTyU"])] = None
    expires_at: Annotated[str | None, Meta(description="RFC 3339 in UTC", examples=["2026-11-21T09:00:00.000Z"])] = None


class Status(msgspec.Struct, frozen=True):
    """It is done."""

    status: Annotated[Literal["logged out"], Meta(examples=["logged out"])]


class Deleted(msgspec.Struct, frozen=True):
    """The account is no more."""

    status: Literal["deleted"] = "deleted"


class Done(msgspec.Struct, frozen=True):
    """It is done, in a sentence."""

    message: Annotated[str, Meta(examples=["If the address belongs to an account, a code is on its way."])]
    success: Annotated[bool, Meta(examples=[True])] = True


class Pair(msgspec.Struct, frozen=True):
    """An access token and a refresh token."""

    access: Annotated[str, Meta(examples=[ACCESS_TOKEN])]
    refresh: Annotated[str, Meta(examples=[REFRESH_TOKEN])]


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """The address is verified, and this device is signed in."""

    success: Annotated[bool, Meta(examples=[True])] = True
    message: Annotated[str, Meta(examples=["The e-mail address is verified."])]
    token: Pair


class Session(msgspec.Struct, frozen=True):
    """A device on which I am signed in; `current` is the one that asks."""

    id: Annotated[int, Meta(examples=[31])]
    name: Annotated[str, Meta(examples=["Firefox on Linux"])]
    created_at: Annotated[str, Meta(examples=["2026-11-20T09:00:00.000Z"])]
    last_used_at: Annotated[str, Meta(examples=["2026-11-20T09:00:00.000Z"])]
    current: Annotated[bool, Meta(examples=[True])]


class Sessions(msgspec.Struct, frozen=True):
    """My devices, used last first. They are few enough for one page: `next_cursor` is always null."""

    sessions: list[Session]
    limit: Annotated[int, Meta(examples=[50])]
    offset: Annotated[int, Meta(examples=[0])] = 0
    next_cursor: Annotated[str | None, Meta(examples=[None])] = None


# --- rows -------------------------------------------------------------------------------------------------------------------


class Account(msgspec.Struct, frozen=True):
    """What signing in needs to know of somebody; `known` says that the device is signed in already."""

    id: int
    username: str
    email: str | None
    email_verified_at: int | None
    password: str
    role: Role
    banned_at: int | None
    known: bool = False


class Device(msgspec.Struct, frozen=True):
    """Where somebody signs in: the hash of the client's own name for the device, if it gave one, and a name for people."""

    hash: str | None
    name: str


class Opened(msgspec.Struct, frozen=True):
    """A session with its refresh token in the clear: the only moment it is known here.

    `since` (when it was opened) and `now` in microseconds.
    """

    id: int
    user_id: int
    since: int
    refresh_token: str
    now: int


class SealedRow(msgspec.Struct, frozen=True):
    """Whether somebody has an address, and handle and mailbox of it sealed by a certain secret."""

    id: int
    has_email: bool
    is_sealed: bool


class SessionRow(msgspec.Struct, frozen=True):
    """A session as it is listed."""

    id: int
    name: str
    created_at: int
    used_at: int


class RefreshRow(msgspec.Struct, frozen=True):
    """A session as refreshing sees it; hashes of the current token and of the one before."""

    id: int
    user_id: int
    refresh: str
    previous: str | None
    rotated_at: int
    created_at: int


class OwnAccount(msgspec.Struct, frozen=True):
    """My account for my archive, moments in microseconds; nothing secret."""

    id: int
    username: str
    email: str | None
    email_verified_at: int | None
    role: Role
    created_at: int


class OwnSession(msgspec.Struct, frozen=True):
    """A session of mine for my archive, moments in microseconds; nothing secret."""

    id: int
    name: str
    created_at: int
    used_at: int
    expires_at: int


class InboxRow(msgspec.Struct, frozen=True):
    """What I was told, and when (microseconds); `event` is a JSON object."""

    seq: int
    created_at: int
    event: str


class InboxEntry(msgspec.Struct, frozen=True):
    """The same for my archive; `event` is None where it is about somebody or a chat that I cannot see any more."""

    seq: int
    created_at: int
    event: dict[str, Any] | None


class ExportRow(msgspec.Struct, frozen=True):
    """An archive that is ready or will be; `dies_at` in microseconds."""

    ready: bool
    dies_at: int
