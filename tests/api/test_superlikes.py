"""Superlikes with their notes, what is limited by the day, and what every answer says is left."""

import re
from collections.abc import AsyncIterator
from functools import partial
from operator import add
from typing import Any

import msgspec
import pytest

from dating.clock import DAY
from dating.matching.limits import Limits, UsedUp, allowances, spend
from dating.settings import Settings
from tests.kit import Api, Person, running

NOTE = "Тоже люблю старые карты 🗺️"


@pytest.fixture
async def frugal(settings: Settings) -> AsyncIterator[Api]:
    """A server with three likes, one superlike and one rewind a day."""
    few = {"likes_per_day": 3, "superlikes_per_day": 1, "rewinds_per_day": 1}
    async with running(msgspec.structs.replace(settings, **few)) as api:
        yield api


async def swipe(one: Person, other: Person, action: str, **more: Any) -> Any:
    return await one.post("/swipe", json={"target_id": other.id, "action": action, **more})


def read_left(answer: Any) -> dict[str, int]:
    """What the header says is left."""
    return {noun: int(count) for noun, count in re.findall(r'"(\w+)";r=(\d+);t=\d+', answer.headers["ratelimit"])}


async def test_a_superlike_is_told_and_its_note_read(api: Api) -> None:
    """The other hears of it by an event without the note, and finds the note among those who like them."""
    anna, boris, clara = await api.people(3)
    assert (await swipe(anna, boris, "superlike", note=f"  {NOTE} ")).json() == {"status": "like"}
    await swipe(clara, boris, "like")
    assert [{name: event[name] for name in ("type", "user_id")} for event in await boris.inbox()] == [
        {"type": "superlike", "user_id": anna.id}
    ]
    page = (await boris.get("/followers")).json()
    assert [(card["id"], card["superlike"], card["note"]) for card in page] == [
        (clara.id, False, None),
        (anna.id, True, NOTE),
    ]
    assert await anna.inbox() == []


async def test_a_superlike_that_matches_is_told_as_a_match(api: Api) -> None:
    """Whoever is liked already makes a match by a superlike: one event for each, no other."""
    anna, boris = await api.people(2)
    await swipe(boris, anna, "like")
    assert (await swipe(anna, boris, "superlike", note=NOTE)).json()["status"] == "match"
    assert await anna.told() == await boris.told() == ["match"]


async def test_whoever_disliked_me_hears_of_no_superlike(api: Api) -> None:
    """A superlike of somebody who has said no, or who has blocked me, is told to nobody."""
    anna, boris, clara = await api.people(3)
    await swipe(boris, anna, "dislike")
    assert (await swipe(anna, boris, "superlike", note=NOTE)).json() == {"status": "like"}
    await clara.post(f"/api/users/{anna.id}/block")
    assert (await swipe(anna, clara, "superlike")).status_code == 404
    assert await boris.told() == await clara.told() == []
    assert await api.count("superlikes") == 1


async def test_a_like_becomes_a_superlike_once(frugal: Api) -> None:
    """It costs no second like; repeated it costs nothing and is not told again; a like afterwards leaves it a superlike."""
    anna, boris = await frugal.people(2)
    await swipe(anna, boris, "like")
    answer = await swipe(anna, boris, "superlike", note=NOTE)
    assert read_left(answer) == {"likes": 2, "superlikes": 0, "rewinds": 1, "boosts": 1}
    for action in ("superlike", "like"):
        answer = await swipe(anna, boris, action)
        assert (answer.status_code, read_left(answer)["likes"]) == (200, 2)
    assert await boris.told() == ["superlike"]
    assert (await boris.get("/followers")).json()[0]["note"] == NOTE


async def test_a_superlike_that_is_taken_back_takes_its_note_along(frugal: Api) -> None:
    """After the undo nobody reads the note, and a plain like does not bring it back; the superlike stays spent."""
    anna, boris = await frugal.people(2)
    await swipe(anna, boris, "superlike", note=NOTE)
    assert read_left(await anna.post("/swipe/undo")) == {"likes": 2, "superlikes": 0, "rewinds": 0, "boosts": 1}
    assert (await boris.get("/followers")).json() == []
    await swipe(anna, boris, "like")
    assert (await boris.get("/followers")).json()[0]["note"] is None


async def test_what_is_used_up_is_refused_and_comes_back_at_midnight(frugal: Api) -> None:
    """The second superlike and the second rewind of a day are 429 with what is left and when to come back; nothing is written."""
    anna, boris, clara = await frugal.people(3)
    await swipe(anna, boris, "superlike")
    refused = await swipe(anna, clara, "superlike")
    assert (refused.status_code, refused.json()["code"], refused.json()["left"]) == (429, "superlikes_used_up", 0)
    assert (await clara.get("/followers")).json() == []
    assert read_left(await swipe(anna, clara, "like"))["likes"] == 1
    await anna.post("/swipe/undo")
    refused = await anna.post("/swipe/undo")
    assert (refused.status_code, refused.json()["code"], refused.json()["left"]) == (429, "rewinds_used_up", 0)
    wait = int(refused.headers["retry-after"])
    assert 0 < wait <= 86_400
    assert [card["id"] for card in (await boris.get("/followers")).json()] == [anna.id]
    db = frugal.app.state.db
    tomorrow = db.clock() + wait * 1_000_000
    assert tomorrow % DAY < DAY // 1000
    db.clock = lambda: tomorrow
    assert read_left(await anna.post("/swipe/undo")) == {"likes": 3, "superlikes": 1, "rewinds": 0, "boosts": 1}
    assert (await anna.get("/swipe/limits")).json()["rewinds"] == {"per_day": 1, "left": 0}


@pytest.mark.parametrize("kind", ["like", "superlike"])
async def test_a_new_day_begins_with_none_used(api: Api, kind: str) -> None:
    """Of three a day, three are used on one day, and one on the next: two are left."""
    anna = await api.person()
    db = api.app.state.db
    now, most = db.clock(), Limits(like=3, superlike=3)
    for _ in range(3):
        await db.write(spend, anna.id, kind, 3)
    with pytest.raises(UsedUp):
        await db.write(spend, anna.id, kind, 3)
    for later in (DAY, -DAY):  # whichever way the clock goes, it is another day
        db.clock = partial(add, now, later)
        await db.write(spend, anna.id, kind, 3)
        assert getattr(await db.read(allowances, anna.id, most), f"{kind}s").left == 2


async def test_lists_of_people_to_swipe_say_what_is_left(settings: Settings) -> None:
    """Every page from which somebody may be swiped says what is left, as the answer to the swipe will; others do not."""
    async with running(msgspec.structs.replace(settings, likes_per_day=3)) as api:
        anna, boris = await api.people(2)
        await swipe(anna, boris, "like")
        lists = [*(f"/profiles/search?order={order}" for order in ("recommended", "recent", "distance", "id")), "/picks"]
        for path in [*lists, "/followers"]:
            answer = await anna.get(path)
            assert answer.status_code == 200
            assert read_left(answer) == {"likes": 2, "superlikes": 5, "rewinds": 20, "boosts": 1}, path
        assert "ratelimit" not in (await anna.get("/me")).headers
        assert read_left(await anna.post("/boost"))["boosts"] == 0
        assert read_left(await anna.get("/picks"))["boosts"] == 0


async def test_nothing_is_less_than_nothing(settings: Settings) -> None:
    """Whoever has used more than there is by now, because the operator allows less, has none left."""
    async with running(settings) as api:
        anna, *others = await api.people(3)
        for other in others:
            await swipe(anna, other, "superlike")
    async with running(msgspec.structs.replace(settings, superlikes_per_day=1)) as api:
        anna.api = api
        assert (await anna.get("/swipe/limits")).json()["superlikes"] == {"per_day": 1, "left": 0}
        assert read_left(await anna.get("/followers"))["superlikes"] == 0


async def test_what_is_not_limited_is_null(settings: Settings) -> None:
    """Without limits there is no header, and the list of what is left says null."""
    free = {"likes_per_day": 0, "superlikes_per_day": 0, "rewinds_per_day": 0, "boosts_per_day": 0}
    async with running(msgspec.structs.replace(settings, **free)) as api:
        anna, boris = await api.people(2)
        assert "ratelimit" not in (await swipe(anna, boris, "superlike")).headers
        found = (await anna.get("/swipe/limits")).json()
        for noun in ("likes", "superlikes", "rewinds", "boosts"):
            assert found[noun] == {"per_day": None, "left": None}
        assert found["resets_at"].endswith("T00:00:00.000Z")


async def test_a_note_comes_with_a_superlike_only(api: Api) -> None:
    """A note with anything else, one too long, or one that is no text is 400, and no swipe is written; an empty one is none."""
    anna, boris = await api.people(2)
    for action in ("like", "dislike"):
        assert (await swipe(anna, boris, action, note=NOTE)).json()["code"] == "note_without_superlike"
    for note in ("x" * 141, 1, ["x"], "a\u0000b"):
        assert (await swipe(anna, boris, "superlike", note=note)).status_code == 400, note
    assert await api.count("pairs") == await api.count("superlikes") == 0
    assert (await swipe(anna, boris, "like", note=" ")).status_code == 200
    assert (await swipe(boris, anna, "superlike", note="🗺" * 140)).status_code == 200


async def test_a_deleted_account_leaves_no_superlike(api: Api) -> None:
    """Neither what the person sent nor what was sent to them stays."""
    anna, boris, clara = await api.people(3)
    await swipe(anna, boris, "superlike", note=NOTE)
    await swipe(clara, anna, "superlike", note=NOTE)
    assert (await anna.delete("/me", json={"password": "correct horse battery"})).status_code == 200
    assert await api.count("superlikes") == 0
    assert await api.count("spent") == 1
