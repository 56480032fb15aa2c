"""From candidates to the arrays of `ranking`, and from its pages to slots.

Who somebody is, the index in memory knows; what is learned of them, which every swipe and page changes, the database alone.
"""

from typing import NamedTuple

import numpy as np

from dating.clock import DAY, SECOND
from dating.database import Transaction
from dating.matching import deck_queries as queries
from dating.matching import ranking
from dating.matching.columns import OTHER, UNSAID, Array
from dating.matching.deck_queries import STANDING
from dating.matching.exposure import Slot
from dating.matching.exposure_queries import HOUR
from dating.matching.index import Index
from dating.matching.learning import DAYS_PER_YEAR, RANKING_GENDERS, fold
from dating.matching.ranking import Floats, People, Viewer, Weights, pace, score
from dating.matching.standing_queries import WEEK
from dating.profiles.models import Profile

GENDERS = np.array(RANKING_GENDERS)
PAGE = 20  # slots that share out chance and newcomers


class Crowd(NamedTuple):
    """People by id: gender's bit, day of birth (NaN: not said), second of registration, and how many interests I share."""

    ids: Array
    gender: Array
    born: Floats
    joined: Array
    shared: Floats


async def rank(
    tx: Transaction,
    me: Profile,
    ids: list[int],
    likers: set[int],
    count: int,
    seed: list[int],
    weights: Weights,
    index: Index | None = None,
) -> list[Slot]:
    """The first `count` of these people, best first, page by page with the slots that are left to chance and to newcomers."""
    people, scores = await assess(tx, me, ids, likers, weights, index)
    return await tx.think(deal, people, scores, count, np.random.default_rng(seed), weights)


async def sort(tx: Transaction, me: Profile, ids: list[int], likers: set[int], weights: Weights) -> list[int]:
    """These people by their score alone, best first."""
    people, scores = await assess(tx, me, ids, likers, weights, None)
    best: list[int] = people.ids[ranking.sort(people, scores)].tolist()
    return best


async def assess(
    tx: Transaction, me: Profile, ids: list[int], likers: set[int], weights: Weights, index: Index | None
) -> tuple[People, Floats]:
    """These people as columns, with their scores."""
    crowd = await meet(tx, me, ids, index)
    rows = await queries.standings(tx, [me.user_id, *crowd.ids.tolist()])
    return await tx.think(weigh, crowd, rows, me, likers, tx.now, weights)


def weigh(
    crowd: Crowd, rows: list[queries.Row], me: Profile, likers: set[int], now: int, weights: Weights
) -> tuple[People, Floats]:
    """The same out of all standings, mine among them."""
    mine = next((row for row in rows if row[0] == me.user_id), (me.user_id, *STANDING.values()))
    people = describe(crowd, align(crowd.ids, [row for row in rows if row[0] != me.user_id]), me, likers, now)
    return people, score(Viewer(RANKING_GENDERS[me.gender], mine[1], mine[2]), people, weights)


async def meet(tx: Transaction, me: Profile, ids: list[int], index: Index | None) -> Crowd:
    """Who these people are: as far as the index knows, else as the database says."""
    wanted = np.unique(np.array(ids, np.int64))
    known = recall(wanted, me, index)
    strangers = await queries.persons(tx, np.setdiff1d(wanted, known.ids, assume_unique=True).tolist())
    if not strangers:
        return known
    both = list(zip(known, introduce(strangers, me), strict=True))
    order = np.argsort(np.concatenate(both[0]))
    return Crowd(*(np.concatenate(pair)[order] for pair in both))


def introduce(rows: list[queries.Row], me: Profile) -> Crowd:
    """People as the database knows them, in its order."""
    ids, gender, born, created_at, interests = zip(*rows, strict=True)
    mine = fold(me.interests)
    return Crowd(
        np.array(ids, np.int64),
        np.array(gender, np.int64),
        np.array(born, float),
        np.array(created_at, np.int64) // SECOND,
        np.array([float(len(mine & fold(text))) for text in interests]),
    )


def recall(ids: Array, me: Profile, index: Index | None) -> Crowd:
    """Those of the people of whom the index knows everything, the interests that they share with me among that."""
    nobody = np.zeros(0, np.int64)
    if index is None or not index.ready:
        return Crowd(nobody, nobody, np.zeros(0), nobody, np.zeros(0))
    columns, topics = index.look_up(ids)
    mine = np.uint64(topics.encode(me.interests))
    clear = np.flatnonzero((columns["topics"] & mine & OTHER) == 0)
    clear = clear[np.argsort(columns["ids"][clear])]
    found = {name: column[clear] for name, column in columns.items()}
    born = np.where(found["born"] == UNSAID, np.nan, found["born"])
    shared = np.bitwise_count(found["topics"] & mine).astype(float)
    return Crowd(found["ids"], found["gender"], born, found["joined"].astype(np.int64), shared)


def align(ids: Array, rows: list[queries.Row]) -> dict[str, Floats]:
    """The columns of the standings of these people, in that order."""
    table = np.tile(np.array(list(STANDING.values()), float), (len(ids), 1))
    if rows:
        given = np.array(rows, float)
        table[np.searchsorted(ids, given[:, 0].astype(np.int64))] = given[:, 1:]
    return dict(zip(STANDING, table.T, strict=True))


def describe(crowd: Crowd, standing: dict[str, Floats], me: Profile, likers: set[int], now: int) -> People:
    """Everybody's columns as they stand at this moment."""
    joined = np.maximum(0, now // SECOND - crowd.joined) * SECOND
    born = np.nan if me.born is None else float(me.born)

    def count(name: str) -> Floats:
        return in_week(standing["week"], standing[name], standing[f"{name}_before"], now)

    return People(
        ids=crowd.ids,
        gender=GENDERS[crowd.gender],
        choosiness=standing["choosiness"],
        appeal=standing["appeal"],
        appeal_precision=standing["appeal_precision"],
        shown=count("shown"),
        ever_shown=standing["ever_shown"],
        joined_hours=joined / HOUR,
        swipes_per_day=pace(count("swipes"), joined / DAY),
        unanswered=standing["unanswered"],
        matches=count("matches"),
        likes_viewer=np.isin(crowd.ids, list(likers)),
        features={"shared_interests": crowd.shared, "age_gap": np.abs(crowd.born - born) / DAYS_PER_YEAR},
    )


def deal(people: People, scores: Floats, count: int, dice: np.random.Generator, weights: Weights) -> list[Slot]:
    """Pages, each chosen among those whom the pages before have left."""
    slots: list[Slot] = []
    for page in ranking.deal(people, scores, PAGE, dice, weights):
        slots += map(Slot, people.ids[page.rows].tolist(), page.kinds.tolist(), page.propensity.tolist())
        if len(slots) >= count:
            break
    return slots


def in_week(weeks: Floats, running: Floats, before: Floats, now: int) -> Floats:
    """Counts of the last seven days: the running week's, and of the week before the part that is not over.

    The clock may have gone back by less than a week; of a week that is farther ahead it was wrong.
    """
    week, spent = divmod(now, WEEK)
    rest = 1 - spent / WEEK
    runs = (weeks == week) | (weeks == week + 1)
    return np.where(runs, running + before * rest, np.where(weeks == week - 1, running * rest, 0.0))
