"""GET /profiles/search/explain: how many fit, what each rule removes, and what loosening it alone would add."""

import random
from typing import Any

import pytest

from dating.clock import SECOND
from dating.database import Database, Transaction
from dating.matching import candidates, explain
from dating.matching.candidates import Search
from dating.matching.explain import Explanation
from dating.profiles import service
from dating.profiles.models import PreferenceChanges, ProfileFields
from tests.api.test_search_oracle import ADD_USER, World
from tests.api.test_search_oracle import NOW as WORLD_NOW
from tests.kit import Api

BERLIN = (52.52, 13.405)
NOW = 1_795_000_000 * SECOND


async def add(tx: Transaction, number: int, **fields: Any) -> None:
    """One more person."""
    await tx.run(ADD_USER, name=f"p{number}", banned=None)
    await service.create(tx, number, ProfileFields(**fields))


def place(north_km: float) -> dict[str, float]:
    """So far north of Berlin."""
    return {"latitude": BERLIN[0] + north_km / 111.2, "longitude": BERLIN[1]}


@pytest.mark.one_process("asks the database, no server")
async def test_each_rule_is_counted_alone(db: Database) -> None:
    """People who fail one rule count as added by it, those who fail two as removed by both and added by neither."""
    db.clock = lambda: NOW
    groups: list[tuple[int, dict[str, Any]]] = [
        (12, {"gender": "female", "birthday": "1996-01-01", **place(1)}),  # fit: 30 years old
        (6, {"gender": "male", "birthday": "1996-01-01", **place(1)}),  # gender
        (7, {"gender": "female", "birthday": "2002-01-01", **place(1)}),  # 24: one year too young
        (5, {"gender": "female", "birthday": "2007-01-01", **place(1)}),  # 19: far too young
        (8, {"gender": "female", "birthday": "1996-01-01", **place(30)}),  # 30 km, where 25 is the rule
        (9, {"gender": "female", "birthday": "2002-01-01", **place(30)}),  # both
        (20, {"gender": "female", "birthday": "1996-01-01", **place(200)}),  # beyond everything
    ]

    async def fill(tx: Transaction) -> None:
        wishes = PreferenceChanges(genders=["female"], min_age=25, max_distance_km=25)
        await add(tx, 1, gender="male", birthday="1994-01-01", preferences=wishes, **place(0))
        number = 2
        for size, fields in groups:
            for _ in range(size):
                await add(tx, number, **fields)
                number += 1

    await db.write(fill)
    found = await db.read(explain.explain, 1, Search())
    assert (found.fits, found.text, found.within_km, found.sampled) == (10, "10 people or more fit.", 35, False)
    rules = {rule.rule: (rule.value, rule.removes, rule.relaxed_to, rule.adds, rule.text) for rule in found.rules}
    assert rules == {
        "gender": ("female", 5, None, 5, "+5 whatever their gender"),
        "min_age": (25, 20, 22, 5, "+5 from 22 years"),
        "max_distance_km": (25.0, 10, 35, 5, "+5 within 35 km"),
    }
    photo = await db.read(explain.explain, 1, Search(has_photo=True))
    assert (photo.fits, photo.text) == (0, "Fewer than 5 people fit.")
    assert {rule.rule: rule.adds for rule in photo.rules}["has_photo"] == 10


@pytest.mark.one_process("asks the database, no server")
@pytest.mark.parametrize("seed", range(4))
async def test_what_fits_is_what_the_search_finds(db: Database, seed: int) -> None:
    """In random worlds, the count is the length of the whole search, and each addition that of the search loosened."""
    world = World(seed, 150)
    db.clock = lambda: WORLD_NOW
    await db.write(world.fill)
    dice = random.Random(seed)
    for _ in range(15):
        viewer = dice.randint(1, world.size)
        wish = Search(page_size=100, has_photo=dice.random() < 0.3, online_only=dice.random() < 0.2, order="id")
        found: Explanation = await db.read(explain.explain, viewer, wish)
        everybody = await db.read(whole_search, viewer, wish)
        assert found.fits == explain.step(everybody), (viewer, wish)
        if wish.has_photo:
            loosened = await db.read(whole_search, viewer, Search(page_size=100, online_only=wish.online_only, order="id"))
            adds = next(rule.adds for rule in found.rules if rule.rule == "has_photo")
            assert adds == explain.step(loosened - everybody)


async def whole_search(tx: Transaction, viewer: int, wish: Search) -> int:
    """How many people all pages of a search have."""
    found = await candidates.search(tx, viewer, wish)
    assert len(found) < 100
    return len(found)


def test_counts_are_told_in_steps() -> None:
    """Few are none, then fives, tens, fifties, five hundreds; never above the truth."""
    shown = {0: 0, 4: 0, 5: 5, 9: 5, 10: 10, 87: 80, 99: 90, 149: 100, 999: 950, 1499: 1000, 99_999: 99_500}
    assert {count: explain.step(count) for count in shown} == shown
    assert all(explain.step(count) <= count for count in range(3000))


@pytest.mark.parametrize(
    "query",
    [
        "min_age=40&max_age=20",
        "latitude=1",
        "longitude=1",
        "max_distance_km=0",
        "max_distance_km=40001",
        "max_distance_km=nan",
        "gender=martian",
        "latitude=91&longitude=0",
        "min_age=-1",
        "has_photo=maybe",
    ],
)
async def test_what_makes_no_sense_is_refused(api: Api, query: str) -> None:
    """Reversed ages, half a place, numbers out of bounds: 400, as for the search."""
    anna = await api.person()
    for path in ("/profiles/search", "/profiles/search/explain"):
        answer = await anna.get(f"{path}?{query}")
        assert answer.status_code == 400, (path, answer.text)


async def test_alone_in_the_world(api: Api) -> None:
    """Nobody else: nobody fits, and no rule changes that."""
    anna = await api.person(latitude=1.0, longitude=1.0, preferences={"max_distance_km": 40_000, "genders": ["male"]})
    found = (await anna.get("/profiles/search/explain?online_only=true")).json()
    assert found["fits"] == 0
    assert [rule["adds"] for rule in found["rules"]] == [0, 0, 0]


async def test_the_swiped_and_the_blocked_are_not_counted(api: Api) -> None:
    """Whoever the search would not show does not count either."""
    anna, *others = await api.people(7)
    assert (await anna.get("/profiles/search/explain")).json()["fits"] == 5
    await anna.post(f"/api/users/{others[0].id}/block")
    assert (await anna.get("/profiles/search/explain")).json()["fits"] == 5
    await anna.post("/swipe", json={"target_id": others[1].id, "action": "dislike"})
    assert (await anna.get("/profiles/search/explain")).json()["fits"] == 0
