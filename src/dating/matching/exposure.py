"""Who was shown to whom: the ledger by which exposure is shared out fairly, and the budget that ends scraping.

A person counts once a day for each viewer, however many pages show them; a repeated request changes nothing. Rows are kept for
`KEPT_DAYS`. A budget is a number of different people in an hour or a day (UTC) for each account.
"""

from typing import NamedTuple

import msgspec

from dating.clock import DAY, SECOND
from dating.database import Database, Transaction
from dating.errors import Throttled
from dating.matching import exposure_queries as queries
from dating.matching import standing_queries
from dating.matching.exposure_queries import HOUR
from dating.matching.ranking import Kind
from dating.settings import Settings

KEPT_DAYS = 30


class RevealsUsedUp(Throttled):
    """429: this account has been shown as many different people as one account may be."""

    code = "reveals_used_up"
    detail = "You have looked at very many people; go on later."


class Budget(msgspec.Struct, frozen=True):
    """How many different people one account is shown; 0 means no limit."""

    per_hour: int = 0
    per_day: int = 0


UNLIMITED = Budget()


class Slot(NamedTuple):
    """Somebody on a page, why they are there, and the chance of it where it was chance (else 1)."""

    user_id: int
    kind: int = Kind.RANKED
    propensity: float = 1.0


def read_budget(settings: Settings) -> Budget:
    """What is in force."""
    return Budget(settings.reveals_per_hour, settings.reveals_per_day) if settings.rate_limits else UNLIMITED


async def record(tx: Transaction, me_id: int, slots: list[Slot], deck_at: int, budget: Budget) -> int:
    """Write down a page that is about to be answered; `deck_at` 0 for plain lists. For how many of its people that was news.

    Raises RevealsUsedUp.
    """
    news = await queries.record(tx, me_id, slots, deck_at)
    if not news:
        return 0
    spent = await queries.spend(tx, me_id, sum(row.times == 1 for row in news))
    if budget.per_day and spent.in_day > budget.per_day:
        raise RevealsUsedUp(retry_after=until_next(tx.now, DAY))
    if budget.per_hour and spent.in_hour > budget.per_hour:
        raise RevealsUsedUp(retry_after=until_next(tx.now, HOUR))
    await standing_queries.count_shown(tx, [row.shown_id for row in news])
    return len(news)


async def sweep(db: Database) -> None:
    """Drop what is older than the ledger goes back, a part at a time."""
    while await db.write(queries.forget, db.clock() // DAY - KEPT_DAYS):
        pass


def until_next(now: int, unit: int) -> int:
    """Whole seconds until the next day or hour begins."""
    return (unit - now % unit) // SECOND + 1
