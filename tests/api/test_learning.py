"""What swipes teach: written with the swipe, taken back with it, and the open likes counted exactly."""

import asyncio
import random
from functools import partial
from operator import add
from typing import Any

import msgspec
import pytest

from dating.clock import DAY
from dating.matching import service as matching
from dating.matching import standing_queries
from dating.matching.exposure_queries import HOUR
from dating.matching.standing_queries import WEEK
from tests.kit import Api, Person

STANDING = """
SELECT choosiness, choosiness_precision, appeal, appeal_precision, unanswered, swipes, swipes_before, matches
FROM standings WHERE user_id = :id
"""
UNANSWERED = """
SELECT COUNT(*) FROM swipes WHERE user_id = :id AND action IS NULL AND other_action IN ('like', 'superlike')
"""


class Standing(msgspec.Struct):
    """A row of `standings`."""

    choosiness: float = 0.0
    choosiness_precision: float = 1.0
    appeal: float = 0.0
    appeal_precision: float = 1.0
    unanswered: int = 0
    swipes: int = 0
    swipes_before: int = 0
    matches: int = 0


async def look(api: Api, person: Person) -> Standing:
    """What the ranking keeps of somebody."""

    async def read(tx: Any) -> Standing:
        return await tx.one(Standing, STANDING, id=person.id) or Standing()

    found: Standing = await api.app.state.db.read(read)
    return found


async def count_open(api: Api, person: Person) -> int:
    """How many likes await somebody's answer, counted in the pairs."""

    async def read(tx: Any) -> int:
        return int(await tx.one(int, UNANSWERED, id=person.id))

    found: int = await api.app.state.db.read(read)
    return found


async def swipe(person: Person, other: Person, action: str) -> int:
    """Swipe; the status of the answer."""
    return (await person.post("/swipe", json={"target_id": other.id, "action": action})).status_code


async def test_a_like_and_a_dislike_teach_the_contrary(api: Api) -> None:
    """A like raises the viewer's choosiness and the shown person's appeal, a dislike lowers both; both grow more certain."""
    me, liked, passed = await api.people(3)
    await swipe(me, liked, "like")
    after = await look(api, me)
    assert after.choosiness > 0
    assert after.choosiness_precision > 1
    assert (await look(api, liked)).appeal > 0
    await swipe(me, passed, "dislike")
    assert (await look(api, me)).choosiness < after.choosiness
    assert (await look(api, passed)).appeal < 0
    assert (await look(api, me)).swipes == 2


async def test_taking_back_unlearns(api: Api) -> None:
    """After undoing every swipe, one by one, both sides know what they knew before."""
    me, *others = await api.people(4)
    for other, action in zip(others, ("like", "dislike", "superlike"), strict=True):
        await swipe(me, other, action)
    for _ in others:
        assert (await me.post("/swipe/undo")).status_code == 200
    for person in (me, *others):
        found = await look(api, person)
        numbers = [found.choosiness, found.choosiness_precision, found.appeal, found.appeal_precision]
        assert numbers == pytest.approx([0, 1, 0, 1])
        assert found.unanswered == 0


async def test_a_change_of_mind_counts_once(api: Api) -> None:
    """Whoever passes first and likes later has taught what a like teaches, and a repeated swipe teaches nothing."""
    me, other, twin, third = await api.people(4)
    await swipe(twin, third, "like")
    for action in ("dislike", "like", "like", "superlike"):
        await swipe(me, other, action)
    assert (await look(api, other)).appeal == pytest.approx((await look(api, third)).appeal, abs=0.1)
    assert (await look(api, other)).appeal_precision == pytest.approx((await look(api, third)).appeal_precision, abs=0.1)
    assert (await look(api, other)).unanswered == 1


async def test_what_is_refused_teaches_nothing(api: Api) -> None:
    """A swipe on somebody hidden or on oneself leaves no trace."""
    me, blocker = await api.people(2)
    await blocker.post(f"/api/users/{me.id}/block")
    assert await swipe(me, blocker, "like") == 404
    assert await swipe(me, me, "like") == 400
    assert await api.count("standings") == await api.count("lessons") == 0


async def test_open_likes_are_counted_exactly(api: Api) -> None:
    """After random swipes at the same time, undos, ends of matches and a deleted account the counts are those of the pairs."""
    dice = random.Random(5)
    people = await api.people(6)

    async def act(person: Person) -> None:
        for _ in range(12):
            other = dice.choice([one for one in people if one is not person])
            deed = dice.random()
            if deed < 0.8:
                assert await swipe(person, other, dice.choice(["like", "dislike", "superlike"])) in (200, 409)
            elif deed < 0.9:
                assert (await person.post("/swipe/undo")).status_code in (200, 404, 409)
            else:
                assert (await person.delete(f"/matches/{other.id}")).status_code in (200, 404)

    await asyncio.gather(*[act(person) for person in people])
    assert (await people[0].delete("/clear/my/swipes")).status_code == 200
    people.append(await api.person())
    assert await swipe(people[1], people[-1], "like") == 200
    assert (await look(api, people[-1])).unanswered == 1
    assert (await people[1].request("DELETE", "/me", json={"password": "correct horse battery"})).status_code == 200
    assert await swipe(await api.person(), people[2], "like") == 200
    counted = [(await look(api, one)).unanswered for one in people if one is not people[1]]
    assert counted == [await count_open(api, one) for one in people if one is not people[1]]
    assert sum(counted) > 0 == counted[-1]


async def test_two_likes_at_once_make_one_match_and_both_count(api: Api) -> None:
    """Lessons of pairs that like each other at the same moment neither deadlock nor get lost."""
    people = await api.people(8)
    pairs = [(one, other) for one in people for other in people if one.id < other.id]
    await asyncio.gather(*[swipe(*pair, "like") for one, other in pairs for pair in ((one, other), (other, one))])
    for person in people:
        found = await look(api, person)
        assert (found.swipes, found.matches, found.unanswered) == (7, 7, 0)


async def test_a_clock_that_was_wrong_leaves_no_count(api: Api) -> None:
    """What was counted in a year to come is over once the clock is right again; an hour back goes on in the same week."""
    me, *others = await api.people(6)
    db = api.app.state.db
    now = WEEK * (db.clock() // WEEK) + DAY
    counts = []
    for shift, other in zip((0, 1, -DAY - HOUR, 400 * DAY, 0), others, strict=True):
        db.clock = partial(add, now, shift)
        await db.write(matching.swipe, me.id, other.id, "like")
        counts.append((await look(api, me)).swipes)
    assert counts == [1, 2, 3, 1, 1]


async def test_after_a_day_a_lesson_is_for_good(api: Api) -> None:
    """What a swipe taught is kept apart for as long as it may be taken back easily: this day and the next."""
    anna, boris = await api.people(2)
    await swipe(anna, boris, "like")
    db = api.app.state.db
    now = db.clock()
    for days, kept in ((0, 1), (1, 1), (2, 0)):
        db.clock = partial(add, now, days * DAY)
        await db.write(standing_queries.forget_lessons)
        assert await api.count("lessons") == kept


async def test_a_week_that_is_over_is_put_aside(api: Api) -> None:
    """The counts of the week before are kept beside those of the running one, and nothing of older ones."""
    me, *others = await api.people(4)
    db = api.app.state.db
    now = WEEK * (db.clock() // WEEK) + DAY
    counts = []
    for weeks, other in zip((0, 1, 3), others, strict=False):
        db.clock = partial(add, now, weeks * WEEK)
        await db.write(matching.swipe, me.id, other.id, "like")
        found = await look(api, me)
        counts.append((found.swipes, found.swipes_before))
    assert counts == [(1, 0), (1, 1), (1, 0)]
