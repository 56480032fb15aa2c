"""A block, swept: nothing of the other side in any answer and any frame, of whatever operation there is; and none arrives late.

The operations come from the server's own OpenAPI document, so a new list or search is swept without a word here.
"""

import asyncio
import contextlib
import io
import os
import time
import zipfile
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest

from dating.documentation import document
from dating.search import indexing
from tests.kit import Person, Server
from tests.ws.test_calls import OFFER
from tests.ws.traces import find_traces

FAR = 1_900_000_000
OWN_LISTS = {"/api/users/blocked": "whom I have blocked I may take back"}
PAIRS, ROUNDS = 10, int(os.environ.get("BLOCK_ROUNDS", "2"))


async def skip_numbers(server: Server) -> None:
    """Let the next people have ids that nothing else has, so that a number in an answer is theirs."""

    async def skip(tx: Any) -> None:
        if server.app.state.db.dialect == "postgres":
            await tx.all(int, f"SELECT setval('users_id_seq', {FAR})")
        else:
            columns = "(id, username, username_key, password, created_at)"
            await tx.run(f"INSERT INTO users {columns} VALUES ({FAR}, 'far', 'far', '', 0)")
            await tx.run(f"DELETE FROM users WHERE id = {FAR}")

    await server.app.state.db.write(skip)


class Couple:
    """Two people with everything between them that two people can have, one of whom blocks the other; and a third."""

    async def meet(self, server: Server) -> "Couple":
        """Match, talk, quote, react, pin, share a group; then the block."""
        await skip_numbers(server)
        place = {"birthday": "1994-05-17", "latitude": 52.5, "longitude": 13.4}
        self.blocker = await server.person("закрывшая", name="Закрывшая Имя", bio="закрывшая био", **place)
        self.blocked = await server.person("закрытый", name="Закрытый Имя", bio="закрытый био", **place)
        self.third = await server.person("третий", **place)
        self.chat_id = await self.blocker.match(self.blocked)
        self.message_ids = []
        for person, word in ((self.blocker, "слово закрывшая"), (self.blocked, "слово закрытый")):
            message = await person.say(self.chat_id, word)
            self.message_ids.append(message["id"])
            await person.post(f"/api/messages/{message['id']}/pin", json={"on": True})
        for person, message_id in zip((self.blocked, self.blocker), self.message_ids, strict=True):
            await person.post(f"/api/messages/{message_id}/react", json={"emoji": "❤️"})
            await person.post("/chat/read", json={"chat_id": self.chat_id})
        await self.keep_away()
        await self.share_group()
        called = await self.blocker.post("/api/calls", json={"chat_id": self.chat_id, "sdp": OFFER})
        assert called.status_code == 201, called.text
        self.call_id = called.json()["id"]
        assert (await self.blocker.post(f"/api/users/{self.blocked.id}/block")).status_code == 200
        return self

    async def keep_away(self) -> None:
        """Each writes something that the other's hidden words keep away."""
        for person, other, word in ((self.blocker, self.blocked, "закрывшая"), (self.blocked, self.blocker, "закрытый")):
            assert (await other.put("/me/hidden-words", json={"words": ["тайна"]})).is_success
            self.message_ids.append((await person.say(self.chat_id, f"тайна {word}"))["id"])

    async def share_group(self) -> None:
        """A group of the third person, in which both have written."""
        for person in (self.blocker, self.blocked):
            await self.third.match(person)
        form = {"kind": "group", "name": "Походы", "member_ids": [self.blocker.id, self.blocked.id]}
        made = await self.third.post("/api/chats", json=form)
        assert made.status_code == 201, made.text
        self.group_id = made.json()["id"]
        for person, word in ((self.blocker, "группе закрывшая"), (self.blocked, "группе закрытый")):
            message = await person.say(self.group_id, word)
            await self.third.post(f"/api/messages/{message['id']}/react", json={"emoji": "👍"})
            self.message_ids.append(message["id"])

    def sides(self) -> Iterator[tuple[Person, Person, str]]:
        """Who looks, at whom, and a piece of every word and name of theirs."""
        yield self.blocker, self.blocked, "закрытый"
        yield self.blocked, self.blocker, "закрывшая"


def list_addresses(server: Server, couple: Couple, hidden: Person, word: str) -> Iterator[str]:
    """Every GET of the document, about whatever there is between the two, and searching for the other by name where it can."""
    values = {
        "user_id": [hidden.id, couple.third.id],
        "username": [hidden.username],
        "chat_id": [couple.chat_id, couple.group_id],
        "message_id": couple.message_ids,
        "call_id": [couple.call_id],
    }
    for path, item in document(server.app)["paths"].items():
        if "get" in item:
            names = [part["name"] for part in item["get"].get("parameters", []) if part["in"] == "path"]
            searched = [part["name"] for part in item["get"].get("parameters", []) if part["in"] == "query"]
            queries = ["", f"?q={word}"] if "q" in searched else [""]
            for value in values.get(names[0], [1]) if names else [None]:
                for query in queries:
                    yield path.format(**dict.fromkeys(names, value)) + query


def unpack(content: bytes) -> str:
    """The texts of an archive, without the list of whom I have blocked."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return "\n".join(archive.read(name).decode() for name in archive.namelist() if name != "blocks.json")


async def test_no_answer_shows_the_other_side(server: Server) -> None:
    """Every GET, asked by both: no id, no name, no word of the other."""
    couple = await Couple().meet(server)
    await indexing.keep_up(server.app.state.db, "a test")
    assert len((await couple.third.get("/api/search?type=messages&q=закрытый")).json()["messages"]) == 1
    found, asked, shown = [], 0, 0
    for reader, hidden, word in couple.sides():
        for address in list_addresses(server, couple, hidden, word):
            if address in OWN_LISTS and reader is couple.blocker:
                continue
            answer = await reader.get(address)
            assert answer.status_code < 500, address
            asked += 1
            shown += f'"{couple.third.username}"' in answer.text
            text = unpack(answer.content) if answer.headers["content-type"] == "application/zip" else answer.text
            if answer.status_code < 400 and (traces := find_traces(text, hidden.id, word)):
                found.append(f"{address}: {traces}")
    assert found == []
    assert asked > 50
    assert shown > 4  # whom they may see they do see


async def test_no_frame_shows_the_other_side(server: Server) -> None:
    """A resume from the beginning, and everything that the other and a third do afterwards: the same for both sockets."""
    couple = await Couple().meet(server)
    for reader, hidden, word in couple.sides():
        async with server.socket(reader, "&since=0") as socket, server.socket(hidden) as foreign:
            await hidden.post("/messages/send", json={"chat_id": couple.chat_id, "content": f"ещё {word}"})
            said = await hidden.say(couple.group_id, f"группе ещё {word}")
            await hidden.post(f"/api/messages/{said['id']}/edit", json={"content": f"правка {word}"})
            await hidden.post(f"/api/messages/{said['id']}/react", json={"emoji": "❤️"})
            await hidden.post("/chat/read", json={"chat_id": couple.group_id})
            await foreign.send(type="typing", chat_id=couple.group_id)
            await foreign.send(type="typing", chat_id=couple.chat_id)
            await hidden.patch("/me", json={"bio": f"новое {word}"})
            await hidden.post(f"/api/messages/{said['id']}/delete", json={})
            frames = msgspec.json.encode(await socket.quiet(1)).decode()
        assert find_traces(frames, hidden.id, word) == []
        assert '"seq"' in frames


class Talk:
    """Somebody who writes to another all the time, until the other blocks and unblocks, again and again."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.latest = 0.0

    async def run(self) -> None:
        """Talk through all the rounds."""
        self.one, self.other = await self.server.people(2)
        self.chat_id = await self.one.match(self.other)
        async with self.server.socket(self.one) as socket, self.server.socket(self.other) as foreign:
            writing = asyncio.create_task(self.write(foreign))
            for _ in range(ROUNDS):
                await socket.wait("message", 30)
                await self.block(socket)
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing

    async def write(self, foreign: Any) -> None:
        """Send and type without a pause; refused while blocked."""
        while True:
            await self.other.post("/messages/send", json={"chat_id": self.chat_id, "content": "слово"})
            await foreign.send(type="typing", chat_id=self.chat_id)
            await asyncio.sleep(0.01)

    async def block(self, socket: Any) -> None:
        """Block, and see how long after the answer something of the other still comes."""
        assert (await self.one.post(f"/api/users/{self.other.id}/block")).status_code == 200
        blocked_at = time.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(1.3):
                while True:
                    frame = await socket.next()
                    if frame.get("user_id") == self.other.id:
                        self.latest = max(self.latest, time.monotonic() - blocked_at)
        assert (await self.one.delete(f"/api/users/{self.other.id}/block")).status_code == 200


async def test_the_last_foreign_frame_comes_within_a_second(server: Server) -> None:
    """Ten pairs in a running conversation, blocked again and again (`BLOCK_ROUNDS=20`: 200 blocks)."""
    talks = [Talk(server) for _ in range(PAIRS)]
    await asyncio.gather(*[talk.run() for talk in talks])
    latest = max(talk.latest for talk in talks)
    print(f"{PAIRS * ROUNDS} blocks: the last foreign frame came {latest * 1000:.1f} ms after the answer")
    assert latest < 1


@pytest.mark.parametrize("text", ['{"user_id": 7}', "[1, 7]", '"ЗАКРЫТЫЙ имя"', '{"a": {"b": [{"c": "7"}]}}'])
def test_the_sweep_finds_what_it_looks_for(text: str) -> None:
    """The check itself sees an id anywhere and a word in any case."""
    assert find_traces(text, 7, "закрытый")
    assert not find_traces('{"user_id": 17, "bio": "открытый"}', 7, "закрытый")
