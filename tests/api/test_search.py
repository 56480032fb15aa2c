"""The search over HTTP: who is found, who never is, and what an answer may tell."""

from collections.abc import AsyncIterator
from typing import Any, get_args

import msgspec
import pytest

from dating.database import Transaction
from dating.matching import picks
from dating.matching.candidates import Order
from dating.profiles import places, service
from dating.profiles.places import Point
from dating.settings import Settings
from tests.kit import Api, Person, running

ORDERS: list[Order] = list(get_args(Order))
BERLIN = {"latitude": 52.52, "longitude": 13.405}
PARIS = {"latitude": 48.8566, "longitude": 2.3522}


@pytest.fixture
async def steady(settings: Settings) -> AsyncIterator[Api]:
    """A server whose ranking leaves nothing to chance and forgets whom it has shown."""
    fixed: dict[str, Any] = {"ranking_random_share": 0.0, "ranking_first_impressions": 0, "ranking_fairness": 0.0}
    async with running(msgspec.structs.replace(settings, **fixed)) as api:
        yield api


async def ask(person: Person, query: str = "", status: int = 200) -> Any:
    """Search and expect a status; the answer."""
    answer = await person.get(f"/profiles/search?{query}")
    assert answer.status_code == status, answer.text
    return answer.json()


async def find(person: Person, query: str = "") -> list[str]:
    """The usernames of one page."""
    return [one["username"] for one in await ask(person, query)]


async def swipe(person: Person, other: Person, action: str) -> None:
    """Swipe, whatever comes of it."""
    answer = await person.post("/swipe", json={"target_id": other.id, "action": action})
    assert answer.status_code == 200, answer.text


async def test_a_candidate_is_a_public_profile_with_reasons(api: Api) -> None:
    """An entry has the fields of a public profile and true reasons, nothing private."""
    tom = await api.person("tom", interests=["Чай", "chess", "hiking"], **BERLIN)
    await api.person("maria", interests=["hiking", "чай"], birthday="1994-05-17", email="m@example.org", **BERLIN)
    (found,) = await ask(tom)
    profile = (await tom.get("/api/users/username/maria")).json()
    assert found == profile | {
        "reasons": ["You both like hiking, чай.", "1 km away, active today."],
        "widened": [],
        "boosted": False,
    }


async def test_nobody_comes_twice_or_uninvited(api: Api) -> None:
    """Never: me, whom I have swiped, who passed on me, blocked either way, paused. Whoever likes me is still there."""
    me = await api.person()
    people = {
        name: await api.person(name, settings={"discoverable": name != "paused"})
        for name in ("liked", "disliked", "passed", "blocked", "blocker", "paused", "likes", "new")
    }
    await swipe(me, people["liked"], "like")
    await swipe(me, people["disliked"], "dislike")
    await swipe(people["passed"], me, "dislike")
    await swipe(people["likes"], me, "superlike")
    await me.post(f"/api/users/{people['blocked'].id}/block")
    await people["blocker"].post(f"/api/users/{me.id}/block")
    for order in ORDERS:
        assert sorted(await find(me, f"order={order}")) == ["likes", "new"]


async def test_banned_people_are_gone_at_once(api: Api) -> None:
    """A ban takes somebody out of every search."""
    me, other = await api.people(2)
    assert len(await ask(me)) == 1

    async def ban(tx: Transaction) -> int:
        return await tx.run("UPDATE users SET banned_at = :now WHERE id = :id", now=tx.now, id=other.id)

    await api.app.state.db.write(ban)
    for order in ORDERS:
        assert await ask(me, f"order={order}") == []


async def test_a_swipe_taken_back_is_shown_again(api: Api) -> None:
    """After an undo the person is a candidate as before."""
    me, other = await api.people(2)
    before = await ask(me)
    await me.like(other)
    assert await ask(me) == []
    await me.post("/swipe/undo")
    assert await ask(me) == before


async def test_those_who_like_me_come_first(steady: Api) -> None:
    """Where nothing else differs, the recommended order begins with those who like me, and says so."""
    me, first, second, third, fourth = await steady.people(5)
    for other in (first, second, third):  # who is hard to please is no less certain
        await fourth.post("/swipe", json={"target_id": other.id, "action": "dislike"})
    await second.like(me)
    await fourth.like(me)
    found = await ask(me)
    assert {one["id"] for one in found[:2]} == {fourth.id, second.id}
    assert {one["id"] for one in found[2:]} == {first.id, third.id}
    assert ["Likes you." in one["reasons"] for one in found] == [True, True, False, False]


async def test_rules_hold_both_ways(api: Api) -> None:
    """People fit only when I fit them as well: gender, age and distance."""
    me = await api.person(gender="female", birthday="1994-01-01", **BERLIN)
    await api.person("seeks.women", gender="male", interested_in="female", **BERLIN)
    await api.person("seeks.men", gender="male", interested_in="male", **BERLIN)
    await api.person("seeks.young", gender="male", preferences={"max_age": 25}, **BERLIN)
    await api.person("seeks.near", gender="male", preferences={"max_distance_km": 100}, **PARIS)
    await api.person("seeks.far", gender="male", preferences={"max_distance_km": 1000}, **PARIS)
    assert set(await find(me)) == {"seeks.women", "seeks.far"}


async def test_what_is_not_said_fits_only_where_there_is_no_rule(api: Api) -> None:
    """Somebody without age, gender and place is found by those without rules, and finds only them."""
    unknown = await api.person("unknown")
    anyone = await api.person("anyone", gender="male", birthday="1990-01-01", **BERLIN)
    strict = [
        await api.person("by.age", preferences={"min_age": 20}),
        await api.person("by.gender", interested_in="both"),
        await api.person("by.distance", preferences={"max_distance_km": 40_000}, **BERLIN),
    ]
    assert "unknown" in await find(anyone)
    for one in strict:
        assert "unknown" not in await find(one)
    assert await find(unknown) == ["anyone"]


NARROWED = {
    "gender=female": ["anna", "olga"],
    "interested_in=male": ["tom"],
    "gender=female&interested_in=male": [],
    "gender=nonbinary": [],
    "min_age=30&max_age=40": ["anna"],
    "max_age=17": [],
    "min_age=150": [],
    "max_distance_km=100": ["anna"],
    "max_distance_km=40000": ["anna", "olga", "tom"],
    "max_distance_km=100&latitude=48.85&longitude=2.35": ["olga"],
    "latitude=48.85&longitude=2.35": ["anna", "olga", "tom"],
    "latitude=90&longitude=0&max_distance_km=1": [],
    "latitude=-17.7&longitude=-179.9&max_distance_km=300": ["tom"],
    "has_photo=true": ["olga"],
    "online_only=true": ["anna", "olga", "tom"],
    "page_size=2&order=id": ["anna", "olga"],
    "limit=1&order=id": ["anna"],
}


async def test_parameters_narrow_my_rules(api: Api) -> None:
    """Every parameter narrows; a contradiction is an empty list and no error."""
    me = await api.person(**BERLIN)
    await api.person("anna", gender="female", birthday="1990-06-01", **BERLIN)
    await api.person("olga", gender="female", birthday="2004-06-01", photo_url="https://example.org/o.jpg", **PARIS)
    await api.person("tom", gender="male", birthday="1970-06-01", latitude=-17.7, longitude=178.0)
    for query, names in NARROWED.items():
        assert sorted(await find(me, query)) == names, query


REFUSED = {
    "page_size=0": "invalid",
    "page_size=101": "invalid",
    "page_size=x": "invalid",
    "gender=robot": "invalid",
    "interested_in=cats": "invalid",
    "min_age=40&max_age=30": "reversed_ages",
    "max_age=-1": "invalid",
    "max_distance_km=0": "invalid",
    "max_distance_km=nan": "invalid",
    "max_distance_km=40001": "invalid",
    "latitude=1": "incomplete_place",
    "longitude=1": "incomplete_place",
    "latitude=91&longitude=1": "invalid",
    "latitude=nan&longitude=1": "invalid",
    "latitude=1&longitude=inf": "invalid",
    "has_photo=maybe": "invalid",
    "order=beauty": "invalid",
    "last_seen_id=-1": "invalid",
    "last_seen_id=9223372036854775808": "invalid",
    "last_seen_id=x": "invalid",
}


async def test_bad_questions_are_refused(api: Api) -> None:
    """What makes no sense is 400 with a stable code."""
    me = await api.person()
    for query, code in REFUSED.items():
        assert (await ask(me, query, 400))["code"] == code, query


@pytest.mark.parametrize("order", ORDERS)
async def test_an_odd_last_seen_works(api: Api, order: Order) -> None:
    """0, unknown, blocked or swiped people, and myself, as `last_seen_id` never break a search."""
    me, blocker, other, third = await api.people(4)
    await blocker.post(f"/api/users/{me.id}/block")
    everybody = await find(me, f"order={order}")
    for last_seen in (0,) if order == "id" else (0, 999_999, blocker.id):
        assert await find(me, f"order={order}&last_seen_id={last_seen}") == everybody
    await me.like(other)
    for last_seen in (other.id, me.id, third.id, 2**53 - 1):
        await ask(me, f"order={order}&last_seen_id={last_seen}")


async def test_swiping_on_the_way_skips_nobody(api: Api) -> None:
    """Whoever swipes each page before asking for the next sees everybody exactly once."""
    me = await api.person()
    others = await api.people(9)
    await others[4].like(me)
    seen: list[int] = []
    query = "page_size=2"
    while page := await ask(me, query):
        seen += [one["id"] for one in page]
        for one in page:
            await me.post("/swipe", json={"target_id": one["id"], "action": "dislike"})
        query = f"page_size=2&last_seen_id={seen[-1]}"
    assert sorted(seen) == sorted(one.id for one in others)


async def test_with_nobody_left_every_list_is_empty(api: Api) -> None:
    """A population of one, and one in which everybody is swiped: empty lists everywhere, and no error."""
    me = await api.person(**BERLIN)
    await expect_nobody(me)
    for other in await api.people(5, **BERLIN):
        await swipe(me, other, "dislike")
    await picks.make_picks(api.app.state.db, api.app.state.db.settings)
    await expect_nobody(me)


async def expect_nobody(person: Person) -> None:
    """No list of people and no count finds anybody."""
    for order in ORDERS:
        assert await find(person, f"order={order}") == []
        assert await find(person, f"order={order}&latitude=1&longitude=1&max_distance_km=40000") == []
    assert (await person.get("/picks")).json() == (await person.get("/followers")).json() == []
    assert (await person.get("/profiles/search/explain")).json()["fits"] == 0


async def test_activity_decides_the_order(api: Api) -> None:
    """Whoever was active in a later hour comes first, and `online_only` finds nobody else."""
    db = api.app.state.db
    me, first, second = [await api.person() for _ in range(3)]
    assert [one["id"] for one in await ask(me, "order=recent")] == [second.id, first.id]
    later = db.clock() + 2 * service.HOUR
    db.clock = lambda: later
    await db.write(service.touch, [first.id])
    assert [one["id"] for one in await ask(me, "order=recent")] == [first.id, second.id]
    assert await find(me, "online_only=true") == [first.username]
    await first.patch("/me", json={"settings": {"show_last_active": False}})
    assert await find(me, "online_only=true") == []


async def test_equal_questions_get_equal_answers(api: Api) -> None:
    """There is nothing random in an answer that asking often could average away."""
    me = await api.person(**BERLIN)
    await api.people(5, latitude=52.6, longitude=13.5)
    for order in ORDERS:
        assert len({(await me.get(f"/profiles/search?order={order}&max_distance_km=30")).content for _ in range(20)}) == 1


async def test_moving_inside_a_cell_changes_no_search(steady: Api) -> None:
    """A walk with radius filters, orders and pages is the same to the byte wherever in the cell somebody is."""
    target = await steady.person("target", **BERLIN)
    await steady.people(3, latitude=52.53, longitude=13.42)
    walker = await steady.person()
    middle = places.center(places.snap(Point(52.52, 13.405)))
    transcripts = set()
    for north, east in [(0, 0), (0.004, 0), (-0.004, 0.003), (0, -0.006)]:
        await target.patch("/me", json={"latitude": middle.latitude + north, "longitude": middle.longitude + east})
        transcript = b""
        for number in range(10):
            place = f"latitude={52.42 + number * 0.02}&longitude={13.3 + number * 0.02}"
            for rest in ("max_distance_km=3", "max_distance_km=7.5", "order=distance", "order=distance&page_size=1"):
                transcript += (await walker.get(f"/profiles/search?{place}&{rest}")).content
        transcripts.add(transcript)
    assert len(transcripts) == 1


async def test_a_token_is_needed(api: Api) -> None:
    """The search is for people who are signed in."""
    assert (await api.http.get("/profiles/search")).status_code == 401
