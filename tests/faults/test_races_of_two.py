"""Races between two processes: eight racers at a barrier, half of them on each, and one outcome that everybody agrees on."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from typing import Any, NamedTuple

import httpx
import msgspec
import pytest
import websockets

from dating.database import Database, connect
from dating.realtime import inbox
from dating.settings import Settings
from tests.cluster.conftest import Remote, environment, remote
from tests.cluster.valkey import Valkey
from tests.kit import CHEAP, PASSWORD, Person, Postgres, Process, names
from tests.post import PostOffice, post_office

STANDING = "SELECT unanswered, appeal FROM standings WHERE user_id = :user_id"
RACERS = 8
ROUNDS = 12


class Two(NamedTuple):
    """Two processes, what they share, and where their mail arrives."""

    here: Remote
    there: Remote
    db: Database
    office: PostOffice

    def spread(self, person: Person, count: int = RACERS) -> list[Person]:
        """The person on either process, in turns."""
        return [(self.here, self.there)[number % 2].take(person) for number in range(count)]

    async def told(self, person: Person) -> list[str]:
        """The types of the events that a person was told, in their order."""
        entries = await self.db.read(inbox.since, person.id, 0, 1000)
        return [msgspec.json.decode(entry.event)["type"] for entry in entries]

    async def heard(self, person: Person, chat_id: int) -> list[int | str]:
        """What a person was told about a chat, in its order: ids of messages, and types of other events."""
        entries = await self.db.read(inbox.since, person.id, 0, 1000)
        events = [event for entry in entries if (event := msgspec.json.decode(entry.event)).get("chat_id") == chat_id]
        return [event["id"] if event["type"] == "message" else event["type"] for event in events]

    async def mailed(self, address: str) -> str:
        """The code in the latest letter to an address."""
        async with asyncio.timeout(10):
            while not any(letter["To"] == address for letter in self.office.letters):
                await asyncio.sleep(0.005)
        [*_, number] = [n for n, letter in enumerate(self.office.letters) if letter["To"] == address]
        return await self.office.code(number + 1)


@pytest.fixture(scope="module")
async def two(postgres: Postgres, postgres_template: str, shared_valkey: Valkey) -> AsyncIterator[Two]:
    """Two `dating serve`, for all races."""
    name = f"races_{next(names)}"
    settings = Settings(database_url=postgres.create(name, postgres_template), redis_url=shared_valkey.url, **CHEAP)
    db = connect(settings)
    await db.open()
    async with post_office() as office:
        given = environment(settings) | {"DATING_SMTP_URL": f"smtp://127.0.0.1:{office.port}"}
        processes = await asyncio.gather(*[Process(**given).start() for _ in range(2)])
        async with remote(processes[0]) as here, remote(processes[1]) as there:
            yield Two(here, there, db, office)
        for process in processes:
            process.kill()
    await db.close()
    postgres.drop(name)


async def race(*runners: Coroutine[Any, Any, Any]) -> list[Any]:
    """Start everybody at the same moment; what each got."""
    barrier = asyncio.Barrier(len(runners))

    async def run(runner: Coroutine[Any, Any, Any]) -> Any:
        await barrier.wait()
        return await runner

    return await asyncio.gather(*[run(runner) for runner in runners])


def count(answers: list[httpx.Response]) -> Counter[int]:
    """How many of each status."""
    return Counter(answer.status_code for answer in answers)


def like(one: Person, other: Person) -> Coroutine[Any, Any, httpx.Response]:
    """A like that has not started yet."""
    return one.post("/swipe", json={"target_id": other.id, "action": "like"})


async def test_one_ticket(two: Two) -> None:
    """Of eight sockets with one token exactly one is admitted."""
    anna = await two.here.person()

    async def enter(server: Remote, token: str) -> int:
        try:
            async with server.connect(f"/ws/chat?session={token}"):
                return 101
        except websockets.InvalidStatus as refusal:
            return refusal.response.status_code

    for _ in range(ROUNDS):
        token = (await anna.post("/ws/start")).json()["session_token"]
        answers = await race(*[enter((two.here, two.there)[number % 2], token) for number in range(RACERS)])
        assert Counter(answers) == {101: 1, 401: RACERS - 1}


async def test_one_code_to_verify(two: Two) -> None:
    """Of eight devices with one mailed code exactly one gets in."""
    for number in range(ROUNDS):
        address = f"verify{number}@example.org"
        anna = await two.here.person(email=address)
        body = {"email": address, "code": await two.mailed(address)}
        answers = await race(*[racer.post("/api/auth/verify-code", json=body) for racer in two.spread(anna)])
        assert count(answers) == {200: 1, 401: RACERS - 1}


async def test_one_code_to_reset(two: Two) -> None:
    """Of eight new passwords with one mailed code exactly one is taken, and it is the one that signs in."""
    for number in range(4):
        address = f"reset{number}@example.org"
        anna = await two.here.person(email=address)
        await anna.post("/api/auth/verify-code", json={"email": address, "code": await two.mailed(address)})
        before = len(two.office.letters)
        await anna.post("/api/auth/password/forgot", json={"email": address})
        await two.office.wait(before + 1)
        body = {"email": address, "code": await two.mailed(address)}
        passwords = [f"new correct horse {number}" for number in range(RACERS)]
        racers = zip(two.spread(anna), passwords, strict=True)
        answers = await race(*[one.post("/api/auth/password/reset", json=body | {"password": new}) for one, new in racers])
        assert count(answers) == {200: 1, 401: RACERS - 1}
        logins = [await anna.post("/login", json={"username": anna.username, "password": new}) for new in passwords]
        assert [login.status_code == 200 for login in logins] == [answer.status_code == 200 for answer in answers]


async def test_one_refresh_token(two: Two) -> None:
    """Eight devices that refresh with one token all get the same successor, and the session lives on."""
    for _ in range(ROUNDS):
        anna = await two.here.person()
        body = {"refresh_token": anna.refresh_token}
        answers = await race(*[racer.post("/refresh", json=body) for racer in two.spread(anna)])
        assert count(answers) == {200: RACERS}
        [successor] = {answer.json()["refresh_token"] for answer in answers}
        assert (await anna.post("/refresh", json={"refresh_token": successor})).status_code == 200


async def test_one_message(two: Two) -> None:
    """A message sent eight times over is one message with one answer, told once."""
    anna, boris = await two.here.people(2)
    chat_id = await anna.match(boris)
    for number in range(ROUNDS):
        body = {"chat_id": chat_id, "content": "Привет 🎉", "client_id": f"{number}"}
        answers = await race(*[racer.post("/messages/send", json=body) for racer in two.spread(anna)])
        assert count(answers) == {201: 1, 200: RACERS - 1}
        assert len({answer.json()["id"] for answer in answers}) == 1
    assert Counter(await two.told(boris)) == {"match": 1, "message": ROUNDS}


async def test_one_match(two: Two) -> None:
    """Both like each other from four devices each: one match, one chat, each told once."""
    for _ in range(ROUNDS):
        anna, boris = await two.here.people(2)
        likes = [
            like(*sides) for a, b in zip(two.spread(anna, 4), two.spread(boris, 4), strict=True) for sides in ((a, b), (b, a))
        ]
        answers = await race(*likes)
        assert count(answers) == {200: RACERS}
        matched = [answer.json() for answer in answers if answer.json()["status"] == "match"]
        assert matched
        assert len({answer["chat_id"] for answer in matched}) == 1
        assert await two.told(anna) == await two.told(boris) == ["match"]


async def test_fifty_likes_of_one_person(two: Two) -> None:
    """Fifty people like one at the same moment, on both processes: nobody is sent away, and the ranking learns of each."""
    anna, *admirers = await two.here.people(51)
    answers = await race(*[like((two.here, two.there)[number % 2].take(one), anna) for number, one in enumerate(admirers)])
    assert count(answers) == {200: 50}

    class Standing(msgspec.Struct):
        unanswered: int
        appeal: float

    [standing] = await two.db.read(lambda tx: tx.all(Standing, STANDING, user_id=anna.id))
    assert standing.unanswered == 50
    assert standing.appeal > 0


async def test_a_like_and_a_block(two: Two) -> None:
    """A like that would match races a block: both are told of a match that was first, or neither; nothing of it is left.

    What was told before the block is read after it, and hidden by it.
    """
    for _ in range(ROUNDS):
        anna, boris = await two.here.people(2)
        await like(anna, boris)
        *answers, blocked = await race(
            *[like(racer, anna) for racer in two.spread(boris, RACERS - 1)],
            two.there.take(anna).post(f"/api/users/{boris.id}/block"),
        )
        assert blocked.status_code in (200, 201, 204), blocked.text
        assert set(count(answers)) <= {200, 404}
        matched = any(answer.status_code == 200 and answer.json()["status"] == "match" for answer in answers)
        assert (await two.told(anna))[:1] == (await two.told(boris))[:1] == ["hidden"] * matched
        for person in (anna, boris):
            assert (await person.get("/matches")).json() == (await person.get("/chats")).json() == []


async def test_a_like_and_an_unmatch(two: Two) -> None:
    """One ends the match while the other likes again and again: it is over for both, told once to each."""
    for _ in range(ROUNDS):
        anna, boris = await two.here.people(2)
        await anna.match(boris)
        *answers, ended = await race(
            *[like(racer, anna) for racer in two.spread(boris, RACERS - 1)],
            two.there.take(anna).delete(f"/matches/{boris.id}"),
        )
        assert (set(count(answers)), ended.status_code) == ({200}, 200)
        assert await two.told(anna) == await two.told(boris) == ["match", "unmatch"]
        for person in (anna, boris):
            assert (await person.get("/matches")).json() == []


@pytest.mark.parametrize("farewell", ["unmatch", "account"])
async def test_an_end_and_sends(two: Two, farewell: str) -> None:
    """Sends race the end of the match or of the other's account: answered ones were told before the end, and none after it."""
    for number in range(ROUNDS):
        anna, boris = await two.here.people(2)
        chat_id = await anna.match(boris)
        bodies = [{"chat_id": chat_id, "content": "Ещё 💬", "client_id": f"{number}-{n}"} for n in range(RACERS - 1)]
        leaver = two.there.take(boris)
        leave = (
            leaver.delete(f"/matches/{anna.id}") if farewell == "unmatch" else leaver.delete("/me", json={"password": PASSWORD})
        )
        sends = [racer.post("/messages/send", json=body) for racer, body in zip(two.spread(anna), bodies, strict=False)]
        *answers, left = await race(*sends, leave)
        assert left.status_code == 200, left.text
        assert set(count(answers)) <= {201, 404}
        assert await two.told(anna) == ["match", *["message"] * count(answers)[201], "unmatch"]
        late = await two.there.take(anna).post("/messages/send", json={"chat_id": chat_id, "content": "Алло?"})
        assert late.status_code == 404


@pytest.mark.parametrize("owner_leaves", [True, False])
async def test_a_leaving_and_sends(two: Two, owner_leaves: bool) -> None:
    """Sends into a group race `DELETE /api/chats/{id}`: who leaves was told all that came before it, and nothing after it."""
    for number in range(ROUNDS // 2):
        anna, boris, vera = await two.here.people(3)
        await anna.match(boris)
        await anna.match(vera)
        group = {"kind": "group", "name": "Поход 🏔", "member_ids": [boris.id, vera.id]}
        chat_id = (await anna.post("/api/chats", json=group)).json()["id"]
        leaver = anna if owner_leaves else boris
        racers = [*two.spread(leaver, 3), *two.spread(vera, RACERS - 4)]
        bodies = [{"chat_id": chat_id, "content": "Ещё 💬", "client_id": f"{number}-{n}"} for n in range(len(racers))]
        sends = [racer.post("/messages/send", json=body) for racer, body in zip(racers, bodies, strict=True)]
        *answers, left = await race(*sends, two.there.take(leaver).delete(f"/api/chats/{chat_id}"))
        assert left.status_code == 200, left.text
        assert set(count(answers[:3])) <= {201, 404}
        assert set(count(answers[3:])) == {201}
        heard = await two.heard(vera, chat_id)
        before = heard.index("member_left")
        assert await two.heard(leaver, chat_id) == heard[: before + 1]
        said = [event for event in heard if isinstance(event, int)]
        assert sorted(said) == sorted(answer.json()["id"] for answer in answers if answer.status_code == 201)
        late = await two.there.take(leaver).post("/messages/send", json={"chat_id": chat_id, "content": "Алло?"})
        assert late.status_code == 404
