"""Races between swipes, blocks and unmatches: many at once, and whatever the order, one outcome that both sides agree on."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from dating.database import Transaction
from dating.errors import Refusal
from dating.matching import service as matching
from dating.matching.limits import Limits
from dating.matching.models import SwipeAnswer
from dating.realtime import inbox
from dating.realtime.events import Pong
from dating.safety import service as safety
from dating.settings import Settings
from tests.kit import PASSWORD, Api, Person, running

ROUNDS = 60
BLOCKED = Pong()  # told with a block, to see in both inboxes what came before it and what after


async def race(*runners: Any) -> list[Any]:
    """Start everybody at the same moment; what each got, a refusal as such."""
    barrier = asyncio.Barrier(len(runners))

    async def run(runner: Any) -> Any:
        await barrier.wait()
        return await runner

    results = await asyncio.gather(*[run(runner) for runner in runners], return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException) and not isinstance(result, Refusal):
            raise result
    return results


async def populate(api: Api, count: int) -> list[int]:
    """People made in the database, without passwords or sessions: nobody signs in here."""

    async def insert(tx: Transaction) -> list[int]:
        await tx.many(
            "INSERT INTO users (username, username_key, password, created_at) VALUES (:name, :name, '', 0)",
            [{"name": f"racer{number}"} for number in range(count)],
        )
        return await tx.all(int, "SELECT id FROM users WHERE password = '' ORDER BY id")

    return list(await api.app.state.db.write(insert))


async def events(api: Api) -> Counter[tuple[int, str, int]]:
    """How often each person was told each type of event about each other person."""

    class Entry(msgspec.Struct):
        user_id: int
        event: str

    async def read(tx: Transaction) -> list[Entry]:
        return await tx.all(Entry, "SELECT user_id, event FROM inbox")

    rows = [(row.user_id, msgspec.json.decode(row.event)) for row in await api.app.state.db.read(read)]
    return Counter((user_id, event["type"], event["user_id"]) for user_id, event in rows)


async def told(api: Api, user_id: int) -> list[str]:
    """The types of the events that a person was told, in their order."""
    entries = await api.app.state.db.read(inbox.since, user_id, 0, 1000)
    return [msgspec.json.decode(entry.event)["type"] for entry in entries]


async def count_matches(api: Api) -> int:
    return await api.count("pairs WHERE matched_at IS NOT NULL")


def like(api: Api, one: int, other: int) -> Any:
    """A like that has not started yet."""
    return api.app.state.db.write(matching.swipe, one, other, "like")


async def test_two_thousand_mutual_likes_at_once(api: Api) -> None:
    """Two thousand pairs like each other in one microsecond: two thousand matches and chats, each announced once to each side.

    Fifty likes of one person at once may outlast the deadline of a lock: whoever is told 503 asks again.
    """
    people = await populate(api, 90)
    pairs = [(one, other) for one in people[:40] for other in people[40:]]
    moment = api.app.state.db.clock()
    api.app.state.db.clock = lambda: moment
    waiting = [side for one, other in pairs for side in ((one, other), (other, one))]
    statuses: Counter[Any] = Counter()
    while waiting:
        answers = await race(*[like(api, *side) for side in waiting])
        statuses.update(answer.status for answer in answers)
        waiting = [side for side, answer in zip(waiting, answers, strict=True) if answer.status == 503]
    assert {status: count for status, count in statuses.items() if status != 503} == {"match": 2000, "like": 2000}
    assert await count_matches(api) == await api.count("chats") == await api.count("messages") == 2000
    expected = {(one, "match", other) for pair in pairs for one, other in (pair, pair[::-1])}
    assert await events(api) == Counter(expected)


async def test_mutual_likes_over_http(api: Api) -> None:
    """The same through the door: everybody likes everybody at once, and every two have one match."""
    people = await api.people(12)
    answers = await race(*[one.like(other) for one in people for other in people if one is not other])
    assert Counter(answer["status"] for answer in answers) == {"match": 66, "like": 66}
    for person in people:
        told = [event["user_id"] for event in await person.inbox()]
        assert sorted(told) == sorted(other.id for other in people if other is not person)


async def test_many_devices_like_at_once(api: Api) -> None:
    """Both sides like each other from several devices at once: one match, one chat, announced once, one answer for all."""
    people = await populate(api, 2 * ROUNDS)
    pairs = list(zip(people[::2], people[1::2], strict=True))
    for one, other in pairs:
        answers = await race(*[like(api, *side) for side in ((one, other), (other, one)) for _ in range(4)])
        matched = [answer for answer in answers if answer.status == "match"]
        assert matched
        assert len({answer.chat_id for answer in matched}) == 1
    expected = {(one, "match", other) for pair in pairs for one, other in (pair, pair[::-1])}
    assert await events(api) == Counter(expected)


@pytest.fixture
async def frugal(settings: Settings) -> AsyncIterator[Api]:
    """A server with fifty likes a day."""
    async with running(msgspec.structs.replace(settings, likes_per_day=50)) as api:
        yield api


async def test_a_hundred_racers_for_fifty_likes(frugal: Api) -> None:
    """A hundred likes at once with fifty a day: exactly fifty are accepted, the others are told that none is left."""
    anna: Person = await frugal.person()
    targets = await populate(frugal, 100)
    answers = await race(*[anna.post("/swipe", json={"target_id": target, "action": "like"}) for target in targets])
    assert Counter(answer.status_code for answer in answers) == {200: 50, 429: 50}
    assert {answer.json()["left"] for answer in answers if answer.status_code == 429} == {0}
    assert await frugal.count("pairs") == 50
    assert await frugal.count("likes_used WHERE used = 50") == 1


async def test_one_like_from_many_devices_is_spent_once(frugal: Api) -> None:
    """The same like from eight devices at once costs one like."""
    one, other = await populate(frugal, 2)
    await race(*[frugal.app.state.db.write(matching.swipe, one, other, "like", Limits(like=50)) for _ in range(8)])
    assert await frugal.count("likes_used WHERE used = 1") == 1


async def test_a_block_wins_over_every_later_delivery(api: Api) -> None:
    """A like that would match races a block: both are told of the match before the block, or neither ever is.

    What was told before reads as hidden once the block is there. Each of the two goes first half the time.
    """
    db = api.app.state.db
    people = await populate(api, 2 * ROUNDS)

    async def block(tx: Transaction, one: int, other: int) -> None:
        await safety.block(tx, one, other)
        await inbox.tell(tx, [one, other], BLOCKED)

    for number, (one, other) in enumerate(zip(people[::2], people[1::2], strict=True)):
        await like(api, one, other)
        racers = [like(api, other, one), db.write(block, one, other)]
        answer, _ = await race(*racers) if number % 2 else reversed(await race(*reversed(racers)))
        if isinstance(answer, SwipeAnswer):
            assert answer.status == "match"
            assert await told(api, one) == await told(api, other) == ["hidden", "pong"]
        else:
            assert isinstance(answer, safety.NoSuchPerson)
            assert await told(api, one) == await told(api, other) == ["pong"]


async def test_a_block_in_the_middle_of_a_match(settings: Settings) -> None:
    """A block that is about to commit while a match is being made stops it; the match's transaction leaves nothing behind."""
    async with running(settings) as api:
        db = api.app.state.db
        one, other = await populate(api, 2)
        await like(api, one, other)
        held, done = asyncio.Event(), asyncio.Event()

        async def block(tx: Transaction) -> None:
            await safety.block(tx, one, other)
            if db.dialect == "postgres":  # SQLite has one writer: nothing can be in the middle of anything
                held.set()
                await done.wait()

        blocking = asyncio.create_task(db.write(block))
        if db.dialect == "postgres":
            await held.wait()
        else:
            await blocking
        matching_now = asyncio.create_task(like(api, other, one))
        await asyncio.sleep(0.1)
        done.set()
        await blocking
        with pytest.raises(safety.NoSuchPerson):
            await matching_now
        assert await count_matches(api) == await api.count("chats") == await api.count("inbox") == 0


async def test_a_like_races_an_unmatch(api: Api) -> None:
    """One ends the match while the other likes again: it is over for both, told once to each, and no second match is made."""
    people = await populate(api, 2 * ROUNDS)
    pairs = list(zip(people[::2], people[1::2], strict=True))
    for one, other in pairs:
        await like(api, one, other)
        await like(api, other, one)
        answer, ended = await race(like(api, other, one), api.app.state.db.write(matching.unmatch, one, other))
        assert answer.status in ("like", "match")
        assert ended.status == "unmatched"
    assert await count_matches(api) == await api.count("chats WHERE closed_at IS NULL") == 0
    expected = {(one, kind, other) for pair in pairs for one, other in (pair, pair[::-1]) for kind in ("match", "unmatch")}
    assert await events(api) == Counter(expected)


async def test_both_unmatch_at_once(api: Api) -> None:
    """Both end the match at the same moment: one does, the other finds none; each is told once."""
    people = await populate(api, 2 * ROUNDS)
    pairs = list(zip(people[::2], people[1::2], strict=True))
    for one, other in pairs:
        await like(api, one, other)
        await like(api, other, one)
        write = api.app.state.db.write
        results = await race(write(matching.unmatch, one, other), write(matching.unmatch, other, one))
        assert sum(isinstance(result, matching.NoSuchMatch) for result in results) == 1
    expected = {(one, kind, other) for pair in pairs for one, other in (pair, pair[::-1]) for kind in ("match", "unmatch")}
    assert await events(api) == Counter(expected)


async def test_an_undo_races_the_other_like(api: Api) -> None:
    """One takes the like back while the other returns it: either it was a match and stays one, or there never was one."""
    people = await populate(api, 2 * ROUNDS)
    matches = 0
    for one, other in zip(people[::2], people[1::2], strict=True):
        await like(api, one, other)
        undone, answer = await race(api.app.state.db.write(matching.undo, one), like(api, other, one))
        if isinstance(undone, matching.AlreadyMatched):
            assert answer.status == "match"
            matches += 1
        else:
            assert (undone.target_id, answer.status) == (other, "like")
    assert await count_matches(api) == matches
    assert (await events(api)).total() == 2 * matches


async def test_a_like_races_a_deletion(api: Api) -> None:
    """A like that would match races the end of either account: who stays was told of a match and of its end, or of neither."""
    leaving = {"json": {"password": PASSWORD}}
    for _ in range(6):
        for leaver_likes in (True, False):
            stayer, leaver = await api.people(2)
            first, second = (stayer, leaver) if leaver_likes else (leaver, stayer)
            await first.like(second)
            like_back = second.post("/swipe", json={"target_id": first.id, "action": "like"})
            answer, gone = await race(like_back, leaver.delete("/me", **leaving))
            assert gone.status_code == 200, gone.text
            assert answer.status_code in (200, 401, 404)
            assert await stayer.told() in ([], ["match", "unmatch"])
            assert (await stayer.get("/matches")).json() == (await stayer.get("/chats")).json() == []
            assert (await stayer.get("/followers")).json() == []


async def test_clearing_races_likes(api: Api) -> None:
    """Everybody likes everybody while one clears their swipes: for every two, the last word told is what the database says."""
    people = await populate(api, 12)
    db = api.app.state.db
    swipes = [like(api, one, other) for one in people for other in people if one != other]
    await race(*swipes, *[db.write(matching.clear, people[0], True) for _ in range(3)])
    told = await events(api)
    for one in people:
        for other in people:
            if one < other:
                found = await api.count(f"pairs WHERE low_id = {one} AND high_id = {other} AND matched_at IS NOT NULL")
                for side in ((one, other), (other, one)):
                    assert told[side[0], "match", side[1]] - told[side[0], "unmatch", side[1]] == found
