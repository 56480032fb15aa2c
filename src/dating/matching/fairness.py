"""How fairly attention and matches are spread: made once in a while by a job, public, and the same for everybody.

* Exposure Gini: 0 when all active people are shown equally often, 1 when one person gets everything.
* An effective match is one for which there was time: of more than seven in a week, seven count.
* Active people are those who were here in the last 30 days, since before that week began, and may be found.
* A group of fewer than 20 is not told of, nor so many of the others that it could be worked out as what they leave of all.
"""

from datetime import date, timedelta
from itertools import accumulate
from typing import Annotated

import msgspec
from msgspec import Meta

from dating.clock import DAY, day_number, rfc3339, today
from dating.database import Database, Transaction
from dating.matching import fairness_queries as queries
from dating.matching.candidates import birthday_before
from dating.matching.fairness_queries import Amount, GroupAmount

ACTIVE = 30 * DAY
WEEK = 7
AGAIN = DAY // 4  # how old the page becomes
FEWEST = 20  # people of whom something is said
ROOM = 7  # matches a week for which somebody has time
CURVE = 20  # parts of the Lorenz curve
GENDERS = {1: "men", 2: "women", 4: "non-binary people", 8: "gender not said"}
BANDS = {18: "18 to 24", 25: "25 to 34", 35: "35 to 49", 50: "50 and older", 0: "age not said"}


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """A gender or an age: how many matches for which there was time each of them made on average, and who had none."""

    name: Annotated[str, Meta(examples=["women"])]
    people: Annotated[int, Meta(examples=[420])]
    effective_matches: Annotated[float, Meta(examples=[1.42])]
    without_a_match: Annotated[float, Meta(examples=[0.31])]


class Fairness(msgspec.Struct, frozen=True, kw_only=True):
    """The last whole week, which began on `week`. Shares are from 0 to 1; null while there are fewer than 20 people.

    `lorenz`: the share of all impressions that the least shown 5 %, 10 % … of the people got. `unanswered` are likes that await
    an answer now, per person.
    """

    made_at: Annotated[str | None, Meta(examples=["2026-11-20T09:00:00.000Z"])] = None
    week: Annotated[str | None, Meta(examples=["2026-11-12"])] = None
    people: Annotated[int, Meta(examples=[900])] = 0
    exposure_gini: Annotated[float | None, Meta(examples=[0.33])] = None
    lorenz: Annotated[list[float], Meta(examples=[[0.0, 0.1, 0.3, 0.6, 1.0]])] = []
    without_a_match: Annotated[float | None, Meta(examples=[0.3])] = None
    effective_matches: Annotated[float | None, Meta(examples=[1.5])] = None
    unanswered: Annotated[float | None, Meta(examples=[2.4])] = None
    groups: list[Group] = []


class MyStatistics(msgspec.Struct, frozen=True):
    """To how many different people I was shown in the last seven days, today included."""

    shown_to: Annotated[int, Meta(examples=[87])]


async def read(tx: Transaction) -> Fairness:
    """The page as it was made last; empty before that."""
    made = await queries.find(tx)
    return Fairness() if made is None else msgspec.json.decode(made.body, type=Fairness)


async def mine(tx: Transaction, me_id: int) -> MyStatistics:
    """What I may know of myself."""
    return MyStatistics(await queries.shown_to(tx, me_id, tx.now // DAY - WEEK))


async def renew(db: Database) -> None:
    """Make the page, unless there is one that is new enough, and not of the future. Several processes at once do no harm."""
    made = await db.read(queries.find)
    if made is None or not 0 <= db.clock() - made.made_at < AGAIN:
        page = await db.read(make)
        await db.write(queries.keep, msgspec.json.encode(page).decode())


async def make(tx: Transaction) -> Fairness:
    """The page of the last whole week."""
    week, since = tx.now // DAY // WEEK, tx.now - ACTIVE
    now = today(tx.now)
    births = {f"born_{age}": day_number(birthday_before(now, age)) for age in (25, 35, 50)}
    shown = await queries.shown(tx, week, since)
    rows = await queries.matches(tx, week, since, births)
    people = sum(row.people for row in shown)
    begin = (date(1970, 1, 1) + timedelta(days=(week - 1) * WEEK)).isoformat()
    if people < FEWEST:
        return Fairness(made_at=rfc3339(tx.now), week=begin)
    everybody = describe("everybody", rows)
    waiting = await queries.unanswered(tx, week, since)
    return Fairness(
        made_at=rfc3339(tx.now),
        week=begin,
        people=people,
        exposure_gini=round(gini(shown), 3),
        lorenz=lorenz(shown),
        without_a_match=everybody.without_a_match,
        effective_matches=everybody.effective_matches,
        unanswered=round(sum(row.amount * row.people for row in waiting) / people, 2),
        groups=list_groups(rows),
    )


def list_groups(rows: list[GroupAmount]) -> list[Group]:
    """Genders, then ages; none that is too small."""
    genders = [describe(name, [row for row in rows if row.gender == bit]) for bit, name in GENDERS.items()]
    ages = [describe(name, [row for row in rows if row.band == band]) for band, name in BANDS.items()]
    return choose_told(genders) + choose_told(ages)


def choose_told(groups: list[Group]) -> list[Group]:
    """Those that are large enough. What all together leave is nobody, or large enough as well: it could be worked out."""
    told = [group for group in groups if group.people >= FEWEST]
    rest = sum(group.people for group in groups) - sum(group.people for group in told)
    if 0 < rest < FEWEST and told:
        told.remove(min(told, key=lambda group: group.people))
    return told


def describe(name: str, rows: list[GroupAmount]) -> Group:
    """The figures of some people."""
    people = sum(row.people for row in rows)
    effective = sum(min(row.amount, ROOM) * row.people for row in rows)
    without = sum(row.people for row in rows if row.amount == 0)
    return Group(
        name=name,
        people=people,
        effective_matches=round(effective / max(people, 1), 2),
        without_a_match=round(without / max(people, 1), 3),
    )


def gini(amounts: list[Amount]) -> float:
    """The Gini coefficient of amounts in ascending order: 1 - 2 · the area under the Lorenz curve; 0 where there is nothing."""
    people = sum(row.people for row in amounts)
    total = sum(row.amount * row.people for row in amounts)
    if not total:
        return 0.0
    below = [0, *accumulate(row.amount * row.people for row in amounts)]
    area = sum((below[n] + below[n + 1]) * row.people for n, row in enumerate(amounts)) / (2 * total * people)
    return 1 - 2 * area


def lorenz(amounts: list[Amount]) -> list[float]:
    """The share of the whole that the least 0, 5 … 100 % of the people have."""
    people = sum(row.people for row in amounts)
    total = sum(row.amount * row.people for row in amounts)
    shares = []
    for part in range(CURVE + 1):
        left, got = people * part / CURVE, 0.0
        for row in amounts:
            taken = min(left, row.people)
            got += taken * row.amount
            left -= taken
        shares.append(round(got / total, 4) if total else part / CURVE)
    return shares
