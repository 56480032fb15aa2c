"""What a policy would have brought, from the slots that were filled by chance.

Among those slots everybody had a known chance to be shown, so people whom a policy prefers can be given the weight that the
policy would have given them: inverse propensity, normalized within each viewer's slots. The log is walked through in the order of
time, and a policy judges each slot by what was known before it; learning goes on as on the server.

A policy here prefers each person in proportion to exp(sharpness · score): the true one takes the best of hundreds, and a viewer
has only some slots by chance, so differences come out smaller than they are. Trust the order. And likes are the wrong target:
popularity wins them and makes few matches.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence

import msgspec
import numpy as np

from dating.matching.ranking import DEFAULT, PRIOR, People, Viewer, Weights, expect, learn, log_sigmoid, pace, score
from dating.simulation.exposures import DAY, Impression

WEEK = 7 * DAY
FEWEST = 3  # slots by chance that a viewer must have had
RESAMPLES = 500
PLAIN = Weights(fairness=0.0, serve=1e6, room=1e6, optimism=0.0)
POLICIES = ("random", "popularity", "one-sided", "reciprocal", "ours")


class Recent:
    """How often something happened in the last seven days."""

    def __init__(self) -> None:
        self.times: deque[int] = deque()

    def add(self, at: int) -> None:
        self.times.append(at)

    def count(self, at: int) -> int:
        while self.times and self.times[0] <= at - WEEK:
            self.times.popleft()
        return len(self.times)


class Person:
    """What the log has told of somebody so far."""

    def __init__(self, at: int) -> None:
        self.since = at
        self.choosiness, self.choosiness_precision = 0.0, PRIOR
        self.appeal, self.appeal_precision = 0.0, PRIOR
        self.shown, self.swiped, self.matched = Recent(), Recent(), Recent()
        self.liked = self.seen = 0
        self.waiting: set[int] = set()

    def pace(self, at: int) -> float:
        """Swipes a day."""
        return float(pace(np.array([self.swiped.count(at)]), np.array([(at - self.since) / DAY]))[0])


class Slot(msgspec.Struct, frozen=True):
    """One slot by chance: what each policy thought of it, its weight against chance, and what came of it."""

    viewer: int
    scores: tuple[float, ...]
    weight: float
    liked: bool
    matched: bool


class Estimate(msgspec.Struct, frozen=True):
    """Matches and likes for 100 people shown; 95 % interval of the matches over viewers; `sample` is the effective size."""

    policy: str
    matches: float
    low: float
    high: float
    likes: float
    sample: float


def look_back(log: Sequence[Impression], weights: Weights = DEFAULT) -> list[Slot]:
    """Walk through the log, in the order of time; every slot by chance with the scores as of then."""
    likes = {(one.viewer, one.shown) for one in log if one.liked}
    people: dict[int, Person] = {}
    acted: set[tuple[int, int]] = set()
    slots = []
    for one in log:
        viewer, shown = (people.setdefault(person, Person(one.at)) for person in (one.viewer, one.shown))
        if one.propensity < 1:
            matched = (one.viewer, one.shown) in likes and (one.shown, one.viewer) in likes
            scores = judge(one, viewer, shown, weights)
            slots.append(Slot(one.viewer, scores, 1 / one.propensity, bool(one.liked), matched))
        shown.shown.add(one.at)
        if one.liked is not None and (one.viewer, one.shown) not in acted:
            acted.add((one.viewer, one.shown))
            swipe(one, viewer, shown, (one.shown, one.viewer) in acted, weights)
    return slots


def swipe(one: Impression, viewer: Person, shown: Person, answered: bool, weights: Weights) -> None:
    """Let a swipe count and teach."""
    liked = bool(one.liked)
    odds = expect(Viewer(one.viewer_gender, viewer.choosiness), Viewer(one.shown_gender, appeal=shown.appeal), weights=weights)
    lesson = learn(liked, odds, viewer.choosiness_precision, shown.appeal_precision)
    viewer.choosiness += lesson.choosiness
    viewer.choosiness_precision += lesson.choosiness_precision
    shown.appeal += lesson.appeal
    shown.appeal_precision += lesson.appeal_precision
    viewer.swiped.add(one.at)
    shown.seen += 1
    shown.liked += liked
    if liked and one.shown in viewer.waiting:
        viewer.matched.add(one.at)
        shown.matched.add(one.at)
    viewer.waiting.discard(one.shown)
    if liked and not answered:
        shown.waiting.add(one.viewer)


def judge(one: Impression, viewer: Person, shown: Person, weights: Weights) -> tuple[float, ...]:
    """The score of the shown by each policy, in the order of `POLICIES`, as logarithms of what they multiply."""
    people = People(
        ids=np.array([one.shown]),
        gender=np.array([one.shown_gender]),
        choosiness=np.array([shown.choosiness]),
        appeal=np.array([shown.appeal]),
        appeal_precision=np.array([shown.appeal_precision]),
        shown=np.array([shown.shown.count(one.at)]),
        swipes_per_day=np.array([shown.pace(one.at)]),
        unanswered=np.array([len(shown.waiting)]),
        matches=np.array([shown.matched.count(one.at)]),
        likes_viewer=np.array([one.shown in viewer.waiting]),
        mean_shown=20.0,
    )
    me = Viewer(one.viewer_gender, viewer.choosiness, viewer.appeal)
    mine = expect(me, Viewer(one.shown_gender, appeal=shown.appeal), weights=weights)
    return (
        0.0,
        float(np.log((shown.liked + 1) / (shown.seen + 4))),
        float(log_sigmoid(np.array(mine))),
        float(score(me, people, PLAIN)[0]),
        float(score(me, people, weights)[0]),
    )


def estimate(slots: Sequence[Slot], sharpness: float, dice: np.random.Generator) -> list[Estimate]:
    """What each policy would have brought; nothing if no viewer had enough slots by chance."""
    by_viewer: dict[int, list[Slot]] = defaultdict(list)
    for slot in slots:
        by_viewer[slot.viewer].append(slot)
    groups = [group for group in by_viewer.values() if len(group) >= FEWEST]
    if not groups:
        return []
    return [estimate_one(number, name, groups, sharpness, dice) for number, name in enumerate(POLICIES)]


def estimate_one(
    number: int, name: str, groups: Iterable[Sequence[Slot]], sharpness: float, dice: np.random.Generator
) -> Estimate:
    """One policy: each viewer's slots by their normalized weights, viewers by how many slots they had."""
    sizes, matches, likes, sample = [], [], [], 0.0
    for group in groups:
        scores = np.array([slot.scores[number] for slot in group])
        weight = np.exp(sharpness * (scores - scores.max())) * [slot.weight for slot in group]
        weight /= weight.sum()
        sizes.append(len(group))
        matches.append(float(weight @ [slot.matched for slot in group]))
        likes.append(float(weight @ [slot.liked for slot in group]))
        sample += 1 / float(weight @ weight)
    size, matched = np.array(sizes, float), np.array(matches)
    drawn = dice.integers(len(size), size=(RESAMPLES, len(size)))
    low, high = np.percentile((size * matched)[drawn].sum(axis=1) / size[drawn].sum(axis=1), [2.5, 97.5])
    return Estimate(
        policy=name,
        matches=100 * float(size @ matched / size.sum()),
        low=100 * float(low),
        high=100 * float(high),
        likes=100 * float(size @ np.array(likes) / size.sum()),
        sample=sample,
    )
