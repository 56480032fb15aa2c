"""Presence: who is shown to be online, to whom, and when it is told; and what typing says."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from dating.settings import Settings
from tests.kit import Server, Socket, serving

ROUND = 0.1


@pytest.fixture
async def quick(settings: Settings) -> AsyncIterator[Server]:
    """A server whose rounds are short."""
    async with serving(msgspec.structs.replace(settings, presence_seconds=ROUND)) as server:
        yield server


async def watch(socket: Socket, *chats: int) -> None:
    await socket.send(type="watch", chat_ids=list(chats))


def is_hour(text: str) -> bool:
    """Whether a time tells the hour and nothing finer."""
    return text.endswith(":00:00.000Z")


async def test_comings_and_goings_are_told(quick: Server) -> None:
    """Who watches a chat hears how things stand, then each change once, with the time last seen when somebody is away."""
    anna, boris = await quick.people(2)
    chat = await anna.match(boris)
    async with quick.socket(anna) as hers:
        await watch(hers, chat)
        away = await hers.next()
        assert (away["type"], away["user_id"], away["online"]) == ("presence", boris.id, False)
        assert away["last_seen"].endswith("0:00.000Z"), "to ten minutes"
        async with quick.socket(boris):
            assert await hers.next() == {"type": "presence", "user_id": boris.id, "online": True}
            assert await hers.quiet() == []
        gone = await hers.next()
        assert (gone["user_id"], gone["online"]) == (boris.id, False)
        assert await hers.quiet() == []


async def test_a_reconnect_is_no_going(settings: Settings) -> None:
    """Whoever is back before three rounds are over was never away."""
    async with serving(msgspec.structs.replace(settings, presence_seconds=0.5)) as server:
        anna, boris = await server.people(2)
        chat = await anna.match(boris)
        async with server.socket(anna) as hers:
            async with server.socket(boris):
                await watch(hers, chat)
                assert (await hers.next())["online"] is True
            async with server.socket(boris):
                assert await hers.quiet(1.5) == []


async def test_only_who_watches_hears(quick: Server) -> None:
    """Without `watch`, and after the chat has left the screen, nothing is told; the watched one hears nothing either."""
    anna, boris = await quick.people(2)
    chat = await anna.match(boris)
    async with quick.socket(anna) as hers:
        async with quick.socket(boris) as his:
            assert await hers.quiet() == []
            await watch(hers, chat)
            assert (await hers.next())["online"] is True
            await watch(hers)
            assert await his.quiet() == []
        assert await hers.quiet(8 * ROUND) == []


async def test_strangers_see_nothing(quick: Server) -> None:
    """A chat that is not mine cannot be watched, not even among others that are; ten comings and goings give no frame."""
    anna, boris, clara = await quick.people(3)
    chat, other = await anna.match(boris), await anna.match(clara)
    async with quick.socket(clara) as strangers:
        await watch(strangers, other, chat)
        answer = await strangers.next()
        assert (answer["type"], answer["code"]) == ("error", "chat_not_found")
        for _ in range(10):
            async with quick.socket(boris):
                await asyncio.sleep(ROUND / 2)
        assert await strangers.quiet() == []


@pytest.mark.parametrize("end", ["block", "blocked", "unmatch", "switched off"])
async def test_nothing_is_told_after_the_end(quick: Server, end: str) -> None:
    """After a block by either, an unmatch, or when the other shows it no more, comings and goings are theirs alone."""
    anna, boris = await quick.people(2)
    chat = await anna.match(boris)
    async with quick.socket(anna) as hers:
        await watch(hers, chat)
        assert (await hers.next())["online"] is False
        match end:
            case "block":
                await anna.post(f"/api/users/{boris.id}/block")
            case "blocked":
                await boris.post(f"/api/users/{anna.id}/block")
            case "unmatch":
                await boris.delete(f"/matches/{anna.id}")
            case _:
                answer = await boris.patch("/me", json={"settings": {"show_last_active": False}})
                assert answer.status_code == 200, answer.text
        async with quick.socket(boris):
            assert [frame for frame in await hers.quiet(8 * ROUND) if frame["type"] == "presence"] == []


async def test_chat_partners_see_the_hour(quick: Server) -> None:
    """Who talks without a match is told the hour at which the other was last seen, not more; a request shows nothing."""
    anna, boris = await quick.people(2)
    await boris.patch("/me", json={"settings": {"messages_from": "everyone"}})
    opened = await anna.post("/api/chats", json={"kind": "direct", "member_ids": [boris.id]})
    async with quick.socket(anna) as hers:
        await watch(hers, opened.json()["id"])
        assert await hers.quiet(0.5) == []
    await boris.post(f"/api/chats/{opened.json()['id']}/accept")
    async with quick.socket(anna) as hers:
        await watch(hers, opened.json()["id"])
        assert is_hour((await hers.wait("presence"))["last_seen"])


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ({"chat_ids": list(range(1, 52))}, "bad_frame"),
        ({"chat_ids": [0]}, "bad_frame"),
        ({"chat_ids": "1"}, "bad_frame"),
        ({}, "bad_frame"),
        ({"chat_ids": [2**53 - 1]}, "chat_not_found"),
    ],
    ids=str,
)
async def test_bad_frames(quick: Server, frame: dict[str, Any], code: str) -> None:
    """Too many chats, no numbers, or chats that are not there get an error; the socket goes on."""
    anna = await quick.person()
    async with quick.socket(anna) as hers:
        await hers.send(type="watch", **frame)
        assert (await hers.next())["code"] == code
        await hers.send(type="ping")
        assert (await hers.next())["type"] == "pong"


async def test_typing_says_what(quick: Server) -> None:
    """A voice note that is being recorded is told as such; anything else is not a frame."""
    anna, boris = await quick.people(2)
    chat = await anna.match(boris)
    async with quick.socket(anna) as hers, quick.socket(boris) as his:
        await hers.send(type="typing", chat_id=chat, what="voice")
        assert await his.next() == {"type": "typing", "chat_id": chat, "user_id": anna.id, "what": "voice"}
        await hers.send(type="typing", chat_id=chat, what="dance")
        assert (await hers.next())["code"] == "bad_frame"
