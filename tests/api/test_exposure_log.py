"""The exposure log of a database, as `dating replay-log` reads it."""

import pytest

from dating.__main__ import opened
from dating.clock import DAY
from dating.database import Transaction
from dating.evaluation.queries import read_exposures
from dating.profiles import service
from dating.profiles.models import Profile
from dating.settings import Settings
from dating.simulation.exposures import Impression

pytestmark = pytest.mark.one_process("asks the database, no server")

ADD_USER = "INSERT INTO users (id, username, username_key, password, created_at) VALUES (:id, :name, :name, '', 0)"
ADD_EXPOSURE = """
INSERT INTO exposures (day, viewer_id, shown_id, shown_at, deck_at, kind, propensity)
VALUES (:day, :viewer, :shown, :at, :at, :kind, :propensity)
"""
ADD_PAIR = """
INSERT INTO pairs (low_id, high_id, low_action, high_action, low_at, high_at)
VALUES (:low, :high, :low_action, :high_action, :low_at, :high_at)
"""


async def fill(tx: Transaction) -> None:
    """A man (1) and two women; two days; every kind of opinion, on either side of a pair."""
    await tx.many(ADD_USER, [{"id": id, "name": f"name{id}"} for id in (1, 2, 3)])
    profiles = [
        service.to_row(Profile(user_id=id, gender=gender)) | {"last_active": 0} for id, gender in ((1, 2), (2, 1), (3, 1))
    ]
    columns = list(profiles[0])
    values = ", ".join(f":{column}" for column in columns)
    await tx.many(f"INSERT INTO profiles ({', '.join(columns)}) VALUES ({values})", profiles)
    rows = [(2, 1, 2, 0.25), (1, 2, 1, 1.0), (1, 1, 3, 1.0), (1, 3, 1, 0.5), (1, 2, 3, 0.5)]
    await tx.many(
        ADD_EXPOSURE,
        [
            {
                "day": day,
                "viewer": viewer,
                "shown": shown,
                "at": day * DAY + number,
                "kind": int(chance < 1),
                "propensity": chance,
            }
            for number, (day, viewer, shown, chance) in enumerate(rows)
        ],
    )
    await tx.many(
        ADD_PAIR,
        [
            {"low": 1, "high": 2, "low_action": "superlike", "high_action": "dislike", "low_at": 1, "high_at": 1},
            {"low": 1, "high": 3, "low_action": "unmatch", "high_action": None, "low_at": 1, "high_at": None},
        ],
    )


async def test_the_log_of_a_database(settings: Settings) -> None:
    """Every exposure comes once, in the order of time, with its chance and with the viewer's own opinion."""
    async with opened(settings) as db:
        await db.write(fill)
        found = await read_exposures(db)
    assert found == [
        Impression(DAY + 1, 2, 1, 1, 2, 1.0, False),
        Impression(DAY + 2, 1, 2, 3, 1, 1.0, True),
        Impression(DAY + 3, 3, 1, 1, 2, 0.5, None),
        Impression(DAY + 4, 2, 1, 3, 1, 0.5, None),
        Impression(2 * DAY, 1, 2, 2, 1, 0.25, True),
    ]


async def test_no_log_is_an_empty_one(settings: Settings) -> None:
    """A new database has shown nobody to anybody."""
    async with opened(settings) as db:
        assert await read_exposures(db) == []
