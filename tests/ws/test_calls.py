"""Calls: the exact frames of the two sides, and every way in which a call can end or be refused."""

from typing import Any

import pytest

from dating.calls import service
from dating.clock import SECOND
from tests.kit import Api, Person, Server, Socket

OFFER, ANSWER = "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n", "v=0\r\no=- 2 2 IN IP4 192.0.2.2\r\n"
CANDIDATE = "candidate:1 1 udp 2122260223 192.0.2.7 50123 typ host"


async def call(person: Person, chat_id: int, **fields: Any) -> dict[str, Any]:
    answer = await person.post("/api/calls", json={"chat_id": chat_id, "sdp": OFFER, **fields})
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def do(person: Person, call_id: int, what: str, status: int = 200, **fields: Any) -> dict[str, Any]:
    answer = await person.post(f"/api/calls/{call_id}/{what}", **({"json": fields} if fields else {}))
    assert answer.status_code == status, answer.text
    return dict(answer.json())


async def frames(socket: Socket, count: int) -> list[dict[str, Any]]:
    """The next frames, without their numbers."""
    found = [await socket.next() for _ in range(count)]
    return [{name: value for name, value in frame.items() if name != "seq"} for frame in found]


async def test_the_frames_of_both_sides(server: Server) -> None:
    """Offer, answer, candidates both ways and the end, frame by frame, on both devices of the one who is called."""
    anna, boris, clara = await server.people(3)
    chat = await anna.match(boris)
    async with (
        server.socket(anna) as hers,
        server.socket(boris) as phone,
        server.socket(boris) as tablet,
        server.socket(clara) as strangers,
    ):
        ringing = await call(anna, chat, media="video")
        number = ringing["id"]
        assert (ringing["state"], ringing["caller_id"], ringing["callee_id"]) == ("ringing", anna.id, boris.id)
        event = {"type": "call", "call_id": number, "chat_id": chat, "media": "video"}
        offer = {"type": "signal", "call_id": number, "user_id": anna.id, "n": 1, "kind": "offer", "payload": OFFER}
        assert await frames(hers, 1) == [event | {"user_id": anna.id, "state": "ringing"}]
        for device in (phone, tablet):
            assert await frames(device, 2) == [event | {"user_id": anna.id, "state": "ringing"}, offer]
        await do(anna, number, "signal", kind="ice", payload=CANDIDATE)
        answered = await do(boris, number, "answer", sdp=ANSWER)
        assert answered["state"] == "answered"
        assert [(one["n"], one["kind"]) for one in answered["signals"]] == [(1, "offer"), (2, "ice")]
        assert (await do(boris, number, "signal", kind="ice", payload=CANDIDATE))["n"] == 4
        assert await frames(hers, 3) == [
            event | {"user_id": boris.id, "state": "answered"},
            {"type": "signal", "call_id": number, "user_id": boris.id, "n": 3, "kind": "answer", "payload": ANSWER},
            {"type": "signal", "call_id": number, "user_id": boris.id, "n": 4, "kind": "ice", "payload": CANDIDATE},
        ]
        ended = await do(boris, number, "hangup")
        assert (ended["state"], ended["reason"], ended["signals"]) == ("ended", "hung_up", [])
        last = event | {"user_id": boris.id, "state": "ended", "reason": "hung_up"}
        assert await frames(hers, 1) == [last]
        assert (await frames(tablet, 3))[1:] == [event | {"user_id": boris.id, "state": "answered"}, last]
        assert await strangers.quiet() == []
    assert await server.count("call_signals") == await server.count("call_seats") == 0
    assert [event["content"] for event in await boris.inbox() if event["type"] == "message"] == []


@pytest.mark.parametrize(("who", "reason", "noted"), [("caller", "cancelled", True), ("callee", "declined", False)])
async def test_nobody_answers(server: Server, who: str, reason: str, noted: bool) -> None:
    """Cancelled by the caller the chat keeps a note that counts as read; declined it keeps none. Hanging up twice is once."""
    anna, boris = await server.people(2)
    chat = await anna.match(boris)
    ringing = await call(anna, chat)
    person = anna if who == "caller" else boris
    for _ in range(2):
        assert (await do(person, ringing["id"], "hangup"))["reason"] == reason
    notes = [event for event in await boris.inbox() if event["type"] == "message"]
    assert [(note["content"], note["kind"]) for note in notes] == ([("Missed audio call", "system")] if noted else [])
    listed = (await boris.get("/chats")).json()[0]
    assert listed["unread_count"] == 0
    assert (await do(boris, ringing["id"], "answer", 409, sdp=ANSWER))["code"] == "call_over"
    assert (await do(anna, ringing["id"], "signal", 409, kind="ice", payload=CANDIDATE))["code"] == "call_over"
    assert (await call(boris, chat))["state"] == "ringing", "both are free again"


async def test_one_call_at_a_time(server: Server) -> None:
    """Whoever is in a call, ringing or not, is busy for everybody, on either side; refused calls leave nothing."""
    anna, boris, clara = await server.people(3)
    chat, other = await anna.match(boris), await anna.match(clara)
    ringing = await call(anna, chat)
    for person, where in ((boris, chat), (anna, chat), (clara, other), (anna, other)):
        answer = await person.post("/api/calls", json={"chat_id": where, "sdp": OFFER})
        assert (answer.status_code, answer.json()["code"]) == (409, "busy")
    assert await server.count("calls") == 1
    assert (await do(anna, ringing["id"], "answer", 409, sdp=ANSWER))["code"] == "not_called"
    await do(boris, ringing["id"], "answer", sdp=ANSWER)
    assert (await do(boris, ringing["id"], "answer", 409, sdp=ANSWER))["code"] == "call_over"


@pytest.mark.one_process("looks into the database with a shifted clock")
async def test_time_ends_calls(api: Api) -> None:
    """A call that rings for 45 seconds was missed, one that lasts four hours was lost; both are free for the next at once."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    db = api.app.state.db
    first = await call(anna, chat)
    assert await db.write(service.end_overdue) == 0
    clock, shift = db.clock, service.RING + SECOND
    db.clock = lambda: clock() + shift
    assert await db.write(service.end_overdue) == 1
    assert (await anna.get(f"/api/calls/{first['id']}")).json()["reason"] == "missed"
    second = await call(boris, chat)
    await do(anna, second["id"], "answer", sdp=ANSWER)
    shift += service.LONGEST + SECOND
    third = await call(anna, chat)
    assert (await anna.get(f"/api/calls/{second['id']}")).json()["reason"] == "lost"
    assert third["state"] == "ringing"
    notes = [event["content"] for event in await boris.inbox() if event["type"] == "message"]
    assert notes == ["Missed audio call"]


@pytest.mark.parametrize("end", ["block", "unmatch"])
async def test_a_block_during_a_call(server: Server, end: str) -> None:
    """After a block or an unmatch nothing is passed on, the call is absent for both, and either can still hang up silently."""
    anna, boris = await server.people(2)
    chat = await anna.match(boris)
    ringing = await call(anna, chat)
    await do(boris, ringing["id"], "answer", sdp=ANSWER)
    if end == "block":
        await anna.post(f"/api/users/{boris.id}/block")
    else:
        await anna.delete(f"/matches/{boris.id}")
    async with server.socket(anna) as hers:
        await do(boris, ringing["id"], "signal", 404, kind="ice", payload=CANDIDATE)
        await do(boris, ringing["id"], "hangup")
        if end == "block":
            assert (await boris.get(f"/api/calls/{ringing['id']}")).status_code == 404
            assert [frame["type"] for frame in await hers.quiet()] == []
    assert await server.count("call_seats") == 0


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"sdp": OFFER}, 400),
        ({"chat_id": 1, "sdp": ""}, 400),
        ({"chat_id": 1, "sdp": "x" * 16_001}, 400),
        ({"chat_id": 1, "sdp": OFFER, "media": "smell"}, 400),
        ({"chat_id": 2**52, "sdp": OFFER}, 404),
    ],
)
async def test_bad_calls(server: Server, body: dict[str, Any], status: int) -> None:
    """What is missing, empty, too long or unknown is refused."""
    anna = await server.person()
    assert (await anna.post("/api/calls", json=body)).status_code == status


async def test_groups_do_not_ring(server: Server) -> None:
    """A group has no calls."""
    anna, boris = await server.people(2)
    await anna.match(boris)
    group = (await anna.post("/api/chats", json={"kind": "group", "name": "Поход", "member_ids": [boris.id]})).json()["id"]
    answer = await anna.post("/api/calls", json={"chat_id": group, "sdp": OFFER})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_a_direct_chat")


async def test_signals_have_a_limit(server: Server) -> None:
    """The five hundred and first signal of a call is refused."""
    anna, boris = await server.people(2)
    ringing = await call(anna, await anna.match(boris))
    for _ in range(service.MOST_SIGNALS - 1):
        last = await do(anna, ringing["id"], "signal", kind="ice", payload=CANDIDATE)
    assert last["n"] == service.MOST_SIGNALS
    assert (await do(anna, ringing["id"], "signal", 429, kind="ice", payload=CANDIDATE))["code"] == "too_many_signals"
