"""Every knob of the server: one frozen struct, read once from the environment and an optional `.env` file.

The struct below is the only list: names, defaults, bounds and meanings. The reader, `dating check`,
`.env.example` and the settings table are made from it. `Settings()` is a server for development and tests.

Precedence, highest first: the process's environment over `.env`; inside one of them the variable's own name
over its aliases in the order of `environment.ALIASES`; then the default (that of `PRODUCTION` in production).
"""

import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct, field

from dating.environment import ALIASES, RULES, Alias, SettingsError, drop_empty, read_dotenv
from dating.signing import check_secrets, find_weakness, keep_secret

__all__ = [
    "KNOBS",
    "Knob",
    "Row",
    "Settings",
    "SettingsError",
    "describe",
    "find_oddities",
    "load",
    "write_example",
]

Count = Annotated[int, Meta(ge=1, le=1_000_000)]
Seconds = Annotated[int, Meta(ge=1, le=3660 * 86400)]
Moment = Annotated[float, Meta(ge=0, le=3600)]
Period = Annotated[float, Meta(ge=0.01, le=3600)]
Factor = Annotated[float, Meta(ge=0, le=1_000_000)]
Share = Annotated[float, Meta(ge=0, le=1)]
Slope = Annotated[float, Meta(ge=-100, le=100)]
Text = Annotated[str, Meta(min_length=1)]
Limit = Annotated[str, Meta(pattern=r"^[1-9]\d{0,8}/([1-9]\d{0,4} ?)?(second|minute|hour|day)s?$")]
HIDDEN = {"secret": True}


class Settings(Struct, frozen=True, kw_only=True):
    """What a server is told from outside. Times are seconds and sizes bytes unless the name says more."""

    env: Annotated[Literal["development", "production"], Meta(description="what strictness and defaults hold")] = "development"
    host: Annotated[Text, Meta(description="address to listen on")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="port to listen on; 0 takes a free one")] = 8088
    trusted_proxies: Annotated[tuple[str, ...], Meta(description="addresses or networks whose X-Forwarded-For is believed")] = ()
    cors_origins: Annotated[
        tuple[str, ...], Meta(description="other origins whose pages may call, exactly: https://example.org")
    ] = ()
    body_limit: Annotated[Count, Meta(description="largest body of a request in bytes")] = 64 * 1024
    max_json_depth: Annotated[Count, Meta(description="deepest nesting of a JSON body")] = 64
    drain_seconds: Annotated[Moment, Meta(description="time over which sockets are sent away at shutdown")] = 1.0
    docs: Annotated[bool, Meta(description="serve the API pages")] = True
    testing: Annotated[bool, Meta(description="allow the testers' operations (DELETE /clear/my/swipes)")] = True
    log_format: Annotated[Literal["text", "json"], Meta(description="lines for people or for machines")] = "text"
    log_level: Annotated[Literal["debug", "info", "warning", "error"], Meta(description="least level logged")] = "info"
    metrics_token: Annotated[
        str | None,
        Meta(
            description="Bearer token for /metrics; without it loopback in development, else 404",
            extra=HIDDEN,
        ),
    ] = None

    database_path: Annotated[Path, Meta(description="the embedded SQLite file, made at the first start")] = Path("dating.db")
    database_url: Annotated[
        str | None, Meta(description="postgresql://user:password@host/name; wins over the path", extra=HIDDEN)
    ] = None
    sqlite_readers: Annotated[Count, Meta(description="SQLite connections that read")] = 3
    sqlite_busy_seconds: Annotated[Period, Meta(description="wait for another process's SQLite lock")] = 5.0
    postgres_pool: Annotated[Count, Meta(description="most PostgreSQL connections that write; as many read")] = 10
    postgres_connect_seconds: Annotated[Period, Meta(description="deadline to connect to PostgreSQL")] = 5.0
    postgres_acquire_seconds: Annotated[Period, Meta(description="deadline to get a pooled connection")] = 5.0
    postgres_statement_seconds: Annotated[Period, Meta(description="deadline of one statement")] = 10.0
    postgres_lock_seconds: Annotated[Period, Meta(description="deadline to get a row lock")] = 5.0
    postgres_idle_seconds: Annotated[Period, Meta(description="an idle open transaction is ended after this")] = 10.0
    migrate_at_start: Annotated[
        bool, Meta(description="serve migrates PostgreSQL; 0: `dating migrate` does, and serve refuses a schema that is behind")
    ] = True
    write_queue: Annotated[Count, Meta(description="writes that may wait before 503 is answered")] = 10_000
    redis_url: Annotated[
        str | None,
        Meta(description="redis://, rediss:// or host:port; needed by several processes", extra=HIDDEN),
    ] = None

    jwt_secrets: Annotated[
        tuple[str, ...],
        Meta(
            description="32 bytes or more; comma separated while rotating: first signs, all verify",
            extra=HIDDEN,
        ),
    ] = field(default_factory=lambda: (secrets.token_urlsafe(48),))
    access_token_seconds: Annotated[Seconds, Meta(description="life of an access token")] = 900
    refresh_token_seconds: Annotated[Seconds, Meta(description="life of a refresh token")] = 30 * 86400
    refresh_grace_seconds: Annotated[Moment, Meta(description="a rotated refresh token still answers this long")] = 10.0
    session_token_seconds: Annotated[Seconds, Meta(description="life of a one-time socket token")] = 30
    argon2_memory_kib: Annotated[int, Meta(ge=8, le=4 << 20, description="memory of one password hash")] = 19456
    argon2_time: Annotated[Count, Meta(description="passes of one password hash")] = 2
    password_threads: Annotated[Count, Meta(description="threads that hash passwords")] = 2

    email_domains: Annotated[tuple[str, ...], Meta(description="e-mail domains that may register; empty: any")] = ()
    email_verification: Annotated[
        Literal["off", "optional", "required"],
        Meta(description="mail codes never, when an address is given, or demand one before anything else"),
    ] = "optional"
    smtp_url: Annotated[
        str | None,
        Meta(description="smtp(s)://user:password@host:port; without it the console", extra=HIDDEN),
    ] = None
    mail_from: Annotated[Text, Meta(description="sender of mail")] = "Dating <no-reply@localhost>"

    inbox_days: Annotated[Count, Meta(description="days that events are kept for a resume")] = 30
    index_seconds: Annotated[Period, Meta(description="time until the search finds what is new")] = 1.0
    report_days: Annotated[
        Count, Meta(description="days that closed reports with their evidence are kept, and flags that no moderator looked at")
    ] = 180
    classifier_url: Annotated[
        str | None,
        Meta(description="https address of a classifier that is asked about messages; without it nothing judges by itself"),
    ] = None
    classifier_secret: Annotated[str | None, Meta(description="32 characters or more that both sign with", extra=HIDDEN)] = None
    classifier_mode: Annotated[
        Literal["hold", "score"],
        Meta(description="deliver a message after its judgement, or at once and show bad ones to moderators"),
    ] = "hold"
    classifier_failure: Annotated[
        Literal["open", "hold"], Meta(description="what becomes of a held message about which it gave no answer in all attempts")
    ] = "open"
    classifier_threshold: Annotated[Share, Meta(description="score from which a moderator decides")] = 0.8
    classifier_seconds: Annotated[Period, Meta(description="deadline of one question")] = 2.0
    classifier_attempts: Annotated[int, Meta(ge=1, le=20, description="questions about one message at most")] = 5
    classifier_private: Annotated[bool, Meta(description="allow http, and addresses of this machine and its network")] = False
    sockets_per_user: Annotated[Count, Meta(description="devices of one person at once")] = 8
    socket_frame_bytes: Annotated[Count, Meta(description="largest frame from a client")] = 4096
    socket_frames_per_second: Annotated[Count, Meta(description="frames a second from one client")] = 20
    socket_burst: Annotated[Count, Meta(description="frames at once from one client")] = 40
    socket_queue_frames: Annotated[Count, Meta(description="frames that wait for one slow client")] = 256
    heartbeat_seconds: Annotated[Period, Meta(description="time between heartbeats, jittered")] = 25.0
    socket_silence_seconds: Annotated[Period, Meta(description="a silent socket is dead after this")] = 60.0
    socket_stall_seconds: Annotated[Period, Meta(description="a socket that takes nothing is closed after this")] = 30.0
    typing_seconds: Annotated[Moment, Meta(description="least time between typing events of one chat")] = 3.0
    ice_servers: Annotated[
        tuple[str, ...], Meta(description="STUN and TURN servers for calls, such as stun:stun.example.org:3478, comma-separated")
    ] = ()
    turn_secret: Annotated[str | None, Meta(description="the TURN servers' shared secret", extra=HIDDEN)] = None
    presence_seconds: Annotated[Period, Meta(description="time between rounds in which comings and goings are told")] = 5.0
    tops_seconds: Annotated[Period, Meta(description="time between comparisons of inbox tops, jittered")] = 45.0

    cell_hysteresis_meters: Annotated[
        int, Meta(ge=0, le=100_000, description="way beyond a cell's edge before a person's cell changes")
    ] = 250
    likes_per_day: Annotated[int, Meta(ge=0, le=1_000_000, description="likes a day for each person; 0: no limit")] = 0
    superlikes_per_day: Annotated[int, Meta(ge=0, le=1_000_000, description="superlikes a day for each person; 0: no limit")] = 5
    rewinds_per_day: Annotated[
        int, Meta(ge=0, le=1_000_000, description="swipes that each person may take back a day; 0: no limit")
    ] = 20
    boosts_per_day: Annotated[int, Meta(ge=0, le=1_000_000, description="boosts a day for each person; 0: no limit")] = 1
    boost_minutes: Annotated[int, Meta(ge=1, le=1440, description="minutes after which a boost ends")] = 30
    boost_impressions: Annotated[int, Meta(ge=0, le=1_000_000, description="impressions after which a boost ends")] = 50
    boost_every: Annotated[int, Meta(ge=2, le=1000, description="of so many cards one at most is there by a boost")] = 10
    canaries: Annotated[
        tuple[int, ...],
        Meta(description="ids of paused accounts that report whoever reaches them, comma-separated"),
    ] = ()
    candidate_index: Annotated[
        Literal["auto", "sql", "memory"],
        Meta(description="candidates by the database, or by arrays in each process; auto: by the latter from 50,000 accounts on"),
    ] = "auto"
    ranking_fairness: Annotated[Factor, Meta(description="how much having been shown counts against it; 0 not at all")] = 3.0
    ranking_serve: Annotated[Factor, Meta(description="days of swiping until a like is seen that do not count against it")] = 3.0
    ranking_room: Annotated[Factor, Meta(description="matches a week for which somebody has time")] = 7.0
    ranking_optimism: Annotated[Factor, Meta(description="deviations added to the appeal of people not known yet")] = 0.5
    ranking_random_share: Annotated[Share, Meta(description="share of the slots filled by chance, to learn from")] = 0.05
    ranking_newcomer_share: Annotated[Share, Meta(description="most slots kept for newcomers who lack impressions")] = 0.2
    ranking_first_impressions: Annotated[
        int, Meta(ge=0, le=1000, description="impressions up to which a newcomer has places kept")
    ] = 10
    ranking_first_hours: Annotated[Factor, Meta(description="hours after joining in which they are kept")] = 48.0
    ranking_shared_interests: Annotated[Slope, Meta(description="log-odds of a like for each interest of both")] = 0.044
    ranking_age_gap: Annotated[Slope, Meta(description="log-odds of a like for each year between two people")] = -0.041
    first_messages: Annotated[int, Meta(ge=1, le=100, description="messages to somebody who is no match until they answer")] = 1
    first_message_length: Annotated[int, Meta(ge=1, le=4000, description="characters of such a message")] = 500
    rate_limits: Annotated[bool, Meta(description="0 switches all the limits below off")] = True
    new_chats_per_day: Annotated[
        int, Meta(ge=0, le=1_000_000, description="chats with people who are no matches, opened by one person a day; 0: no limit")
    ] = 20
    newcomer_hours: Annotated[int, Meta(ge=0, le=8760, description="hours after joining in which the next three hold")] = 24
    newcomer_messages_per_hour: Annotated[int, Meta(ge=0, le=1_000_000, description="messages of one person; 0: no limit")] = 300
    newcomer_links_per_day: Annotated[int, Meta(ge=0, le=1_000_000, description="links in their messages; 0: no limit")] = 20
    newcomer_same_text: Annotated[
        int, Meta(ge=0, le=1_000_000, description="chats a day that one text of theirs may go to; 0: no limit")
    ] = 5
    limit_login: Annotated[Limit, Meta(description="sign-in attempts for one account, and for one address")] = "10/minute"
    limit_account: Annotated[Limit, Meta(description="sign-ins to one account from strange devices everywhere")] = "100/hour"
    limit_register: Annotated[Limit, Meta(description="registrations from one address")] = "20/hour"
    limit_code: Annotated[Limit, Meta(description="codes mailed to, or tried by, one person")] = "10/hour"
    limit_refresh: Annotated[Limit, Meta(description="token refreshes from one address")] = "60/minute"
    limit_swipe: Annotated[Limit, Meta(description="swipes of one person")] = "120/minute"
    limit_message: Annotated[Limit, Meta(description="messages of one person")] = "300/minute"
    limit_read: Annotated[Limit, Meta(description="read receipts, reactions, edits and switches of one person")] = "600/minute"
    limit_group: Annotated[Limit, Meta(description="changes to groups by one person")] = "120/hour"
    limit_search: Annotated[Limit, Meta(description="candidate pages of one person")] = "120/minute"
    reveals_per_hour: Annotated[
        int, Meta(ge=0, le=1_000_000, description="different people one account is shown an hour; 0: no limit")
    ] = 600
    reveals_per_day: Annotated[
        int, Meta(ge=0, le=1_000_000, description="different people one account is shown a day; 0: no limit")
    ] = 2000
    limit_find: Annotated[Limit, Meta(description="searches of one person in messages, chats and names")] = "60/minute"
    limit_names: Annotated[Limit, Meta(description="pages of names, among them, that one person is shown")] = "500/day"
    limit_profile: Annotated[Limit, Meta(description="other people's profiles opened by one person")] = "2000/day"
    limit_location: Annotated[Limit, Meta(description="places one person may set in a short time")] = "20/hour"
    limit_places: Annotated[Limit, Meta(description="places one person may set in a long time")] = "60/day"
    limit_call: Annotated[Limit, Meta(description="calls that one person begins")] = "20/minute"
    limit_signal: Annotated[Limit, Meta(description="what one person's devices say during calls")] = "1200/minute"
    limit_export: Annotated[Limit, Meta(description="archives of their data that one person may ask for")] = "5/hour"
    limit_report: Annotated[Limit, Meta(description="reports and appeals of one person")] = "20/hour"
    limit_contacts: Annotated[Limit, Meta(description="changes to the address book of one person")] = "60/day"
    limit_socket: Annotated[Limit, Meta(description="socket tokens of one person")] = "60/minute"

    @property
    def jwt_secret(self) -> str:
        """The secret that signs; every one of `jwt_secrets` verifies."""
        return self.jwt_secrets[0]

    @property
    def production(self) -> bool:
        """Whether this server faces the world."""
        return self.env == "production"

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self.__rich_repr__())})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [(knob.name, knob.show(getattr(self, knob.name))) for knob in KNOBS]


PRODUCTION: dict[str, Any] = {
    "docs": False,
    "testing": False,
    "log_format": "json",
    "drain_seconds": 10.0,
    "migrate_at_start": False,
}
"""Defaults that differ when `env` is production."""

PLAIN_NAMES = {
    "env": "DATING_ENV",
    "host": "HOST",
    "port": "PORT",
    "database_path": "DATABASE_PATH",
    "database_url": "DATABASE_URL",
    "redis_url": "REDIS_URL",
    "jwt_secrets": "JWT_SECRET",
    "cors_origins": "CORS_ORIGINS",
}
"""Variables without the prefix; every other field is `DATING_` and its name in capitals."""


class Knob(NamedTuple):
    """One field of `Settings` with the variable that sets it."""

    name: str
    variable: str
    meaning: str
    type: Any
    default: Any
    secret: bool

    def show(self, value: Any) -> Any:
        """The value as it may be printed: credentials become asterisks, the rest of an address stays."""
        if not self.secret or value is None:
            return value
        if isinstance(value, str) and "://" in value:
            return re.sub(r"(?<=://).*(?=@)", "***", re.sub(r"(?<=[?&]password=)[^&]*", "***", value))
        return "***"


def _list_knobs() -> Iterator[Knob]:
    for info in msgspec.structs.fields(Settings):
        meaning, *_ = (part.description for part in info.type.__metadata__ if part.description)
        secret = any(part.extra == HIDDEN for part in info.type.__metadata__)
        variable = PLAIN_NAMES.get(info.name, f"DATING_{info.name.upper()}")
        default = None if info.default is msgspec.NODEFAULT else info.default
        yield Knob(info.name, variable, meaning, info.type, default, secret)


KNOBS = tuple(_list_knobs())


def load(environ: Mapping[str, str] | None = None, dotenv: str | Path | None = ".env") -> Settings:
    """Read the settings from `environ` (the process's own when left out) and from `dotenv` where it exists.

    In development without a secret, makes one and keeps it in a file of mode 0600 beside the database.
    Raises SettingsError with every problem found.
    """
    found = _find_all([drop_empty(os.environ if environ is None else environ), drop_empty(read_dotenv(dotenv))])
    if found.get("env") == "production":
        found = PRODUCTION | found
        check_secrets(found.get("jwt_secrets", ()))
    elif "jwt_secrets" not in found:
        database: Path = found.get("database_path", Path("dating.db"))
        found["jwt_secrets"] = (keep_secret(database.with_name(f"{database.name}.secret")),)
    return Settings(**found)


def _find_all(layers: list[dict[str, str]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    problems: list[str] = []
    for knob in KNOBS:
        try:
            found |= _find(knob, layers)
        except SettingsError as error:
            problems += error.problems
    if problems:
        raise SettingsError(*problems)
    return found


def _find(knob: Knob, layers: list[dict[str, str]]) -> dict[str, Any]:
    given = {name: value for layer in reversed(layers) for name, value in layer.items()}
    names = (Alias(knob.variable), *ALIASES.get(knob.name, ()))
    for layer, alias in ((layer, alias) for layer in layers for alias in names):
        if alias.variable in layer:
            try:
                return {knob.name: _convert(knob, alias.translate(_bare(knob, layer[alias.variable]), given))}
            except (ValueError, msgspec.ValidationError) as error:
                raise SettingsError(f"{alias.variable}: {_say(error)} ({knob.meaning}).") from None
    return {}


def _say(error: Exception) -> str:
    """The reason in words: msgspec speaks of types, people do not."""
    said = str(error).rstrip(".")
    if match := re.fullmatch(r"Expected `(?:int|float|str)` (>=|<=|of length >=) (.*)", said):
        return f"is out of bounds: {match[1]} {match[2]}"
    if said.startswith("Expected `str` matching"):
        return "is not a limit such as 10/minute or 60/10 seconds"
    kinds = {"int": "a whole number", "float": "a number", "bool": "0 or 1"}
    match = re.fullmatch(r"Expected `(\w+)`, got .*", said)
    return f"is not {kinds[match[1]]}" if match and match[1] in kinds else said


def _bare(knob: Knob, text: str) -> str:
    """Without the comment that some tools leave behind a number."""
    return re.sub(r"\s+#.*", "", text) if knob.type.__origin__ in (int, float, bool) else text


def _convert(knob: Knob, text: str) -> Any:
    kind = knob.type.__origin__
    value: Any = text
    if kind is Path:
        return Path(text)
    if kind is bool:
        value = {"on": "1", "yes": "1", "off": "0", "no": "0"}.get(text.lower(), text)
    elif kind in (tuple[str, ...], tuple[int, ...]):
        value = tuple(part.strip() for part in text.split(",") if part.strip())
    if knob.name in RULES:
        value = RULES[knob.name](value)
    return msgspec.convert(value, knob.type, strict=False)


class Row(NamedTuple):
    """One line of `dating check` and of the settings table."""

    variable: str
    value: str
    meaning: str


def describe(settings: Settings) -> list[Row]:
    """What is in force, without secrets, in the order of the struct."""
    return [Row(knob.variable, _spell(knob.show(getattr(settings, knob.name))), knob.meaning) for knob in KNOBS]


def find_oddities(settings: Settings, environ: Mapping[str, str] | None = None, dotenv: str | Path | None = ".env") -> list[str]:
    """What is allowed and most likely a mistake: names that mean nothing, and in development a weak secret."""
    known = {knob.variable for knob in KNOBS}
    given = {*read_dotenv(dotenv), *(os.environ if environ is None else environ)}
    odd = [f"{name} means nothing here." for name in sorted(given - known) if name.startswith("DATING_")]
    weak = [reason for secret in settings.jwt_secrets if (reason := find_weakness(secret))]
    return odd + [f"JWT_SECRET {reason}; production would refuse it." for reason in weak]


def write_example() -> str:
    """The text of `.env.example`: every variable with its meaning and default, commented out."""
    lines = ["# Copy to .env and uncomment what you change. The environment wins over this file."]
    for knob in KNOBS:
        other = f" (production: {_spell(PRODUCTION[knob.name])})" if knob.name in PRODUCTION else ""
        lines += ["", f"# {knob.meaning}{other}", f"#{knob.variable}={_spell(knob.default)}"]
    return "\n".join(lines) + "\n"


def _spell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)
