"""Today's most compatible: once a day (UTC), in every region, a stable matching over the people who are active there.

A pool is a region of about 120 km; regions with few people join those around them, and a crowded one is cut into parts of
neighbors. Each pair is shown to both, until midnight UTC. Nobody is picked who was swiped by either, is not wanted by either, or
was the other's pick in the week before; whoever had no good pick in that week comes first.

Several processes share the work: each takes a region by a row, which is looked at again with every few picks that are written.
Whoever dies leaves a claim that is taken over later, and what was written stays: nobody gets more than `EACH` a day, even where
regions are put together in another way the second time.
"""

import asyncio
import time
from collections.abc import Iterable, Iterator
from typing import Annotated

import msgspec
import numpy as np
from msgspec import Meta

from dating.clock import DAY, SECOND, rfc3339, today
from dating.database import Database, Transaction
from dating.matching import pairing, pick_queries
from dating.matching.candidates import Candidate
from dating.matching.pairing import Pairs, Pool
from dating.matching.pick_queries import WHOLE_DAY, Region, Row
from dating.matching.reasons import give_reasons
from dating.matching.weights import read_weights
from dating.profiles import places
from dating.profiles import service as profiles
from dating.profiles.ages import ADULT, OLDEST
from dating.settings import Settings

EACH = 3  # picks a day, at most
ACTIVE = 30 * DAY
WEEK = 7  # days
FEW = 200  # people below which a region joins the others around it
GOOD = 0.1  # probability of two yeses that makes a good pick: about that of two average people
AT_ONCE = 500  # people read in one question, and picks written in one transaction
CLAIM = 600 * SECOND
REST = 2.0  # times as long as a part took, until the next: picks are for a day, and people wait for pages meanwhile
KEPT = 14  # days that picks are kept
DAYS_A_YEAR = 365.2425
RANKED_GENDER = np.array([3, 1, 0, 3, 2, 3, 3, 3, 3])
"""The row of `Weights.base` (female, male, non-binary, other) for the gender's bit in a profile."""


class Pick(Candidate, frozen=True, kw_only=True):
    """Somebody who fits me best today, as I fit them; until `expires_at`."""

    expires_at: Annotated[str, Meta(examples=["2026-11-21T00:00:00.000Z"])]


async def picks(tx: Transaction, me_id: int) -> list[Pick]:
    """My picks of today, the best first. Raises NoSuchPerson (for a viewer without a profile)."""
    me = await profiles.require_profile(tx, me_id)
    day = tx.now // DAY
    users = await profiles.publics(tx, me_id, await pick_queries.mine(tx, me_id, day))
    interests = msgspec.json.decode(me.interests, type=list[str])
    midnight = rfc3339((day + 1) * DAY)
    return [
        Pick(
            **msgspec.structs.asdict(user), reasons=give_reasons(user, interests, today(tx.now)), widened=[], expires_at=midnight
        )
        for user in users
    ]


async def forget(tx: Transaction) -> None:
    """Drop what is older than two weeks."""
    await pick_queries.forget(tx, tx.now // DAY - KEPT)


# --- once a day ---------------------------------------------------------------------------------------------------------------


async def make_picks(db: Database, settings: Settings) -> None:
    """Make today's picks, unless they are there. Safe to call in several processes, and again at any time."""
    now = db.clock()
    day = now // DAY
    if await db.read(pick_queries.is_done, day):
        return
    pools = list(gather(await db.read(pick_queries.regions, day * DAY - ACTIVE)))
    made = [await make_in(db, settings, day, regions) for regions in pools]
    if all(made) and (claimed_at := await db.write(pick_queries.claim, day, WHOLE_DAY, now)) is not None:
        await db.write(pick_queries.finish, day, WHOLE_DAY, claimed_at)


def gather(regions: Iterable[Region]) -> Iterator[list[int]]:
    """Regions that make one pool: one with enough people alone, the others together with those of the same land."""
    total: dict[tuple[int, int], int] = {}
    for row in regions:
        total[row.region, row.land] = row.people
    small: dict[int, list[int]] = {}
    for (region, land), people in total.items():
        if people >= FEW:
            yield [region]
        else:
            small.setdefault(land, []).append(region)
    yield from small.values()


async def make_in(db: Database, settings: Settings, day: int, regions: list[int]) -> bool:
    """Make the picks of a pool, unless somebody has; whether it is done."""
    name = regions[0]
    claimed_at = await db.write(pick_queries.claim, day, name, db.clock() - CLAIM)
    if claimed_at is None:
        return await db.read(pick_queries.is_done, day, name)
    for part in cut(await read_people(db, regions, day)):
        began = time.monotonic()
        ids = [person.user_id for person in part]
        apart = await db.read(pick_queries.apart, ids, day - WEEK, day)
        rows = await asyncio.to_thread(pair, part, apart, day, settings)
        for first in range(0, len(rows), AT_ONCE):
            if not await db.write(keep, day, name, claimed_at, rows[first : first + AT_ONCE]):
                return False
        await asyncio.sleep(REST * (time.monotonic() - began))
    return await db.write(pick_queries.finish, day, name, claimed_at)


async def read_people(db: Database, regions: list[int], day: int) -> list[pick_queries.Candidate]:
    """Everybody active in these regions, neighbors beside each other; few at a time, so that nobody waits for long."""
    found: list[pick_queries.Candidate] = []
    lanes = [places.lane(region, gender) for region in regions for gender in (1, 2, 4, 8)]
    while True:
        after = found[-1].user_id if found else 0
        began = time.monotonic()
        page = await db.read(pick_queries.people, lanes, day * DAY - ACTIVE, day - WEEK, GOOD, after, AT_ONCE)
        found += page
        await asyncio.sleep(REST * (time.monotonic() - began))
        if len(page) < AT_ONCE:
            return await asyncio.to_thread(sorted, found, key=lambda person: (person.area, person.user_id))


def cut(people: list[pick_queries.Candidate]) -> Iterator[list[pick_queries.Candidate]]:
    """Parts of equal size, none larger than a pool may be; neighbors stay together."""
    parts = -(-len(people) // pairing.MOST)
    for number in range(parts):
        yield people[number * len(people) // parts : (number + 1) * len(people) // parts]


async def keep(tx: Transaction, day: int, region: int, claimed_at: int, rows: list[Row]) -> bool:
    """Write some picks of a pool, the best first, if the claim still holds."""
    if not await pick_queries.hold(tx, day, region, claimed_at):
        return False
    count = await pick_queries.counts(tx, day, [user_id for row in rows for user_id in (row.low_id, row.high_id)])
    fresh = []
    for row in rows:
        if max(count.get(row.low_id, 0), count.get(row.high_id, 0)) < EACH:
            fresh.append(row)
            for user_id in (row.low_id, row.high_id):
                count[user_id] = count.get(user_id, 0) + 1
    await pick_queries.keep(tx, fresh)
    return True


def pair(people: list[pick_queries.Candidate], apart: str, day: int, settings: Settings) -> list[Row]:
    """The rows of the picks among these people, the best first."""
    ids = np.array([person.user_id for person in people], np.int64)
    place = {person.user_id: row for row, person in enumerate(people)}
    known = (tuple(map(int, edge.split())) for edge in msgspec.json.decode(apart, type=list[str]))
    edges = np.array([(place[one], place[other]) for one, other in known], np.int64).reshape(-1, 2)
    pairs: Pairs = pairing.pair(describe(people, day), edges, EACH, day, read_weights(settings))
    return [
        Row(day, min(one, other), max(one, other), value)
        for one, other, value in zip(ids[pairs.one].tolist(), ids[pairs.other].tolist(), pairs.value.tolist(), strict=True)
    ]


def describe(people: list[pick_queries.Candidate], day: int) -> Pool:
    """People as arrays."""
    nowhere, unsaid = float("nan"), float("nan")
    numbers = np.array([(p.min_age, p.max_age, p.choosiness, p.appeal) for p in people], np.float32).reshape(-1, 4)
    return Pool(
        ids=np.array([p.user_id for p in people], np.int64),
        gender=np.array([p.gender for p in people], np.int8),
        seeks=np.array([p.seeks for p in people], np.int8),
        kind=RANKED_GENDER[[p.gender for p in people]] if people else np.zeros(0, np.int64),
        age=np.array([unsaid if p.born is None else (day - p.born) // DAYS_A_YEAR for p in people], np.float32),
        min_age=numbers[:, 0],
        max_age=numbers[:, 1],
        any_age=(numbers[:, 0] <= ADULT) & (numbers[:, 1] >= OLDEST),
        place=np.array([(nowhere if p.x is None else p.x, p.y or 0.0, p.z or 0.0) for p in people]).reshape(-1, 3),
        reach=np.array([-np.inf if p.reach is None else p.reach for p in people]),
        choosiness=numbers[:, 2],
        appeal=numbers[:, 3],
        topics=compare_topics([msgspec.json.decode(p.interests, type=list[str]) for p in people]),
        lonely=np.array([not p.content for p in people], np.bool_),
    )


def compare_topics(interests: list[list[str]]) -> pairing.Floats:
    """Who has which of the commonest interests of the pool, one column each."""
    counts: dict[str, int] = {}
    folded = [{topic.casefold() for topic in topics} for topics in interests]
    for topic in (topic for topics in folded for topic in topics):
        counts[topic] = counts.get(topic, 0) + 1
    common = sorted(counts, key=lambda topic: (-counts[topic], topic))[: pairing.TOPICS]
    column = {topic: number for number, topic in enumerate(common)}
    table = np.zeros((len(interests), pairing.TOPICS), np.float32)
    for row, topics in enumerate(folded):
        table[row, [column[topic] for topic in topics if topic in column]] = 1
    return table
