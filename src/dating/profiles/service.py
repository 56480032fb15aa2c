"""The rules of profiles: what may be changed to what, and who sees how much of whom.

Age is the server's business (see `ages`). Places are cells (see `places`).
Others never get a birthday, coordinates or an e-mail address; when somebody was last active goes out to the hour (to matches:
ten minutes), and only where the person allows it.
"""

import unicodedata
from datetime import date
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from dating.clock import DAY, SECOND, rfc3339, today
from dating.database import SWEPT, Database, Transaction
from dating.errors import FieldError, Malformed
from dating.idempotency import Commit
from dating.profiles import places, queries
from dating.profiles.ages import ADULT, OLDEST, choose_born, count_years, to_day
from dating.profiles.models import (
    Account,
    Card,
    Dealbreaker,
    Gender,
    Interest,
    Me,
    Place,
    PreferenceChanges,
    Preferences,
    Profile,
    ProfileFields,
    ProfileSettings,
    Prompt,
    User,
)
from dating.profiles.places import Level, Point
from dating.realtime import inbox
from dating.safety.service import END_OF_IDS, NoSuchPerson
from dating.throttle import Throttle

SLOT = 600 * SECOND
HOUR = 3600 * SECOND
ONLINE = 2 * SLOT  # how long after a sign of life somebody counts as online

LANE_LEVELS = (Level.NEAR, Level.AREA, Level.REGION)

MALE, FEMALE, NONBINARY, UNKNOWN = 1, 2, 4, 8
EVERYBODY = MALE | FEMALE | NONBINARY | UNKNOWN
GENDERS: dict[Gender, int] = {"male": MALE, "female": FEMALE, "nonbinary": NONBINARY}
DEALBREAKERS: dict[Dealbreaker, int] = {"age": 1, "distance": 2}
INTERESTS: dict[Interest, int] = {
    "male": MALE,
    "female": FEMALE,
    "nonbinary": NONBINARY,
    "both": MALE | FEMALE,
    "everyone": EVERYBODY,
}


class HalfPlace(Malformed):
    """400: latitude without longitude, or the other way round."""

    code = "incomplete_place"
    detail = "latitude and longitude belong together: send both, or null for both."


class ReversedAges(Malformed):
    """400: the least age is above the greatest."""

    code = "reversed_ages"
    detail = "min_age must not be above max_age."


# --- changing -----------------------------------------------------------------------------------------------------------------


async def create(tx: Transaction, user_id: int, fields: ProfileFields) -> None:
    """The profile of a new person. Raises what `change` raises, except BirthdayFixed."""
    await queries.create(tx, user_id, round_down(tx.now, SLOT), round_down(tx.now, HOUR))
    await change(tx, user_id, fields)


async def change(tx: Transaction, user_id: int, fields: ProfileFields, hysteresis_meters: float = 0) -> Me:
    """Change what is given and nothing else.

    Raises BadBirthday, UnderAge, BirthdayFixed, HalfPlace, ReversedAges.
    """
    profile = merge(await require_profile(tx, user_id), fields, today(tx.now), hysteresis_meters)
    for cell in (profile.cell, profile.home_cell):
        if cell is not None:
            await queries.settle(tx, describe_cell(cell))
    await queries.save(tx, to_row(profile))
    inbox.disclose(tx, [user_id])
    return await me(tx, user_id)


async def change_mine(
    db: Database, commit: Commit, throttle: Throttle, user_id: int, fields: ProfileFields, hysteresis_meters: float
) -> Me:
    """The same as a request: moving to another cell counts towards both limits of places. Raises RateLimited as well."""
    if await db.read(would_move, user_id, fields, hysteresis_meters):
        await throttle.take("location", str(user_id))
        await throttle.take("places", str(user_id))
    return await commit(change, user_id, fields, hysteresis_meters)


async def would_move(tx: Transaction, user_id: int, fields: ProfileFields, hysteresis_meters: float) -> bool:
    """Whether these changes put the person into another cell."""
    profile = await require_profile(tx, user_id)
    found, home = choose_places(profile, fields, hysteresis_meters)
    return found not in (None, profile.cell, profile.home_cell) or home not in (None, profile.cell, profile.home_cell)


async def erase(tx: Transaction, user_id: int) -> None:
    """Forget the profile of a person whose account is being deleted."""
    await queries.erase(tx, user_id)
    inbox.disclose(tx, [user_id])


async def touch(tx: Transaction, user_ids: list[int]) -> None:
    """Note that these people are active now, to ten minutes."""
    if user_ids:
        inbox.disclose(tx, await queries.touch(tx, user_ids, *(round_down(tx.now, unit) for unit in (SLOT, HOUR, DAY))))


async def forget_newcomers(tx: Transaction, before: int, enough: int) -> int:
    """Let some who joined before that, or were shown often enough, be newcomers no more; how many, `SWEPT` at most."""
    return await queries.forget_newcomers(tx, before, enough, SWEPT)


async def require_profile(tx: Transaction, user_id: int) -> Profile:
    """Somebody's own profile. Raises NoSuchPerson."""
    profile = await queries.profile(tx, user_id)
    if profile is None:
        raise NoSuchPerson
    return profile


def merge(profile: Profile, fields: ProfileFields, now: date, hysteresis_meters: float) -> Profile:
    """The profile with the given fields in place. Raises what `change` raises."""
    changes: dict[str, Any] = {
        **{name: clean(getattr(fields, name)) for name in ("name", "bio", "photo_url", "location", "website")},
        "gender": UNSET if fields.gender is UNSET else UNKNOWN if fields.gender is None else GENDERS[fields.gender],
        "born": choose_born(profile.born, fields.birthday, now),
        "interests": encode_list(fields.interests),
        "prompts": encode_list(fields.prompts),
        "seeks": UNSET if fields.interested_in is UNSET else INTERESTS[fields.interested_in or "everyone"],
        **dict(zip(("cell", "home_cell"), choose_places(profile, fields, hysteresis_meters), strict=True)),
        **({} if fields.preferences is UNSET else merge_preferences(fields.preferences)),
        **({} if fields.settings is UNSET else msgspec.structs.asdict(fields.settings)),
    }
    merged = replace(profile, **{name: value for name, value in changes.items() if value is not UNSET})
    if merged.min_age > merged.max_age:
        raise ReversedAges(errors=[FieldError("preferences.min_age", ReversedAges.detail)])
    return merged


def merge_preferences(changes: PreferenceChanges) -> dict[str, Any]:
    """Columns for the given preferences; `genders` wins over `interested_in`."""
    given: dict[str, Any] = {"max_distance_km": changes.max_distance_km}
    if changes.genders is not UNSET:
        given["seeks"] = to_seeks(changes.genders or [])
    if changes.dealbreakers is not UNSET:
        given["dealbreakers"] = sum(DEALBREAKERS[name] for name in set(changes.dealbreakers or []))
    if changes.min_age is not UNSET:
        given["min_age"] = changes.min_age or ADULT
    if changes.max_age is not UNSET:
        given["max_age"] = changes.max_age or OLDEST
    return {name: value for name, value in given.items() if value is not UNSET}


def clean(text: str | UnsetType | None) -> str | UnsetType | None:
    """Without blanks around it; an empty text is no text."""
    return (text.strip() or None) if isinstance(text, str) else text


def encode_list(items: list[Any] | UnsetType | None) -> str | UnsetType:
    """A list as the JSON text of its column."""
    return UNSET if items is UNSET else msgspec.json.encode(items or []).decode()


def choose_places(profile: Profile, fields: ProfileFields, hysteresis_meters: float) -> tuple[int | None, int | None]:
    """Where somebody is found, and where they live meanwhile if they travel. Who has no place moves. Raises HalfPlace."""
    travels = profile.home_cell is not None
    current = profile.home_cell if travels else profile.cell
    home = choose_cell(current, fields, hysteresis_meters)
    if home is UNSET:
        home = current
    if fields.travel is UNSET:
        return (profile.cell, home) if travels and home is not None else (home, None)
    if fields.travel is None:
        return home, None
    point = Point(fields.travel.latitude, fields.travel.longitude)
    return places.snap(point, profile.cell if travels else None, hysteresis_meters), home


def choose_cell(current: int | None, fields: ProfileFields, hysteresis_meters: float) -> int | UnsetType | None:
    """The cell for the given place, None for a cleared one. Raises HalfPlace."""
    latitude, longitude = fields.latitude, fields.longitude
    if latitude is UNSET and longitude is UNSET:
        return UNSET
    if latitude is None and longitude is None:
        return None
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        raise HalfPlace
    return places.snap(Point(latitude, longitude), current, hysteresis_meters)


def to_row(profile: Profile) -> dict[str, object]:
    """Every column that `queries.save` writes, those for the search among them."""
    row = msgspec.structs.asdict(profile)
    last_active = row.pop("last_active")
    cell, gender, limit = profile.cell, profile.gender, profile.max_distance_km
    place = (None, None, None) if cell is None else places.vector(cell)
    lanes = {f"{level.name.lower()}_lane": places.lane(coarse(cell, level), gender) for level in LANE_LEVELS}
    return {
        **row,
        **dict(zip("xyz", place, strict=True)),
        **lanes,
        "discoverable": profile.discoverable and not profile.incognito,
        "paused": not profile.discoverable,
        "has_photo": profile.photo_url is not None,
        "reach": None if limit is None else places.cosine(limit),
        "recency": round_down(last_active, HOUR if profile.show_last_active else DAY),
    }


def coarse(cell: int | None, level: Level) -> int:
    """The cell of a level around a person's cell; 0 for nowhere."""
    return 0 if cell is None else places.parent(cell, level)


def describe_cell(cell: int) -> dict[str, object]:
    """The row of `cells` for a cell."""
    around = {level.name.lower(): places.parent(cell, level) for level in (Level.AREA, Level.REGION, Level.LAND)}
    return {"cell": cell, **around, **places.vector(cell)._asdict()}


# --- looking ------------------------------------------------------------------------------------------------------------------


async def me(tx: Transaction, user_id: int) -> Me:
    """My own profile. Raises NoSuchPerson when there is none."""
    account = await queries.account(tx, user_id)
    if account is None:
        raise NoSuchPerson
    return show_me(await require_profile(tx, user_id), account, tx.now)


async def public(tx: Transaction, viewer_id: int | None, user_id: int) -> User:
    """Somebody's profile as the viewer (None: nobody in particular) may see it. Raises NoSuchPerson."""
    found = await publics(tx, viewer_id, [user_id])
    if not found:
        raise NoSuchPerson
    return found[0]


async def public_named(tx: Transaction, viewer_id: int | None, username: str) -> User:
    """The same by username, in any case of letters. Raises NoSuchPerson."""
    user_id = await queries.named(tx, unicodedata.normalize("NFKC", username.strip()).casefold())
    if user_id is None:
        raise NoSuchPerson
    return await public(tx, viewer_id, user_id)


async def publics(tx: Transaction, viewer_id: int | None, ids: list[int], cell: int | None = None) -> list[User]:
    """Those whom the viewer may see, in the given order, with distances from the viewer's cell (or from `cell`)."""
    ids = [user_id for user_id in ids if 0 < user_id < END_OF_IDS]
    if viewer_id is not None and cell is None and ids:
        viewer = await queries.profile(tx, viewer_id)
        cell = viewer.cell if viewer else None
    cards = {card.user_id: card for card in await queries.cards(tx, viewer_id or 0, ids)}
    return [show(cards[user_id], viewer_id, cell, tx.now) for user_id in ids if user_id in cards]


def show(card: Card, viewer_id: int | None, cell: int | None, now: int) -> User:
    """A card as the viewer in `cell` may see it."""
    near = None if cell is None or card.cell is None or not card.show_distance else places.kilometers(cell, card.cell)
    return User(
        **show_common(card, now),
        id=card.user_id,
        username=card.username,
        verified=card.verified,
        distance_km=None if card.user_id == viewer_id else near,
        last_active=show_activity(card, viewer_id),
        is_online=card.matched and card.show_last_active and now - card.last_active <= ONLINE,
    )


def show_activity(card: Card, viewer_id: int | None) -> str | None:
    """When somebody was last active: to ten minutes for a match, to the hour for others, nothing for passers-by."""
    if viewer_id is None or not card.show_last_active:
        return None
    return rfc3339(card.last_active if card.matched else round_down(card.last_active, HOUR))


def show_me(profile: Profile, account: Account, now: int) -> Me:
    """A profile as its owner sees it."""
    home = profile.cell if profile.home_cell is None else profile.home_cell
    point = places.center(home) if home is not None else None
    abroad = places.center(profile.cell) if profile.cell is not None and profile.home_cell is not None else None
    return Me(
        **show_common(profile, now),
        id=profile.user_id,
        username=account.username,
        verified=account.verified,
        distance_km=None,
        last_active=rfc3339(profile.last_active),
        is_online=True,
        email=account.email,
        birthday=None if profile.born is None else to_day(profile.born).isoformat(),
        latitude=point and point.latitude,
        longitude=point and point.longitude,
        travel=None if abroad is None else Place(abroad.latitude, abroad.longitude),
        website=profile.website,
        interested_in=to_interest(profile.seeks),
        roles=[account.role],
        preferences=show_preferences(profile),
        settings=msgspec.convert(profile, ProfileSettings, from_attributes=True),
    )


def show_common(row: Card | Profile, now: int) -> dict[str, Any]:
    """What a person sees of their own profile exactly as others do. Counters come with later features."""
    counters = ("followers_count", "following_count", "posts_count", "rating", "current_streak", "max_streak")
    return {
        "name": row.name,
        "age": None if row.born is None else count_years(to_day(row.born), today(now)),
        "gender": to_gender(row.gender),
        "bio": row.bio,
        "photo_url": row.photo_url,
        "photos": [],
        "location": row.location,
        "interests": msgspec.json.decode(row.interests, type=list[str]),
        "prompts": msgspec.json.decode(row.prompts, type=list[Prompt]),
        **dict.fromkeys(counters, 0),
    }


def show_preferences(profile: Profile) -> Preferences:
    """The rules of a profile in words."""
    return Preferences(
        genders=[name for name, bit in GENDERS.items() if bit & profile.seeks],
        min_age=profile.min_age,
        max_age=profile.max_age,
        max_distance_km=profile.max_distance_km,
        dealbreakers=[name for name, bit in DEALBREAKERS.items() if bit & profile.dealbreakers],
    )


def to_seeks(genders: list[Gender]) -> int:
    """The set of genders as bits; none or all of them are no rule, so that those who did not say fit as well."""
    named = {GENDERS[name] for name in genders}
    return sum(named) if 0 < len(named) < len(GENDERS) else EVERYBODY


def to_gender(bit: int) -> Gender | None:
    """The name of a gender; None where it was not said."""
    return next((name for name, known in GENDERS.items() if known == bit), None)


def to_interest(seeks: int) -> Interest | None:
    """The one word for whom somebody seeks; None where there is no such word."""
    return next((name for name, known in INTERESTS.items() if known == seeks), None)


def round_down(microseconds: int, unit: int) -> int:
    """The last whole unit before a moment."""
    return microseconds - microseconds % unit
