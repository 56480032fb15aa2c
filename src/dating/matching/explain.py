"""Why so few: how many people fit, what each of my rules removes, and what each would add if it alone were loosened a little.

One pass over the lanes that hold everybody within the loosened radius: each person whom I fit gets a set of bits, the rules of
mine that they fail, and people are counted by that set. So nothing is asked twice, and all the answers are about the same moment.

A count is told only as "at least", in steps: under five is 0, then 5, then tens, fifties above a
hundred, five hundreds above a thousand. Places are cells. So
the counts tell nothing of one person that their cell and profile do not, and a question repeated gets the same answer.
"""

import math
from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from dating.clock import day_number, today
from dating.database import Transaction
from dating.matching import candidates
from dating.matching import explain_queries as queries
from dating.matching.candidates import Hunt, Search
from dating.matching.explain_queries import Bit
from dating.profiles import service as profiles
from dating.profiles.ages import ADULT, OLDEST
from dating.profiles.models import Profile

LOOKED_AT = 20_000  # people in one question, at most: the most recently active of each lane
YEARS = 3  # by which an age rule is loosened
WIDER = 1.4  # times the radius, rounded up to 5 km
FEWEST = 5  # people who are counted at all
STEPS = ((10, FEWEST), (100, 10), (1000, 50))
LARGEST_STEP = 500

Name = Literal["gender", "min_age", "max_age", "max_distance_km", "has_photo", "online_only"]


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """A rule of mine: how many it removes, and how many more would fit if it alone were `relaxed_to` (null: given up)."""

    rule: Annotated[Name, Meta(examples=["max_distance_km"])]
    value: Annotated[str | int | float | bool, Meta(examples=[25])]
    removes: Annotated[int, Meta(examples=[60])]
    relaxed_to: Annotated[int | float | None, Meta(examples=[35])]
    adds: Annotated[int, Meta(examples=[40])]
    text: Annotated[str, Meta(examples=["+40 within 35 km"])]


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """At least `fits` people fit me and I them. `within_km` is how far was looked (null: everywhere).

    `sampled`: there were too many to look at, so the counts are of the most recently active alone.
    """

    fits: Annotated[int, Meta(examples=[80])]
    text: Annotated[str, Meta(examples=["80 people or more fit."])]
    rules: list[Rule]
    within_km: Annotated[float | None, Meta(examples=[35])]
    sampled: bool


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What my rules are, with those of the search; None: no rule."""

    seeks: int
    min_age: int | None
    max_age: int | None
    radius_km: float | None
    has_photo: bool
    online_only: bool


async def explain(tx: Transaction, me_id: int, wish: Search) -> Explanation:
    """What my rules do. Raises HalfPlace, ReversedAges, NoSuchPerson (for a viewer without a profile)."""
    me = await profiles.require_profile(tx, me_id)
    strict = candidates.prepare(me, wish, tx.now)
    bounds = read_bounds(me, wish, strict)
    pool = candidates.prepare(*loosen(me, wish, bounds), tx.now)
    fineness, lanes = candidates.choose_lanes(pool)
    each = max(1, LOOKED_AT // len(lanes))
    counts, full = await queries.count(tx, fineness, lanes, each, pool.rules | describe(bounds, strict, tx.now))
    fits = step(counts.get(0, 0))
    return Explanation(
        fits=fits,
        text=f"{fits} people or more fit." if fits else f"Fewer than {FEWEST} people fit.",
        rules=list_rules(bounds, counts, me, wish),
        within_km=pool.radius_km,
        sampled=full,
    )


def read_bounds(me: Profile, wish: Search, hunt: Hunt) -> Bounds:
    """My rules narrowed by the search."""
    least, most = max(me.min_age, wish.min_age or 0), min(me.max_age, OLDEST if wish.max_age is None else wish.max_age)
    return Bounds(
        seeks=hunt.seeks,
        min_age=least if least > ADULT else None,
        max_age=most if most < OLDEST else None,
        radius_km=hunt.radius_km,
        has_photo=wish.has_photo,
        online_only=wish.online_only,
    )


def loosen(me: Profile, wish: Search, bounds: Bounds) -> tuple[Profile, Search]:
    """Me and my search with every rule loosened at once: everybody who could count."""
    radius = None if bounds.radius_km is None else widen(bounds.radius_km)
    everyone = replace(me, seeks=profiles.EVERYBODY, min_age=ADULT, max_age=OLDEST, max_distance_km=None)
    anything = replace(
        wish,
        gender=None,
        interested_in=None,
        min_age=None,
        max_age=None,
        max_distance_km=radius,
        has_photo=False,
        online_only=False,
    )
    return everyone, anything


def widen(radius_km: float) -> float:
    """The next larger radius: WIDER times as far, to the next five kilometers, at most half around the earth."""
    return min(40_000.0, 5 * math.ceil(radius_km * WIDER / 5))


def describe(bounds: Bounds, strict: Hunt, now: int) -> queries.Parameters:
    """The rules as parameters of the SQL; NULL where there is none."""
    return {
        "wanted": bounds.seeks,
        "latest_born": born_at(bounds.min_age, now),
        "latest_born_far": born_at(None if bounds.min_age is None else max(ADULT, bounds.min_age - YEARS), now),
        "earliest_born": born_after(bounds.max_age, now),
        "earliest_born_far": born_after(None if bounds.max_age is None else bounds.max_age + YEARS, now),
        "near": strict.rules["reach"],
        "photo": bounds.has_photo,
        "active_since": strict.rules["since"] if bounds.online_only else None,
    }


def born_at(least: int | None, now: int) -> int | None:
    """The latest day of birth of somebody at least that old."""
    return None if least is None else day_number(candidates.birthday_before(today(now), least))


def born_after(most: int | None, now: int) -> int | None:
    """The earliest day of birth of somebody at most that old."""
    return None if most is None else day_number(candidates.birthday_before(today(now), most + 1)) + 1


# --- the answer -----------------------------------------------------------------------------------------------------------------


def list_rules(bounds: Bounds, counts: dict[int, int], me: Profile, wish: Search) -> list[Rule]:
    """Each rule that there is, with its counts, what loosening it adds the most first."""
    radius = bounds.radius_km
    rules = []
    if bounds.seeks != profiles.EVERYBODY:
        rules.append(judge("gender", name_genders(bounds.seeks), Bit.GENDER, counts, None, "whatever their gender"))
    if bounds.min_age is not None:
        age = max(ADULT, bounds.min_age - YEARS)
        rules.append(judge("min_age", bounds.min_age, Bit.YOUNG, counts, age, f"from {age} years"))
    if bounds.max_age is not None:
        age = bounds.max_age + YEARS
        rules.append(judge("max_age", bounds.max_age, Bit.OLD, counts, age, f"up to {age} years"))
    if radius is not None:
        wide = widen(radius)
        rules.append(judge("max_distance_km", radius, Bit.FAR, counts, wide, f"within {wide:g} km"))
    if bounds.has_photo:
        rules.append(judge("has_photo", True, Bit.PHOTO, counts, None, "without a photo"))
    if bounds.online_only:
        rules.append(judge("online_only", True, Bit.AWAY, counts, None, "who are not here now"))
    return sorted(rules, key=lambda rule: -rule.adds)


def judge(
    name: Name, value: str | int | float | bool, bit: Bit, counts: dict[int, int], relaxed: float | None, words: str
) -> Rule:
    """The counts of one rule: everybody who fails it, and those who fail it by little and nothing else."""
    removes = step(sum(count for bits, count in counts.items() if bits & bit))
    adds = step(counts.get(int(bit), 0))
    return Rule(rule=name, value=value, removes=removes, relaxed_to=relaxed, adds=adds, text=f"+{adds} {words}")


def name_genders(seeks: int) -> str:
    """A set of genders in words."""
    return ", ".join(name for name, bit in profiles.GENDERS.items() if bit & seeks)


def step(count: int) -> int:
    """A count as it may be told: the step below it."""
    size = next((size for below, size in STEPS if count < below), LARGEST_STEP)
    return count // size * size
