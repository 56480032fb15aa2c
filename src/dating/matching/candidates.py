"""Whom to show: the search for people who fit me and whom I fit.

What is not said fits only where the other side has no rule about it. Distances are those between cells, so an answer tells
nothing that the cells do not. Pages go on after the last person seen, in every order, from that person's present place in it.

    recommended  whom the ranking puts first: see `deck`
    recent       the most recently active (to the hour)
    distance     the nearest cell first, inside a cell the most recently active; where my place is not known, as `recent`
    id           the oldest account first
"""

import math
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from dating.clock import DAY, day_number, today
from dating.database import Transaction
from dating.errors import FieldError
from dating.matching import candidate_queries as queries
from dating.matching.candidate_queries import Entry, Fineness, LastSeen, Parameters
from dating.matching.index import Index
from dating.matching.reasons import Widened, give_reasons
from dating.profiles import places
from dating.profiles import service as profiles
from dating.profiles.ages import ADULT, OLDEST, count_years, to_day
from dating.profiles.models import Gender, Interest, Profile, User
from dating.profiles.places import Level, Point
from dating.profiles.service import EVERYBODY, GENDERS, HOUR, INTERESTS, HalfPlace, ReversedAges, round_down

Order = Literal["recommended", "distance", "recent", "id"]

END = 2**62  # above every time, id and cell
FARTHEST_OFF = (2.0, END)  # before every cell in the nearest-first order
ACCOUNTS_AT_ONCE = 3000
SPARE = 20  # people whom the index names beyond those wanted, for some will have been swiped
ACTIVE_DAYS = 30  # whoever was not here for longer is not shown

# How far each fineness of lanes reaches: coarser ones would look at many people in vain, finer ones at many empty lanes.
LANES_REACH_KM: list[tuple[Fineness, Level, float]] = [
    ("near", Level.NEAR, 4.0),
    ("area", Level.AREA, 60.0),
    ("region", Level.REGION, 800.0),
]
# The growing rings of the nearest-first order, with the number of cells that is looked into at once.
RINGS_KM: list[tuple[Fineness, Level | None, float, int]] = [
    ("near", Level.NEAR, 4.0, 8),
    ("area", Level.AREA, 20.0, 16),
    ("area", Level.AREA, 80.0, 64),
    ("region", Level.REGION, 400.0, 128),
    ("land", Level.LAND, 1200.0, 256),
    ("land", Level.LAND, 4000.0, 512),
    ("earth", None, math.inf, 1024),
]


class Search(msgspec.Struct, frozen=True, kw_only=True):
    """What a search asks for beyond my own rules, which it can only narrow. A place stands in for my own."""

    page_size: int = 20
    gender: Gender | None = None
    interested_in: Interest | None = None
    min_age: int | None = None
    max_age: int | None = None
    max_distance_km: float | None = None
    latitude: float | None = None
    longitude: float | None = None
    has_photo: bool = False
    online_only: bool = False
    last_seen_id: int | None = None
    order: Order = "recommended"


class Candidate(User, frozen=True, kw_only=True):
    """Somebody who fits, and true reasons to look at them. `widened` names the rules of mine that they are just outside of.

    `boosted`: they have this place by a boost.
    """

    reasons: Annotated[list[str], Meta(examples=[["You both like hiking.", "4 km away, active today."]])]
    widened: Annotated[list[Widened], Meta(examples=[["distance"]])]
    boosted: Annotated[bool, Meta(examples=[False])] = False


class Hunt(msgspec.Struct, frozen=True):
    """A search made ready: whose, from which cell, for which genders, within which radius; the rules as parameters of the SQL."""

    me_id: int
    cell: int | None
    seeks: int
    radius_km: float | None
    count: int
    rules: Parameters

    @property
    def genders(self) -> list[int]:
        return [bit for bit in (1, 2, 4, 8) if bit & self.seeks]


async def search(tx: Transaction, me_id: int, wish: Search, index: Index | None = None) -> list[Candidate]:
    """One page of people in an order other than the recommended one.

    Raises HalfPlace, ReversedAges, NoSuchPerson (for a viewer without a profile).
    """
    me = await profiles.require_profile(tx, me_id)
    hunt = prepare(me, wish, tx.now)
    if not hunt.seeks:
        return []
    after = await queries.last_seen(tx, me_id, wish.last_seen_id) if wish.last_seen_id else None
    if wish.order == "id":
        ids = await find_numbered(tx, hunt, wish.last_seen_id or 0)
    elif wish.order == "distance":
        ids = await find_nearest(tx, hunt, after)
    else:
        ids = await find_recent(tx, hunt, after, index)
    users = await profiles.publics(tx, me_id, ids, hunt.cell)
    return [present(user, me, tx.now) for user in users]


def present(
    user: User, me: Profile, now: int, likes_me: bool = False, widened: tuple[Widened, ...] = (), boosted: bool = False
) -> Candidate:
    """Somebody as a candidate, with reasons."""
    mine = msgspec.json.decode(me.interests, type=list[str])
    reasons = give_reasons(user, mine, today(now), likes_me, widened, boosted)
    return Candidate(**msgspec.structs.asdict(user), reasons=reasons, widened=list(widened), boosted=boosted)


# --- the rules ----------------------------------------------------------------------------------------------------------------


def prepare(me: Profile, wish: Search, now: int) -> Hunt:
    """My rules, narrowed by the search. Raises HalfPlace, ReversedAges."""
    if wish.min_age is not None and wish.max_age is not None and wish.min_age > wish.max_age:
        raise ReversedAges(errors=[FieldError("min_age", ReversedAges.detail)])
    seeks = me.seeks & (GENDERS[wish.gender] if wish.gender else EVERYBODY) & INTERESTS[wish.interested_in or "everyone"]
    limits = [limit for limit in (me.max_distance_km, wish.max_distance_km) if limit is not None]
    radius = min(limits, default=None)
    cell = choose_cell(me, wish)
    x, y, z = (None, None, None) if cell is None else places.vector(cell)
    rules: Parameters = {
        "me": me.user_id,
        "my_gender": me.gender,
        "seeks": seeks,
        **describe_my_age(me.born, today(now)),
        **describe_ages(
            max(me.min_age, wish.min_age or 0), min(me.max_age, OLDEST if wish.max_age is None else wish.max_age), now
        ),
        "x": x,
        "y": y,
        "z": z,
        "reach": None if radius is None else places.cosine(radius),
        "has_photo": wish.has_photo,
        "online_only": wish.online_only,
        "since": round_down(now, HOUR) - HOUR if wish.online_only else round_down(now, DAY) - ACTIVE_DAYS * DAY,
        "without_likers": False,
    }
    return Hunt(me.user_id, cell, seeks, radius, wish.page_size, rules)


def choose_cell(me: Profile, wish: Search) -> int | None:
    """The cell from which to search: that of the given place, else mine. Raises HalfPlace."""
    if (wish.latitude is None) != (wish.longitude is None):
        raise HalfPlace
    if wish.latitude is None or wish.longitude is None:
        return me.cell
    return places.snap(Point(wish.latitude, wish.longitude))


def describe_my_age(born: int | None, now: date) -> Parameters:
    """My age for the rules of others. Not said, it fits only those who have no rule about it."""
    if born is None:
        return {"age_low": ADULT, "age_high": OLDEST}
    age = count_years(to_day(born), now)
    return {"age_low": age, "age_high": age}


def describe_ages(least: int, most: int, now: int) -> Parameters:
    """The ages I look for as days of birth."""
    day = today(now)
    return {
        "any_age": least <= ADULT and most >= OLDEST,
        "born_from": day_number(birthday_before(day, most + 1)) + 1,
        "born_to": day_number(birthday_before(day, least)),
    }


def birthday_before(day: date, years: int) -> date:
    """The latest birthday of somebody who is that old on the day."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:  # the 29th of February of a year without one
        return date(day.year - years, 2, 28)


# --- the orders ---------------------------------------------------------------------------------------------------------------


async def find_recent(tx: Transaction, hunt: Hunt, after: LastSeen | None, index: Index | None = None) -> list[int]:
    """The most recently active first."""
    start = Entry(END, END) if after is None else Entry(after.recency, after.user_id)
    return [entry.user_id for entry in await find_latest(tx, hunt, start, index)]


async def find_latest(tx: Transaction, hunt: Hunt, after: Entry, index: Index | None = None) -> list[Entry]:
    """The most recently active who come after the given one: by the index in memory if there is one, else by the lanes."""
    if index is None or not index.ready:
        fineness, lanes = choose_lanes(hunt)
        return await merge(tx, queries.LATEST_BY[fineness], lanes, after, hunt)
    found: list[Entry] = []
    fineness, lanes = choose_lanes(hunt, LANES_REACH_KM[1:])
    while len(found) < hunt.count:
        wanted = hunt.count - len(found) + SPARE
        named = await tx.think(index.latest, fineness, lanes, after, wanted, hunt.rules)
        open_to_me = await queries.open_to(tx, [entry.user_id for entry in named], hunt.rules)
        found += [entry for entry in named if entry.user_id in open_to_me]
        if len(named) < wanted:
            break
        after = named[-1]
    return found[: hunt.count]


async def find_numbered(tx: Transaction, hunt: Hunt, after_id: int) -> list[int]:
    """By id. Where many fit, the next accounts soon give a page; where few do, the lanes are short and may be read whole."""
    fineness, lanes = choose_lanes(hunt)
    until = END if fineness == "earth" else after_id + ACCOUNTS_AT_ONCE
    first = await queries.first_of_all(tx, after_id, until, hunt.count, hunt.rules)
    if fineness == "earth" or len(first) == hunt.count:
        return first
    found = await queries.ask_lanes(tx, queries.FIRST_BY[fineness], lanes, Entry(0, after_id), hunt.count, hunt.rules)
    return sorted(entry.user_id for entries in found.values() for entry in entries)[: hunt.count]


async def find_nearest(tx: Transaction, hunt: Hunt, after: LastSeen | None) -> list[int]:
    """The nearest cell first, inside a cell the most recently active; at the end those without a cell, if they fit."""
    if hunt.cell is None:
        return await find_recent(tx, hunt, after)
    found: list[int] = []
    if after is None or after.cell is not None:
        found = await find_by_rings(tx, hunt, hunt.cell, after)
        after = None
    if len(found) < hunt.count and hunt.radius_km is None:
        found += await find_in_cell(tx, shorten(hunt, found), 0, after)
    return found


def choose_lanes(hunt: Hunt, reaches: Sequence[tuple[Fineness, Level, float]] = LANES_REACH_KM) -> tuple[Fineness, list[int]]:
    """The lanes that hold everybody within the radius: few, and not many people in vain."""
    if hunt.cell is not None and hunt.radius_km is not None:
        for fineness, level, reach_km in reaches:
            if hunt.radius_km <= reach_km:
                cells = places.cover(hunt.cell, level, hunt.radius_km)
                return fineness, [places.lane(cell, gender) for cell in cells for gender in hunt.genders]
    return "earth", hunt.genders


async def merge(tx: Transaction, sql: str, lanes: list[int], after: Entry, hunt: Hunt) -> list[Entry]:
    """The first people of all lanes together, the most recent first.

    A little of each lane is enough for most; a lane of which all that came is on the page may have more and is asked again.
    """
    little = min(hunt.count, max(3, 2 * hunt.count // len(lanes)))
    found = await queries.ask_lanes(tx, sql, lanes, after, little, hunt.rules)
    page = take_latest(found, hunt.count)
    if little < hunt.count:
        last = page[-1] if len(page) == hunt.count else Entry(0, 0)
        cut = [lane for lane, entries in found.items() if len(entries) == little and entries[-1] >= last]
        if cut:
            found |= await queries.ask_lanes(tx, sql, cut, after, hunt.count, hunt.rules)
            page = take_latest(found, hunt.count)
    return page


def take_latest(found: dict[int, list[Entry]], count: int) -> list[Entry]:
    """The most recent of all lanes."""
    return sorted((entry for entries in found.values() for entry in entries), reverse=True)[:count]


async def find_by_rings(tx: Transaction, hunt: Hunt, origin: int, after: LastSeen | None) -> list[int]:
    """People in cells, ring by ring outwards until the page is full."""
    found: list[int] = []
    most = FARTHEST_OFF
    if after is not None and after.cell is not None:
        found = await find_in_cell(tx, hunt, after.cell, after)
        most = (measure(origin, after.cell), after.cell)
    for fineness, level, ring_km, at_once in RINGS_KM:
        radius = ring_km if hunt.radius_km is None else min(ring_km, hunt.radius_km)
        within = () if level is None else places.cover(origin, level, radius)
        least = places.cosine(radius)
        if most[0] >= least:
            ring = queries.Ring(fineness, within, most, least)
            found += await find_in_ring(tx, shorten(hunt, found), origin, ring, at_once)
            most = (least, 0)
        if len(found) == hunt.count or radius == hunt.radius_km:
            break
    return found


async def find_in_ring(tx: Transaction, hunt: Hunt, origin: int, ring: queries.Ring, at_once: int) -> list[int]:
    """People in the cells of a ring, the nearest cell first, few cells at a time."""
    found: list[int] = []
    while True:
        cells = await queries.nearest_cells(tx, ring, at_once, hunt.rules)
        found += await find_in_cells(tx, shorten(hunt, found), cells)
        if len(found) == hunt.count or len(cells) < at_once:
            return found
        ring = msgspec.structs.replace(ring, most=(measure(origin, cells[-1]), cells[-1]))


async def find_in_cells(tx: Transaction, hunt: Hunt, cells: list[int]) -> list[int]:
    """People in these cells, cell after cell."""
    lanes = {places.lane(cell, gender): place for place, cell in enumerate(cells) for gender in hunt.genders}
    found = await queries.ask_lanes(tx, queries.LATEST_NEAR, list(lanes), Entry(END, END), hunt.count, hunt.rules)
    by_cell = sorted((lanes[lane], -entry.recency, -entry.user_id) for lane, entries in found.items() for entry in entries)
    return [-user_id for _, _, user_id in by_cell[: hunt.count]]


async def find_in_cell(tx: Transaction, hunt: Hunt, cell: int, after: LastSeen | None) -> list[int]:
    """People in one cell (0: in none), after the last one seen."""
    lanes = [places.lane(cell, gender) for gender in hunt.genders]
    start = Entry(END, END) if after is None else Entry(after.recency, after.user_id)
    found = await queries.ask_lanes(tx, queries.LATEST_NEAR, lanes, start, hunt.count, hunt.rules)
    return [entry.user_id for entry in take_latest(found, hunt.count)]


def shorten(hunt: Hunt, found: list[int]) -> Hunt:
    """The same for what is still missing on the page."""
    return msgspec.structs.replace(hunt, count=hunt.count - len(found))


def measure(one: int, other: int) -> float:
    """The cosine between two cells, as the SQL computes it."""
    return places.vector(other).dot(places.vector(one))
