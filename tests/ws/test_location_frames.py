"""L1 of the threat list in frames: whatever somebody does, no socket of another hears where they are."""

from typing import Any

from tests.api.test_location_attacks import find_places
from tests.kit import Person, Server, Socket

HOME = {"latitude": 48.2137, "longitude": 11.6176}
NEXT = {"latitude": 48.3561, "longitude": 11.7843}
AWAY = {"latitude": 52.5163, "longitude": 13.3777}
PLANTED = [number for place in (HOME, NEXT, AWAY) for number in place.values()]


async def do_everything(person: Person, stranger: Person, chat_id: int, mine: Socket) -> None:
    """Move, travel, swipe, write, type, call, boost and search: what somebody does of which others may be told."""
    for body in (NEXT, {"travel": AWAY, "location": "Берлин"}, {"travel": None, "settings": {"show_online": True}}):
        assert (await person.patch("/me", json=body)).status_code == 200
    said = await person.say(chat_id, "привет 👋")
    await person.post(f"/api/messages/{said['id']}/react", json={"emoji": "❤️"})
    await mine.send(type="typing", chat_id=chat_id)
    assert (await person.get("/profiles/search")).status_code == 200
    swiped = await person.post("/swipe", json={"target_id": stranger.id, "action": "superlike", "note": "тоже здесь"})
    assert swiped.status_code == 200, swiped.text
    assert (await person.post("/boost")).status_code == 200


async def test_no_frame_tells_where_somebody_is(server: Server) -> None:
    """A match and a stranger hear messages, typing, presence, a superlike and a match: no key of a place, no number near one."""
    boris = await server.person(birthday="1994-05-17", **HOME)
    clara, dora = await server.people(2, birthday="1994-05-17", latitude=48.25, longitude=11.65)
    chat_id = await dora.match(boris)
    frames: list[dict[str, Any]] = []
    async with server.socket(clara, "&since=0") as stranger, server.socket(dora, "&since=0") as friend:
        await friend.send(type="watch", chat_ids=[chat_id])
        async with server.socket(boris) as his:
            await do_everything(boris, clara, chat_id, his)
        await clara.like(boris)
        for socket in (stranger, friend):
            frames += await socket.quiet(0.5)
    assert {frame["type"] for frame in frames} >= {"match", "message", "typing", "presence", "superlike"}, frames
    assert [found for frame in frames if (found := find_places(frame, PLANTED))] == []
    assert find_places(NEXT, PLANTED) == list(NEXT.items())
