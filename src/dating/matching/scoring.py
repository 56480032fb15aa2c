"""From the rows of candidates to the arrays of `ranking`, and from its pages to slots."""

from typing import Any

import numpy as np

from dating.clock import DAY
from dating.database import Transaction
from dating.matching import deck_queries as queries
from dating.matching import ranking
from dating.matching.deck_queries import Facts
from dating.matching.exposure import Slot
from dating.matching.exposure_queries import HOUR
from dating.matching.learning import DAYS_PER_YEAR, RANKING_GENDERS, fold
from dating.matching.ranking import Floats, Indexes, People, Viewer, Weights, choose, score
from dating.matching.standing_queries import WEEK

PAGE = 20  # slots that share out chance and newcomers


async def rank(
    tx: Transaction, me_id: int, ids: list[int], likers: set[int], count: int, seed: list[int], weights: Weights
) -> list[Slot]:
    """The first `count` of these people, best first, page by page with the slots that are left to chance and to newcomers."""
    people, scores = await assess(tx, me_id, ids, likers, weights)
    return deal(people, scores, count, np.random.default_rng(seed), weights)


async def sort(tx: Transaction, me_id: int, ids: list[int], likers: set[int], weights: Weights) -> list[int]:
    """These people by their score alone, best first."""
    people, scores = await assess(tx, me_id, ids, likers, weights)
    best: list[int] = people.ids[ranking.sort(people, scores)].tolist()
    return best


async def assess(tx: Transaction, me_id: int, ids: list[int], likers: set[int], weights: Weights) -> tuple[People, Floats]:
    """These people as columns, with their scores; nobody for a viewer without a profile."""
    known = {row.user_id: row for row in await queries.facts(tx, [me_id, *ids])}
    me = known.pop(me_id, None)
    rows = [known[user_id] for user_id in sorted(known)]
    if me is None or not rows:
        return People(np.zeros(0, np.int64)), np.zeros(0)
    people = describe(me, rows, likers, tx.now)
    return people, score(Viewer(RANKING_GENDERS[me.gender], me.choosiness, me.appeal), people, weights)


def deal(people: People, scores: Floats, count: int, dice: np.random.Generator, weights: Weights) -> list[Slot]:
    """Pages, each chosen among those whom the pages before have left."""
    slots: list[Slot] = []
    left = np.arange(len(people.ids))
    while len(left) and len(slots) < count:
        among = keep(people, left)
        page = choose(among, scores[left], PAGE, dice, weights)
        entries = zip(among.ids[page.rows], page.kinds, page.propensity, strict=True)
        slots += [Slot(int(user_id), int(kind), float(propensity)) for user_id, kind, propensity in entries]
        left = np.delete(left, page.rows)
    return slots


def keep(people: People, rows: Indexes) -> People:
    """Some of the people."""
    columns: dict[str, Any] = {name: value[rows] for name, value in people._asdict().items() if isinstance(value, np.ndarray)}
    return people._replace(**columns, features={name: column[rows] for name, column in people.features.items()})


def describe(me: Facts, rows: list[Facts], likers: set[int], now: int) -> People:
    """The columns of the candidates as they stand at this moment."""
    joined = np.array([max(0, now - row.created_at) for row in rows], float)
    days = np.clip(joined / DAY, 1, 7)
    return People(
        ids=np.array([row.user_id for row in rows], np.int64),
        gender=np.array([RANKING_GENDERS[row.gender] for row in rows]),
        choosiness=np.array([row.choosiness for row in rows]),
        appeal=np.array([row.appeal for row in rows]),
        appeal_precision=np.array([row.appeal_precision for row in rows]),
        shown=np.array([in_week(row, row.shown, row.shown_before, now) for row in rows]),
        ever_shown=np.array([row.ever_shown for row in rows]),
        joined_hours=joined / HOUR,
        swipes_per_day=np.array([in_week(row, row.swipes, row.swipes_before, now) for row in rows]) / days,
        unanswered=np.array([row.unanswered for row in rows]),
        matches=np.array([in_week(row, row.matches, row.matches_before, now) for row in rows]),
        likes_viewer=np.array([row.user_id in likers for row in rows]),
        features={"shared_interests": count_shared(me, rows), "age_gap": measure_ages(me, rows)},
    )


def in_week(row: Facts, running: int, before: int, now: int) -> float:
    """A count of the last seven days: the running week's, and of the week before the part that is not over."""
    week, spent = divmod(now, WEEK)
    rest = 1 - spent / WEEK
    if row.week >= week:
        return running + before * rest
    return running * rest if row.week == week - 1 else 0.0


def count_shared(me: Facts, rows: list[Facts]) -> Floats:
    """How many interests each shares with me."""
    mine = fold(me.interests)
    if not mine:
        return np.zeros(len(rows))
    return np.array([0.0 if row.interests == "[]" else float(len(mine & fold(row.interests))) for row in rows])


def measure_ages(me: Facts, rows: list[Facts]) -> Floats:
    """Years between each and me; not a number where one of us has not said."""
    born = np.array([np.nan if row.born is None else row.born for row in rows], float)
    mine = np.nan if me.born is None else me.born
    gaps: Floats = np.abs(born - mine) / DAYS_PER_YEAR
    return gaps
