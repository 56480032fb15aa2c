"""The SQL of the fairness page: sums of the last whole week, as the standings have it. Weeks are seven days from 1970-01-01."""

import msgspec

from dating.database import Transaction
from dating.matching.standing_queries import WEEK

NAME = "fairness"


def last_week(name: str) -> str:
    """A count of the last whole week."""
    return f"CASE WHEN s.week = :week THEN s.{name}_before WHEN s.week = :week - 1 THEN s.{name} ELSE 0 END"


# Who came during that week or after it would count as hardly ever shown.
ACTIVE = """
p.discoverable AND p.recency >= :since AND EXISTS (SELECT 1 FROM people n WHERE n.id = p.user_id)
    AND EXISTS (SELECT 1 FROM users u WHERE u.id = p.user_id AND u.created_at < :began)
"""
SHOWN = f"""
SELECT t.amount, COUNT(*) AS people FROM (
    SELECT COALESCE({last_week("shown")}, 0) AS amount
    FROM profiles p LEFT JOIN standings s ON s.user_id = p.user_id WHERE {ACTIVE}
) t GROUP BY t.amount ORDER BY t.amount
"""
UNANSWERED = f"""
SELECT t.amount, COUNT(*) AS people FROM (
    SELECT COALESCE(s.unanswered, 0) AS amount
    FROM profiles p LEFT JOIN standings s ON s.user_id = p.user_id WHERE {ACTIVE}
) t GROUP BY t.amount ORDER BY t.amount
"""
MATCHES = f"""
SELECT t.gender, t.band, t.amount, COUNT(*) AS people FROM (
    SELECT p.gender, COALESCE({last_week("matches")}, 0) AS amount,
           CASE WHEN p.born IS NULL THEN 0 WHEN p.born > :born_25 THEN 18 WHEN p.born > :born_35 THEN 25
                WHEN p.born > :born_50 THEN 35 ELSE 50 END AS band
    FROM profiles p LEFT JOIN standings s ON s.user_id = p.user_id WHERE {ACTIVE}
) t GROUP BY t.gender, t.band, t.amount ORDER BY t.gender, t.band, t.amount
"""
FIND = "SELECT made_at, body FROM statistics WHERE name = :name"
KEEP = """
INSERT INTO statistics (name, made_at, body) VALUES (:name, :now, :body)
ON CONFLICT (name) DO UPDATE SET made_at = excluded.made_at, body = excluded.body
"""
SHOWN_TO = "SELECT COUNT(DISTINCT viewer_id) FROM exposures WHERE shown_id = :me_id AND day > :before"


class Amount(msgspec.Struct, frozen=True):
    """So many people have this amount."""

    amount: int
    people: int


class GroupAmount(msgspec.Struct, frozen=True):
    """The same, of a gender (a bit) and an age (the least of the band; 0: not said)."""

    gender: int
    band: int
    amount: int
    people: int


class Made(msgspec.Struct, frozen=True):
    """A statistic as it was made."""

    made_at: int
    body: str


async def shown(tx: Transaction, week: int, since: int) -> list[Amount]:
    """How often people were shown in the week before `week`."""
    return await tx.all(Amount, SHOWN, week=week, since=since, began=begin(week))


async def unanswered(tx: Transaction, week: int, since: int) -> list[Amount]:
    """How many likes await people's answers."""
    return await tx.all(Amount, UNANSWERED, since=since, began=begin(week))


async def matches(tx: Transaction, week: int, since: int, births: dict[str, int]) -> list[GroupAmount]:
    """How many matches people made in the week before, by group; `births` are the days of birth that part the ages."""
    return await tx.all(GroupAmount, MATCHES, week=week, since=since, began=begin(week), **births)


def begin(week: int) -> int:
    """When the week before began."""
    return (week - 1) * WEEK


async def find(tx: Transaction) -> Made | None:
    """The page as it was made last."""
    return await tx.one(Made, FIND, name=NAME)


async def keep(tx: Transaction, body: str) -> None:
    """The page as it is now."""
    await tx.run(KEEP, name=NAME, now=tx.now, body=body)


async def shown_to(tx: Transaction, me_id: int, before: int) -> int:
    """To how many people I was shown after a day."""
    return await tx.one(int, SHOWN_TO, me_id=me_id, before=before) or 0
