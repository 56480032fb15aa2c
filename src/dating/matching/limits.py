"""What is limited by the day (UTC): likes, superlikes, rewinds, boosts.

What is spent stays spent, even if the swipe is taken back; a repeat that changes nothing costs nothing. Every answer to a swipe,
an undo or a boost, and every list of people to swipe, says in the header `RateLimit` what is left, in the words of
draft-ietf-httpapi-ratelimit-headers: `"likes";r=17;t=3600`.
"""

from typing import ClassVar

import msgspec

from dating.clock import DAY, SECOND, rfc3339
from dating.database import Database, Transaction
from dating.errors import Problem, Throttled
from dating.matching import limit_queries as queries
from dating.matching.models import Action, Allowance, Allowances
from dating.settings import Settings


class Limits(msgspec.Struct, frozen=True):
    """How many of each a person may spend a day; 0 means no limit."""

    like: int = 0
    superlike: int = 0
    rewind: int = 0
    boost: int = 0


def read_limits(settings: Settings) -> Limits:
    """What is in force."""
    return Limits(settings.likes_per_day, settings.superlikes_per_day, settings.rewinds_per_day, settings.boosts_per_day)


class UsedUpProblem(Problem, frozen=True):
    """How many are left today: none."""

    left: int = 0


class UsedUp(Throttled):
    """429: what is limited by the day is used up; there is more at midnight UTC."""

    code = "used_up"
    detail = "There is nothing left of this today."
    noun: ClassVar[str] = ""

    def problem(self) -> bytes:
        return msgspec.json.encode(UsedUpProblem("about:blank", self.title, self.status, self.detail, self.code))


class LikesUsedUp(UsedUp):
    """429: today's likes are used up."""

    code = "likes_used_up"
    detail = "You have no likes left today."
    noun = "likes"


class SuperlikesUsedUp(UsedUp):
    """429: today's superlikes are used up; a like is still possible."""

    code = "superlikes_used_up"
    detail = "You have no superlikes left today."
    noun = "superlikes"


class RewindsUsedUp(UsedUp):
    """429: today's rewinds are used up."""

    code = "rewinds_used_up"
    detail = "You cannot take back another swipe today."
    noun = "rewinds"


class BoostsUsedUp(UsedUp):
    """429: today's boosts are used up."""

    code = "boosts_used_up"
    detail = "You have no boosts left today."
    noun = "boosts"


USED_UP: dict[str, type[UsedUp]] = {
    "like": LikesUsedUp,
    "superlike": SuperlikesUsedUp,
    "rewind": RewindsUsedUp,
    "boost": BoostsUsedUp,
}


async def spend(tx: Transaction, me_id: int, kind: str, per_day: int) -> None:
    """Count one more of a kind. Raises its UsedUp, with the seconds until midnight UTC."""
    if per_day and not await queries.spend(tx, me_id, kind, tx.now // DAY, per_day):
        refusal = USED_UP[kind]
        raise refusal(f"All {per_day} {refusal.noun} of today are used; 0 are left.", retry_after=until_midnight(tx.now))


def costs(action: Action, limits: Limits) -> bool:
    """Whether a swipe may take something from what is left."""
    return action != "dislike" and bool(limits.like or (action == "superlike" and limits.superlike))


async def allowances(tx: Transaction, me_id: int, limits: Limits) -> Allowances:
    """What I have left today."""
    used = await read_used(tx, me_id)
    rows = {refusal.noun: allow(getattr(limits, kind), used.get(kind, 0)) for kind, refusal in USED_UP.items()}
    midnight = rfc3339((tx.now // DAY + 1) * DAY)
    return Allowances(**rows, resets_at=midnight)


async def read_used(tx: Transaction, me_id: int) -> dict[str, int]:
    """How many of each kind I have used today."""
    return await queries.used(tx, me_id, tx.now // DAY)


def allow(per_day: int, used: int) -> Allowance:
    """What is left of so many a day; no limit where that is 0."""
    return Allowance(per_day, max(0, per_day - used)) if per_day else Allowance(None, None)


async def name_left(db: Database, me_id: int, limits: Limits) -> dict[str, str]:
    """The header that says what I have left; none where nothing is limited."""
    if limits == Limits():
        return {}
    return describe_left(await db.read(read_used, me_id), limits, db.clock())


def describe_left(used: dict[str, int], limits: Limits, now: int) -> dict[str, str]:
    """The same of what I have used today."""
    allowed = {refusal.noun: (getattr(limits, kind), used.get(kind, 0)) for kind, refusal in USED_UP.items()}
    seconds = until_midnight(now)
    left = [f'"{noun}";r={max(0, most - count)};t={seconds}' for noun, (most, count) in allowed.items() if most]
    return {"RateLimit": ", ".join(left)} if left else {}


def until_midnight(now: int) -> int:
    """Whole seconds, rounded up, until the next day begins."""
    return (DAY - now % DAY) // SECOND + 1
