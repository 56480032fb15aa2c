"""What a swipe teaches the ranking, in the swipe's own transaction: both are written or neither.

The viewer's choosiness and the shown person's appeal take one step each (`ranking.learn`); the counts of the week and the likes
that await an answer follow. Taking a swipe back takes its step back, and so does a change of mind before it takes its own. After
a day a step is for good.
"""

from functools import lru_cache

import msgspec

from dating.database import Transaction
from dating.matching import standing_queries as queries
from dating.matching.models import Action, Changed, TakenBack
from dating.matching.ranking import Viewer, Weights, expect, learn
from dating.matching.standing_queries import Change, Subject, Taught

DAYS_PER_YEAR = 365.25
RANKING_GENDERS = (8, 2, 1, 8, 4, 8, 8, 8, 8)
"""The gender's bit that the ranking knows, by the bit in a profile."""


async def learn_swipe(tx: Transaction, me_id: int, other_id: int, action: Action, changed: Changed, weights: Weights) -> None:
    """After a swipe that changed my opinion."""
    matched = changed.matched_at is not None
    old = await queries.take_lesson(tx, me_id, other_id) if changed.before in ("like", "superlike", "dislike") else None
    taught = await teach(tx, me_id, other_id, action != "dislike", weights)
    await queries.keep_lesson(tx, me_id, other_id, taught)
    mine, other = count_unanswered(changed.before, action, changed.theirs)
    step = add(taught, old)
    await queries.change(
        tx,
        {
            me_id: Change(
                choosiness=step.choosiness,
                choosiness_precision=step.information,
                unanswered=mine,
                swipes=1,
                matches=int(matched),
            ),
            other_id: Change(appeal=step.appeal, appeal_precision=step.information, unanswered=other, matches=int(matched)),
        },
    )


async def unlearn_swipe(tx: Transaction, me_id: int, other_id: int, before: str | None, taken: TakenBack) -> None:
    """After my swipe was taken back. That I was there and swiped stays counted."""
    old = await queries.take_lesson(tx, me_id, other_id)
    step = add(Taught(), old)
    mine, other = count_unanswered(before, taken.action, taken.theirs)
    await queries.change(
        tx,
        {
            me_id: Change(choosiness=step.choosiness, choosiness_precision=step.information, unanswered=mine),
            other_id: Change(appeal=step.appeal, appeal_precision=step.information, unanswered=other),
        },
    )


async def teach(tx: Transaction, me_id: int, other_id: int, liked: bool, weights: Weights) -> Taught:
    """What this swipe teaches; nothing where a profile is missing."""
    subject = await queries.subject(tx, me_id, other_id)
    if subject is None:
        return Taught()
    viewer = Viewer(RANKING_GENDERS[subject.my_gender], subject.choosiness)
    shown = Viewer(RANKING_GENDERS[subject.their_gender], appeal=subject.appeal)
    odds = expect(viewer, shown, compare(subject), weights)
    lesson = learn(liked, odds, subject.choosiness_precision, subject.appeal_precision)
    return Taught(lesson.choosiness, lesson.appeal, lesson.appeal_precision)


def compare(subject: Subject) -> dict[str, float]:
    """The features of the pair."""
    shared = fold(subject.my_interests) & fold(subject.their_interests)
    features = {"shared_interests": float(len(shared))}
    if subject.my_born is not None and subject.their_born is not None:
        features["age_gap"] = abs(subject.my_born - subject.their_born) / DAYS_PER_YEAR
    return features


@lru_cache(10_000)
def fold(interests: str) -> frozenset[str]:
    """A column of interests without regard to capitals."""
    return frozenset(topic.casefold() for topic in msgspec.json.decode(interests, type=list[str]))


def add(taught: Taught, old: Taught | None) -> Taught:
    """A new step without the old one."""
    if old is None:
        return taught
    return Taught(taught.choosiness - old.choosiness, taught.appeal - old.appeal, taught.information - old.information)


def count_unanswered(before: str | None, after: str | None, theirs: str | None) -> tuple[int, int]:
    """By how much the likes that await me, and those that await the other, change with my opinion."""
    mine = int(after is None) - int(before is None) if is_like(theirs) else 0
    other = int(is_like(after)) - int(is_like(before)) if theirs is None else 0
    return mine, other


def is_like(action: str | None) -> bool:
    """Whether an opinion awaits an answer."""
    return action in ("like", "superlike")
