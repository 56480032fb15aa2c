"""What a device acknowledges is delivered: the author hears it, once, and it is kept."""

import asyncio
from typing import Any

from tests.api.messenger import make_group
from tests.kit import Person, Server


async def mark(person: Person, chat_id: int, of: Person) -> int:
    """How far messages have reached somebody, as this person sees it."""
    members = (await person.get(f"/api/chats/{chat_id}")).json()["members"]
    return next(int(member["delivered_id"]) for member in members if member["user_id"] == of.id)


async def reach(person: Person, chat_id: int, of: Person, message_id: int) -> None:
    """Wait until the mark stands there."""
    async with asyncio.timeout(10):
        while await mark(person, chat_id, of) != message_id:
            await asyncio.sleep(0.05)


def delivered(events: list[dict[str, Any]]) -> list[tuple[int, int]]:
    """Who has received up to what, as somebody was told."""
    return [(event["user_id"], event["message_id"]) for event in events if event["type"] == "delivered"]


async def test_an_acknowledged_message_is_delivered(server: Server) -> None:
    """By `ack` alone, told to the author once; acknowledging less, again, or what is not there tells nobody anything."""
    anna, boris = await server.people(2)
    room = await anna.match(boris)
    async with server.socket(boris) as socket:
        one = await anna.say(room, "раз")
        two = await anna.say(room, "два")
        await boris.say(room, "моё")
        seq = 0
        while seq < len(await boris.inbox()):
            seq = (await socket.next())["seq"]
        assert await mark(anna, room, boris) == 0
        await socket.send(type="ack", seq=seq - 2)
        await reach(anna, room, boris, one["id"])
        for again in (0, 1, seq, seq, seq - 1, seq + 1000):
            await socket.send(type="ack", seq=again)
        await reach(anna, room, boris, two["id"])
        await anna.say(room, "три")
        assert (await socket.wait("message"))["content"] == "три"
    assert delivered(await anna.inbox()) == [(boris.id, one["id"]), (boris.id, two["id"])]
    assert delivered(await boris.inbox()) == []


async def test_in_a_group_the_authors_hear_it(server: Server) -> None:
    """Whose messages have reached a device hears so; the other members do not."""
    anna, boris, clara, dmitri = await server.people(4)
    group = await make_group(anna, boris, clara, dmitri)
    message = await boris.say(group, "раз")
    async with server.socket(clara) as socket:
        await socket.send(type="ack", seq=len(await clara.inbox()))
        await reach(anna, group, clara, message["id"])
    assert [delivered(await person.inbox()) for person in (anna, boris, clara, dmitri)] == [
        [],
        [(clara.id, message["id"])],
        [],
        [],
    ]
