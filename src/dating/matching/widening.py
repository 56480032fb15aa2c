"""What somebody asks of the recommended order, and how far it is widened where too few fit, in named steps (`STEPS`).

Neither dealbreakers, nor what the question itself says, nor any rule of theirs is widened.
"""

from functools import cached_property
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from dating.matching import candidates
from dating.matching.candidate_queries import Trait
from dating.matching.candidates import Hunt, Search
from dating.matching.reasons import Widened
from dating.profiles.ages import ADULT, OLDEST
from dating.profiles.models import Profile
from dating.profiles.service import DEALBREAKERS

YEARS = 3


class Step(NamedTuple):
    """How far my own rules are widened: the radius by a factor, the ages by years."""

    names: tuple[Widened, ...] = ()
    factor: float = 1.0
    years: int = 0


STEPS = (
    Step(),
    Step(("distance",), 1.5),
    Step(("distance",), 3.0),
    Step(("age",), years=YEARS),
    Step(("distance", "age"), 3.0, YEARS),
)


class Question:
    """What somebody asks, from whom it comes to how far it is widened; the steps are made ready when they are looked at."""

    def __init__(self, me: Profile, wish: Search, now: int) -> None:
        """Raises HalfPlace, ReversedAges."""
        self.me, self.wish, self.now = me, wish, now
        self.first = candidates.prepare(me, wish, now)

    @cached_property
    def spelled(self) -> bytes:
        """The question as a text: every rule, and from where."""
        return msgspec.json.encode([self.first.cell, self.first.rules])

    def at(self, step: int) -> Hunt | None:
        """The question at a step; None where that would ask the same again."""
        return self.first if step == 0 else self.hunts[step]

    @cached_property
    def widest(self) -> Hunt:
        """The question at the last step, which everybody fits who fits any."""
        return self._widen(STEPS[-1])

    @cached_property
    def hunts(self) -> list[Hunt | None]:
        """The question at each step."""
        hunts: list[Hunt | None] = [self.first]
        for step in STEPS[1:]:
            hunt = self._widen(step)
            asked = any(known is not None and known.rules == hunt.rules for known in hunts)
            hunts.append(None if asked else hunt)
        return hunts

    def _widen(self, step: Step) -> Hunt:
        hunt = candidates.prepare(widen(self.me, step), self.wish, self.now)
        # Who has not said their age fits no wider rule about it either.
        return replace(hunt, rules=hunt.rules | {"any_age": self.first.rules["any_age"]})

    def place(self, person: Trait) -> int | None:
        """The first step at which somebody is within my own ages and distance, if they are at any."""
        return next((step for step, hunt in enumerate(self.hunts) if hunt is not None and is_within(hunt, person)), None)


def widen(me: Profile, step: Step) -> Profile:
    """Me with my own rules widened, except for my dealbreakers and what is no rule."""
    least, most, radius = me.min_age, me.max_age, me.max_distance_km
    if not me.dealbreakers & DEALBREAKERS["age"]:
        least, most = max(ADULT, least - step.years), min(OLDEST, most + step.years)
    if radius is not None and not me.dealbreakers & DEALBREAKERS["distance"]:
        radius = min(40_000, round(radius * step.factor))
    return replace(me, min_age=least, max_age=most, max_distance_km=radius)


def is_within(hunt: Hunt, person: Trait) -> bool:
    """Whether somebody has an age and a place that I look for; as the SQL says it."""
    rules = hunt.rules
    born, reach = person.born, rules["reach"]
    aged = rules["any_age"] or (born is not None and rules["born_from"] <= born <= rules["born_to"])  # type: ignore[operator]  # days
    if reach is None or not aged:
        return bool(aged)
    if person.x is None or person.y is None or person.z is None or rules["x"] is None:
        return False
    return person.x * rules["x"] + person.y * rules["y"] + person.z * rules["z"] >= reach  # type: ignore[operator]  # numbers
