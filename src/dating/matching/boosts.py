"""Boosts: for a while somebody has a chance of a few slots that are kept for the boosted, and no more than that.

* A boost never enters the score. Whom a viewer sees of the boosted is decided by the same score as ever, among those of them who
  pass every rule both ways; nobody is shown to whom they would not be shown anyway.
* Of `every` cards at most one is there by a boost, and its card says so.
* A boost ends after its time, or after so many `impressions`, whichever is first. Each is counted in the transaction that writes
  it down, so the number is never passed, and counts against being shown again like any other impression.
"""

import msgspec

from dating.clock import SECOND, rfc3339
from dating.database import Transaction
from dating.errors import Conflict
from dating.matching import boost_queries as queries
from dating.matching import exposure_queries, scoring
from dating.matching.candidates import Hunt
from dating.matching.exposure import Slot
from dating.matching.limits import Limits, spend
from dating.matching.models import Boost
from dating.matching.ranking import Kind, Weights
from dating.profiles import service as profiles
from dating.profiles.models import Profile
from dating.settings import Settings

MINUTE = 60 * SECOND
AT_ONCE = 60  # boosted people of whom the best are chosen


class BoostRunning(Conflict):
    """409: I am boosted already."""

    code = "boost_running"
    detail = "You are boosted already."


class Boosting(msgspec.Struct, frozen=True):
    """What a boost is: for how long, for how many impressions at most, and on which share of the cards (one of `every`)."""

    minutes: int = 30
    impressions: int = 50
    every: int = 10


STANDARD = Boosting()


def read_boosting(settings: Settings) -> Boosting:
    """What is in force."""
    return Boosting(settings.boost_minutes, settings.boost_impressions, settings.boost_every)


async def start(tx: Transaction, me_id: int, boosting: Boosting, limits: Limits) -> Boost:
    """Boost me from now on. Raises NoSuchPerson (without a profile), BoostRunning, BoostsUsedUp."""
    await profiles.require_profile(tx, me_id)
    ends_at = tx.now + boosting.minutes * MINUTE
    if not await queries.start(tx, me_id, ends_at):
        raise BoostRunning
    await spend(tx, me_id, "boost", limits.boost)
    return Boost(rfc3339(ends_at), boosting.impressions)


async def choose(
    tx: Transaction, me: Profile, hunt: Hunt, known: set[int], count: int, weights: Weights, boosting: Boosting
) -> list[Slot]:
    """At most `count` of the boosted who fit and are not `known`, the best first."""
    found = await queries.boosted(tx, boosting.impressions, hunt.seeks, AT_ONCE + len(known), hunt.rules)
    fresh = {user_id: likes_me for user_id, likes_me in found.items() if user_id not in known}
    if not fresh:
        return []
    likers = {user_id for user_id, likes_me in fresh.items() if likes_me}
    ids = await scoring.sort(tx, me, list(fresh), likers, weights)
    return [Slot(user_id, Kind.BOOSTED) for user_id in ids[:count]]


async def refuse(tx: Transaction, me_id: int, slots: list[Slot], deck_at: int, most: int) -> set[int]:
    """Count the boosted of a page that is about to be answered; those whose boost has nothing left, who must not be on it.

    Whoever was on a page of the session is counted already.
    """
    ids = {slot.user_id for slot in slots if slot.kind == Kind.BOOSTED}
    if not ids:
        return set()
    fresh = sorted(ids.difference(await exposure_queries.shown(tx, me_id, deck_at)))
    return {user_id for user_id in fresh if not await queries.claim(tx, user_id, most)}
