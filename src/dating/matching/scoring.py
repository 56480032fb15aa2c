"""From the rows of candidates to the arrays of `ranking`, and from its pages to slots."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from dating.clock import DAY
from dating.database import Transaction
from dating.matching import deck_queries as queries
from dating.matching import ranking
from dating.matching.deck_queries import Facts
from dating.matching.exposure import Slot
from dating.matching.exposure_queries import HOUR
from dating.matching.learning import DAYS_PER_YEAR, RANKING_GENDERS, fold
from dating.matching.ranking import Floats, People, Viewer, Weights, pace, score
from dating.matching.standing_queries import WEEK

GENDERS = np.array(RANKING_GENDERS)
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
    facts = await queries.facts(tx, [me_id, *ids])
    known: tuple[int, ...] = facts.get("user_id", ())
    if me_id not in known or len(known) == 1:
        return People(np.zeros(0, np.int64)), np.zeros(0)
    me = known.index(me_id)
    people = describe(facts, me, likers, tx.now)
    viewer = Viewer(RANKING_GENDERS[facts["gender"][me]], facts["choosiness"][me], facts["appeal"][me])
    return people, score(viewer, people, weights)


def deal(people: People, scores: Floats, count: int, dice: np.random.Generator, weights: Weights) -> list[Slot]:
    """Pages, each chosen among those whom the pages before have left."""
    slots: list[Slot] = []
    for page in ranking.deal(people, scores, PAGE, dice, weights):
        slots += map(Slot, people.ids[page.rows].tolist(), page.kinds.tolist(), page.propensity.tolist())
        if len(slots) >= count:
            break
    return slots


def describe(facts: Facts, me: int, likers: set[int], now: int) -> People:
    """The columns of everybody but the viewer, who is in row `me`, as they stand at this moment."""

    def column(name: str) -> NDArray[Any]:
        return np.delete(np.array(facts[name], float), me)

    joined = np.maximum(0, now - column("created_at"))
    ids = np.delete(np.array(facts["user_id"], np.int64), me)
    week = column("week")
    return People(
        ids=ids,
        gender=np.delete(GENDERS[np.array(facts["gender"])], me),
        choosiness=column("choosiness"),
        appeal=column("appeal"),
        appeal_precision=column("appeal_precision"),
        shown=in_week(week, column("shown"), column("shown_before"), now),
        ever_shown=column("ever_shown"),
        joined_hours=joined / HOUR,
        swipes_per_day=pace(in_week(week, column("swipes"), column("swipes_before"), now), joined / DAY),
        unanswered=column("unanswered"),
        matches=in_week(week, column("matches"), column("matches_before"), now),
        likes_viewer=np.isin(ids, list(likers)),
        features={
            "shared_interests": np.delete(count_shared(facts["interests"], me), me),
            "age_gap": np.abs(column("born") - np.array(facts["born"], float)[me]) / DAYS_PER_YEAR,
        },
    )


def in_week(weeks: Floats, running: Floats, before: Floats, now: int) -> Floats:
    """Counts of the last seven days: the running week's, and of the week before the part that is not over.

    The clock may have gone back by less than a week; of a week that is farther ahead it was wrong.
    """
    week, spent = divmod(now, WEEK)
    rest = 1 - spent / WEEK
    runs = (weeks == week) | (weeks == week + 1)
    return np.where(runs, running + before * rest, np.where(weeks == week - 1, running * rest, 0.0))


def count_shared(interests: tuple[str, ...], me: int) -> Floats:
    """How many interests each shares with me."""
    mine = fold(interests[me])
    if not mine:
        return np.zeros(len(interests))
    return np.array([float(len(mine & fold(topics))) for topics in interests])
