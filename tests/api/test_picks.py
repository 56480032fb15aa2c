"""GET /picks: once a day, for both of a pair, never whom I have swiped or who is hidden; made once, whoever makes them."""

import asyncio
import threading
from typing import Any

import pytest

from dating.clock import DAY
from dating.database import Transaction
from dating.matching import pick_queries, picks
from tests.kit import Api, Person

BERLIN = {"latitude": 52.52, "longitude": 13.405}
LEIPZIG = {"latitude": 51.34, "longitude": 12.37}
SYDNEY = {"latitude": -33.87, "longitude": 151.21}


async def make(api: Api) -> None:
    """Let the day's job run."""
    db = api.app.state.db
    await picks.make_picks(db, db.settings)


async def see(person: Person) -> list[int]:
    """Whom somebody is shown as picks."""
    answer = await person.get("/picks")
    assert answer.status_code == 200, answer.text
    return [card["id"] for card in answer.json()]


async def test_a_pair_is_shown_to_both(api: Api) -> None:
    """Nothing before the job; then each pick has me as a pick, with reasons, and an end at midnight UTC."""
    people = await api.people(8, birthday="1994-05-17", interests=["чай"], **BERLIN)
    assert await see(people[0]) == []
    await make(api)
    shown = {person.id: await see(person) for person in people}
    assert all(1 <= len(ids) <= picks.EACH for ids in shown.values())
    assert all(one in shown[other] for one, ids in shown.items() for other in ids)
    card = (await people[0].get("/picks")).json()[0]
    assert card["reasons"][0] == "You both like чай."
    assert card["expires_at"].endswith("T00:00:00.000Z")
    assert not card.keys() & {"value", "score", "email", "birthday", "latitude"}


async def test_every_orientation_gets_picks(api: Api) -> None:
    """Gay, lesbian, straight, bisexual and non-binary people in one region, and only whom they seek and who seeks them."""
    kinds = {"gay": ("male", "male"), "lesbian": ("female", "female"), "he": ("male", "female"), "she": ("female", "male")}
    kinds |= {"bi": ("female", "both"), "nonbinary": ("nonbinary", "everyone"), "open": ("male", "everyone")}
    people = {
        name: await api.people(2, gender=gender, interested_in=seeks, birthday="1994-05-17", **BERLIN)
        for name, (gender, seeks) in kinds.items()
    }
    await make(api)
    shown = {name: [len(await see(person)) for person in two] for name, two in people.items()}
    assert all(count > 0 for counts in shown.values() for count in counts), shown
    gay = {person.id for name in ("gay", "open") for person in people[name]}
    assert set(await see(people["gay"][0])) <= gay
    straight = {person.id for name in ("she", "bi") for person in people[name]}
    assert set(await see(people["he"][0])) <= straight


async def test_whom_i_swiped_and_who_is_hidden_is_no_pick(api: Api) -> None:
    """Swiped before, passed on, blocked, paused, banned, far or long away: never picked. Swiped, blocked, paused later: gone at
    once."""
    men = {"birthday": "1994-05-17", "gender": "male", "interested_in": "female"}
    anna = await api.person(birthday="1994-05-17", gender="female", interested_in="male", **BERLIN)
    swiped, hater, blocked, paused, stays, leaves, asleep, banned = await api.people(8, **men, **BERLIN)
    await api.person(**men, **SYDNEY)
    await anna.post("/swipe", json={"target_id": swiped.id, "action": "like"})
    await hater.post("/swipe", json={"target_id": anna.id, "action": "dislike"})
    await anna.post(f"/api/users/{blocked.id}/block")
    await paused.patch("/me", json={"settings": {"discoverable": False}})

    async def send_away(tx: Transaction) -> None:
        await tx.run("UPDATE profiles SET recency = :then WHERE user_id = :id", then=tx.now - 32 * DAY, id=asleep.id)
        await tx.run("UPDATE users SET banned_at = :now WHERE id = :id", now=tx.now, id=banned.id)

    await api.app.state.db.write(send_away)
    await make(api)
    assert set(await see(anna)) == {stays.id, leaves.id}
    assert await api.count(f"picks WHERE {anna.id} IN (low_id, high_id)") == 2  # nobody else has taken a place
    await leaves.post(f"/api/users/{anna.id}/block")
    assert await see(anna) == [stays.id]
    await stays.patch("/me", json={"settings": {"discoverable": False}})
    assert await see(anna) == []
    await stays.patch("/me", json={"settings": {"discoverable": True}})
    assert await see(anna) == [stays.id]
    assert anna.id not in await see(leaves)
    await anna.post("/swipe", json={"target_id": stays.id, "action": "dislike"})
    assert await see(anna) == []
    assert anna.id not in await see(stays)


async def test_the_day_is_made_once(api: Api) -> None:
    """Several processes and repeats at once write one set of picks, and a claim of somebody who died is taken over."""
    await api.people(6, **BERLIN)
    db = api.app.state.db
    day = db.clock() // DAY
    await asyncio.gather(*[make(api) for _ in range(4)])
    await make(api)
    before = await api.count("picks")
    assert before > 0
    await make(api)
    assert await api.count("picks") == before
    assert await db.read(pick_queries.is_done, day)
    assert await db.write(pick_queries.claim, day + 1, 7, 0) is not None
    assert await db.write(pick_queries.claim, day + 1, 7, 0) is None
    assert await db.write(pick_queries.claim, day + 1, 7, db.clock() + 1) is not None


async def test_a_late_process_writes_nothing(api: Api) -> None:
    """Whoever has lost the claim meanwhile leaves the picks of the other alone."""
    one, other = sorted(await api.people(2), key=lambda person: person.id)
    db = api.app.state.db
    first = await db.write(pick_queries.claim, 1, 5, 0)
    second = await db.write(pick_queries.claim, 1, 5, db.clock() + DAY)
    row = pick_queries.Row(1, one.id, other.id, 0.5)
    assert first != second
    assert await db.write(picks.keep, 1, 5, first, [row]) is False
    assert await api.count("picks") == 0
    assert await db.write(picks.keep, 1, 5, second, [row]) is True
    assert await db.write(picks.keep, 1, 5, second, [row]) is True
    assert await db.write(pick_queries.finish, 1, 5, second) is True
    assert await db.write(picks.keep, 1, 5, second, [row]) is False
    assert await api.count("picks") == 1


async def test_a_day_begun_anew_gives_nobody_more(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody died in the middle, and regions are put together in another way afterwards: three picks at most, each for both."""
    monkeypatch.setattr(picks, "AT_ONCE", 4)
    here, there = await api.people(6, **BERLIN), await api.people(6, **LEIPZIG)
    db = api.app.state.db
    written = picks.keep
    calls = 0

    async def die(*arguments: Any) -> bool:
        nonlocal calls
        calls += 1
        assert calls < 3, "killed"
        return await written(*arguments)

    monkeypatch.setattr(picks, "keep", die)
    with pytest.raises(AssertionError, match="killed"):
        await make(api)
    assert await api.count("picks") == 8
    monkeypatch.setattr(picks, "keep", written)
    await make(api)
    assert await api.count("picks") == 8, "the claim of who died holds for a while"
    monkeypatch.setattr(picks, "CLAIM", -1)
    monkeypatch.setattr(picks, "FEW", 1)
    await make(api)
    assert await db.read(pick_queries.is_done, db.clock() // DAY)
    shown = {person.id: await see(person) for person in here + there}
    assert all(1 <= len(ids) <= picks.EACH for ids in shown.values()), shown
    assert all(one in shown[other] for one, ids in shown.items() for other in ids)
    assert sum(map(len, shown.values())) > 16


async def test_regions_with_many_people_are_apart(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two crowded regions are two pools, each matched off the loop, and nobody is a pick across."""
    monkeypatch.setattr(picks, "FEW", 4)
    here, there = await api.people(4, **BERLIN), await api.people(4, **LEIPZIG)
    threads = []

    def pair(*arguments: Any) -> list[pick_queries.Row]:
        threads.append(threading.current_thread())
        return plain(*arguments)

    plain = picks.pair
    monkeypatch.setattr(picks, "pair", pair)
    await make(api)
    assert len(threads) == 2
    assert threading.current_thread() not in threads
    for town in (here, there):
        ids = {person.id for person in town}
        assert [set(await see(person)) == ids - {person.id} for person in town] == [True] * 4


async def test_tomorrow_brings_others(api: Api) -> None:
    """Picks end at midnight UTC; those of the next day are other people, and old ones are forgotten after two weeks."""
    anna = await api.person(gender="female", interested_in="male", **BERLIN)
    await api.people(4, gender="male", interested_in="female", **BERLIN)
    await make(api)
    first = await see(anna)
    assert len(first) == 3
    await move_to(api, 1)
    assert await see(anna) == []
    await make(api)
    second = await see(anna)
    assert len(second) == 1
    assert not set(first) & set(second)
    await move_to(api, picks.KEPT)
    await api.app.state.db.write(picks.forget)
    assert await api.count("picks") > 0
    await move_to(api, picks.KEPT + 1)
    await api.app.state.db.write(picks.forget)
    assert await api.count("picks") == await api.count("pick_rounds") == 0


async def test_who_had_a_good_pick_lately_is_content(api: Api) -> None:
    """In the week before, by either side of it; a poor one, and one of longer ago, leave somebody lonely."""
    people = sorted([person.id for person in await api.people(7, **BERLIN)])
    db = api.app.state.db
    day = db.clock() // DAY
    rows = [
        pick_queries.Row(day - before, people[first], people[first + 1], value)
        for before, first, value in ((3, 0, picks.GOOD), (3, 2, picks.GOOD / 2), (picks.WEEK + 1, 4, 0.9))
    ]
    await db.write(pick_queries.keep, rows)
    regions = [row.region for row in await db.read(pick_queries.regions, 0)]
    pool = picks.describe(await picks.read_people(db, regions, day), day)
    assert set(pool.ids[~pool.lonely].tolist()) == set(people[:2])
    assert len(pool.ids) == 7


async def move_to(api: Api, days: int) -> None:
    """Let the picks and their rounds of before be so many days older than they are now."""

    async def age(tx: Transaction) -> None:
        newest = await tx.one(int, "SELECT MAX(day) FROM picks")
        assert newest is not None
        back = days - (tx.now // DAY - newest)
        await tx.run("UPDATE picks SET day = day - :back", back=back)
        await tx.run("UPDATE pick_rounds SET day = day - :back", back=back)

    await api.app.state.db.write(age)


async def test_small_regions_join(api: Api) -> None:
    """Two people alone in two regions of one land are a pool, and a region that is large enough is one by itself."""
    rows: list[Any] = [pick_queries.Region(1, 9, 2), pick_queries.Region(2, 9, 3), pick_queries.Region(3, 9, picks.FEW)]
    assert sorted(picks.gather(rows)) == [[1, 2], [3]]
    one = await api.person(birthday="1994-05-17", **BERLIN)
    other = await api.person(birthday="1994-05-17", **LEIPZIG)
    await make(api)
    assert await see(one) == [other.id]


async def test_parts_of_a_crowded_region_are_equal() -> None:
    """Nobody is left out, nobody is in two parts, and no part is larger than a pool may be."""
    for count in (0, 1, 4000, 4001, 9000):
        parts = list(picks.cut(list(range(count))))  # type: ignore[arg-type]
        assert [person for part in parts for person in part] == list(range(count))
        assert all(len(part) <= 4000 for part in parts)
        assert len({len(part) for part in parts}) <= 2
