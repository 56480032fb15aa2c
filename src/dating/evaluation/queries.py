"""The SQL that reads the exposure log of a server."""

import msgspec

from dating.database import Database, Transaction
from dating.simulation.exposures import Impression

EXPOSED_DAYS = "SELECT DISTINCT day FROM exposures ORDER BY day"
# A match that was ended was one: both had said yes.
EXPOSED = """
SELECT e.shown_at AS at, e.viewer_id AS viewer, v.gender AS viewer_gender, e.shown_id AS shown, s.gender AS shown_gender,
       e.propensity, CASE WHEN e.viewer_id < e.shown_id THEN p.low_action ELSE p.high_action END AS action
FROM exposures e
JOIN profiles v ON v.user_id = e.viewer_id
JOIN profiles s ON s.user_id = e.shown_id
LEFT JOIN pairs p ON p.low_id = CASE WHEN e.viewer_id < e.shown_id THEN e.viewer_id ELSE e.shown_id END
    AND p.high_id = CASE WHEN e.viewer_id < e.shown_id THEN e.shown_id ELSE e.viewer_id END
WHERE e.day = :day ORDER BY e.viewer_id, e.shown_id
"""


class ExposedRow(msgspec.Struct, frozen=True):
    """Somebody shown to somebody, and what the viewer has thought of it since; `at` in microseconds."""

    at: int
    viewer: int
    viewer_gender: int
    shown: int
    shown_gender: int
    propensity: float
    action: str | None


async def exposed_days(tx: Transaction) -> list[int]:
    """The days of which there is a log, as numbers since 1970-01-01."""
    return await tx.all(int, EXPOSED_DAYS)


async def exposed(tx: Transaction, day: int) -> list[Impression]:
    """Who was shown to whom on a day."""
    return [to_impression(row) for row in await tx.all(ExposedRow, EXPOSED, day=day)]


def to_impression(row: ExposedRow) -> Impression:
    """A row of the database as one of the log."""
    liked = None if row.action is None else row.action != "dislike"
    return Impression(row.at, row.viewer, row.viewer_gender, row.shown, row.shown_gender, row.propensity, liked)


async def read_exposures(db: Database) -> list[Impression]:
    """The whole log of a server (30 days) in the order of time, read day by day so that no transaction is long."""
    found: list[Impression] = []
    for day in await db.read(exposed_days):
        found += await db.read(exposed, day)
    return sorted(found, key=lambda one: one.at)
