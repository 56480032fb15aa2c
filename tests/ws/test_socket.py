"""The socket as clients meet it: a real server, a real client, both databases."""

import asyncio
import socket as network

import msgspec
import pytest
import websockets

from dating.realtime.events import Error
from dating.settings import Settings
from tests.kit import PASSWORD, Server, serving


async def test_the_road_of_a_pair(server: Server) -> None:
    """Two people match, talk, type, receive and read; each hears exactly what concerns them, in order, without a gap."""
    anna, boris = await server.people(2)
    async with server.socket(anna) as a, server.socket(boris) as b:
        chat = await anna.match(boris)
        assert await a.next() == {"type": "match", "content": "It's a match! 🎉", "chat_id": chat, "user_id": boris.id, "seq": 1}
        assert await b.next() == {"type": "match", "content": "It's a match! 🎉", "chat_id": chat, "user_id": anna.id, "seq": 1}
        await a.send(type="typing", chat_id=chat)
        assert await b.next() == {"type": "typing", "chat_id": chat, "user_id": anna.id}
        sent = await anna.say(chat, "Привет! 👋🏽", client_id="one")
        heard = await b.next()
        assert (heard["type"], heard["id"], heard["user_id"], heard["content"], heard["seq"]) == (
            "message",
            sent["id"],
            anna.id,
            "Привет! 👋🏽",
            2,
        )
        assert (await a.next())["id"] == sent["id"]
        await b.send(type="delivered", chat_id=chat, message_id=sent["id"], receiver_id=999)
        delivered = await a.next()
        assert (delivered["type"], delivered["user_id"], delivered["message_id"]) == ("delivered", boris.id, sent["id"])
        assert (await boris.post("/chat/read", json={"chat_id": chat})).json() is True
        assert (await a.wait("read_chat"))["user_id"] == boris.id
        second = await boris.say(chat, "И тебе привет")
        assert (await a.wait("message"))["id"] == second["id"]
        read = await anna.post("/messages/read", json={"chat_id": chat, "message_ids": [second["id"]]})
        assert read.json() == {"status": "ok"}
        assert (await b.wait("read_messages"))["message_ids"] == [second["id"]]
    events = await anna.inbox()
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))


async def test_what_was_missed_comes_back(server: Server) -> None:
    """A client whose connection breaks gets everything after its last number, once, then live events."""
    anna, boris = await server.people(2)
    chat = await anna.match(boris)
    async with server.socket(boris) as socket:
        await anna.say(chat, "before")
        seq = (await socket.wait("message"))["seq"]
        socket.connection.transport.abort()
    for number in range(250):
        await anna.say(chat, f"missed {number}")
    async with server.socket(boris, f"&since={seq}") as socket:
        missed = [await socket.next() for _ in range(250)]
        assert [frame["content"] for frame in missed] == [f"missed {number}" for number in range(250)]
        assert [frame["seq"] for frame in missed] == list(range(seq + 1, seq + 251))
        assert await socket.next() == {"type": "resumed", "from": seq, "to": seq + 250}
        await anna.say(chat, "live")
        assert (await socket.next())["content"] == "live"


async def test_eight_racers_for_one_token(server: Server) -> None:
    """Of eight sockets that race for one token exactly one is admitted; the others get 401 before the upgrade."""
    anna = await server.person()
    for _ in range(5):
        token = (await anna.post("/ws/start")).json()["session_token"]
        url = f"ws://127.0.0.1:{server.port}/ws/chat?session={token}"
        results = await asyncio.gather(*[websockets.connect(url) for _ in range(8)], return_exceptions=True)
        refused = [r.response.status_code for r in results if isinstance(r, websockets.InvalidStatus)]
        assert refused == [401] * 7
        for result in results:
            if isinstance(result, websockets.ClientConnection):
                await result.close()


@pytest.mark.parametrize(
    ("path", "headers", "status", "code"),
    [
        ("/ws/chat", {}, 401, "unauthorized"),
        ("/ws/chat?session=nonsense", {}, 401, "invalid_session_token"),
        ("/ws", {"Authorization": "Bearer nonsense"}, 401, "invalid_token"),
        ("/ws/chat?session=x&since=-1", {}, 400, "invalid_since"),
        ("/ws/chat?session=x&since=%D9%A1", {}, 400, "invalid_since"),
        ("/ws/chat?session=x", {"Origin": "https://evil.test"}, 403, "foreign_origin"),
        ("/ws/chat?session=x", {"Origin": "null"}, 403, "foreign_origin"),
        ("/ws/nowhere", {}, 404, "not_found"),
    ],
)
async def test_refusals_come_before_the_upgrade(
    server: Server, path: str, headers: dict[str, str], status: int, code: str
) -> None:
    """Whoever may not come in gets an HTTP status and problem+json, not a socket."""
    with pytest.raises(websockets.InvalidStatus) as refused:
        async with server.connect(path, additional_headers=headers):
            pass
    response = refused.value.response
    assert response.status_code == status
    assert msgspec.json.decode(response.body or b"")["code"] == code


@pytest.mark.one_process("two processes on two ports are two origins")
async def test_bearer_and_own_origin_are_welcome(server: Server) -> None:
    """/ws takes the access token on the upgrade; a page of our own origin may connect."""
    anna = await server.person()
    headers = {"Authorization": f"Bearer {anna.token}", "Origin": f"http://127.0.0.1:{server.port}"}
    async with server.connect("/ws", additional_headers=headers) as socket:
        hello = await socket.next()
        assert hello["type"] == "hello"
        assert 0 < hello["expires_in"] <= 900


@pytest.mark.parametrize(
    "frame",
    [
        "not json",
        "[]",
        "null",
        "{}",
        '{"type":"unknown"}',
        '{"type":"typing"}',
        '{"type":"typing","chat_id":"1"}',
        '{"type":"typing","chat_id":9223372036854775808}',
        '{"type":"typing","chat_id":-1}',
        '{"type":"delivered","chat_id":1,"message_id":null}',
        '{"type":"typing","chat_id":1e400}',
        "[" * 2000,
        b"\x00\x01binary",
    ],
)
async def test_bad_frames_are_answered(server: Server, frame: str | bytes) -> None:
    """A frame that makes no sense gets an error frame; the connection and its neighbors go on."""
    anna, boris = await server.people(2)
    chat = await anna.match(boris)
    async with server.socket(anna) as a, server.socket(boris) as b:
        await a.connection.send(frame)
        error = await a.next()
        assert (error["type"], error["code"]) == ("error", "bad_frame")
        await a.send(type="ping")
        assert await a.next() == {"type": "pong"}
        await anna.say(chat, "still here")
        assert (await b.wait("message"))["content"] == "still here"


async def test_an_oversized_frame_closes_that_socket_only(server: Server) -> None:
    """A frame over the limit closes its socket with 1009."""
    anna, boris = await server.people(2)
    chat = await anna.match(boris)
    async with server.socket(anna) as a, server.socket(boris) as b:
        await a.connection.send("x" * 2_000_000)
        assert await a.closed() == 1009
        await anna.say(chat, "still here")
        assert (await b.wait("message"))["content"] == "still here"


async def test_a_flood_is_refused_then_closed(server: Server) -> None:
    """Too many frames get errors, then close 4429; the neighbor misses nothing."""
    anna, boris = await server.people(2)
    chat = await anna.match(boris)
    async with server.socket(anna) as a, server.socket(boris) as b:
        for _ in range(200):
            await a.connection.send('{"type":"ping"}')
        assert await a.closed() == 4429
        await anna.say(chat, "still here")
        assert (await b.wait("message"))["content"] == "still here"


async def test_foreign_chats_stay_foreign(server: Server) -> None:
    """Typing and receipts in somebody else's chat are answered not_found, like a chat that does not exist, and reach nobody."""
    anna, boris, eve = await server.people(3)
    chat = await anna.match(boris)
    message = await anna.say(chat, "private")
    async with server.socket(eve) as e, server.socket(anna) as a, server.socket(boris) as b:
        answers = []
        for target in (chat, 10**9):
            await e.send(type="typing", chat_id=target)
            answers.append(await e.next())
            await e.send(type="delivered", chat_id=target, message_id=message["id"])
            answers.append(await e.next())
        assert len({msgspec.json.encode(answer) for answer in answers}) == 1
        assert answers[0]["code"] == "chat_not_found"
        assert await a.quiet() == []
        assert await b.quiet() == []


async def test_typing_is_bounded(server: Server) -> None:
    """Typing reaches the other at most once per chat in three seconds, without an error for the one who types."""
    anna, boris = await server.people(2)
    chat = await anna.match(boris)
    async with server.socket(anna) as a, server.socket(boris) as b:
        for _ in range(5):
            await a.send(type="typing", chat_id=chat)
        assert [frame["type"] for frame in await b.quiet()] == ["typing"]
        assert await a.quiet() == []


async def test_logging_out_closes_the_socket(server: Server) -> None:
    """Logging out closes this session's socket at once, and its token opens no other; the other device stays."""
    anna = await server.person()
    again = await server.http.post("/login", json={"username": anna.username, "password": PASSWORD, "device_id": "two"})
    async with server.socket(anna) as first:
        headers = {"Authorization": f"Bearer {again.json()['access_token']}"}
        async with server.connect("/ws", additional_headers=headers) as second:
            await second.wait("hello")
            assert (await anna.post("/logout")).json() == {"status": "logged out"}
            assert await first.closed() == 4403
            assert (await anna.post("/ws/start")).status_code == 401
            await second.send(type="ping")
            assert await second.next() == {"type": "pong"}


async def test_blocking_silences_an_open_socket(server: Server) -> None:
    """After a block nothing of the other reaches the open socket, neither message nor typing nor receipt."""
    anna, boris = await server.people(2)
    chat = await anna.match(boris)
    message = await boris.say(chat, "hello")
    async with server.socket(anna) as a, server.socket(boris) as b:
        assert (await anna.post(f"/api/users/{boris.id}/block")).status_code == 200
        assert (await boris.post("/messages/send", json={"chat_id": chat, "content": "hey"})).status_code == 404
        await b.send(type="typing", chat_id=chat)
        assert (await b.next())["code"] == "chat_not_found"
        await a.send(type="delivered", chat_id=chat, message_id=message["id"])
        assert (await a.next())["code"] == "chat_not_found"
        assert await a.quiet() == []
        assert await b.quiet() == []


async def test_refresh_keeps_the_socket(settings: Settings) -> None:
    """A newer token of the same session keeps the socket past the old one's end; without it the socket closes with 4401."""
    async with serving(msgspec.structs.replace(settings, access_token_seconds=2)) as server:
        anna = await server.person()
        async with server.socket(anna) as kept, server.socket(anna) as left:
            await asyncio.sleep(1.1)
            answer = await server.http.post("/refresh", json={"refresh_token": anna.refresh_token})
            await kept.send(type="refresh", access_token=answer.json()["access_token"])
            assert await left.closed() == 4401
            await kept.send(type="ping")
            assert await kept.next() == {"type": "pong"}
            await kept.send(type="refresh", access_token="nonsense")
            assert (await kept.next())["code"] == "invalid_token"


async def test_mutated_frames_harm_nothing(server: Server) -> None:
    """Hundreds of damaged frames close no neighbor, and a healthy socket beside them misses nothing."""
    import random

    luck = random.Random(7)
    seeds = [b'{"type":"typing","chat_id":1}', b'{"type":"delivered","chat_id":1,"message_id":2}', b'{"type":"ack","seq":1}']
    anna, boris, eve = await server.people(3)
    chat = await anna.match(boris)
    async with server.socket(boris) as healthy:
        for _ in range(8):
            async with server.socket(eve) as wild:
                for _ in range(30):
                    frame = bytearray(luck.choice(seeds))
                    for _ in range(luck.randint(1, 6)):
                        frame[luck.randrange(len(frame))] = luck.randrange(256)
                    await wild.connection.send(bytes(frame).decode("latin-1"))
                assert all(answer["type"] == "error" or answer["type"] == "pong" for answer in await wild.quiet(0.1))
        for number in range(20):
            await anna.say(chat, str(number))
        assert [(await healthy.wait("message"))["content"] for _ in range(20)] == [str(number) for number in range(20)]


async def test_a_resume_after_a_block_tells_nothing(server: Server) -> None:
    """What was told before a block does not come back by a resume after it: numbers stay dense, names and words are gone."""
    anna, boris = await server.people(2)
    chat = await anna.match(boris)
    await boris.say(chat, "do you remember me?")
    await anna.post(f"/api/users/{boris.id}/block")
    for person in (anna, boris):
        async with server.socket(person, "&since=0") as socket:
            frames = [await socket.next()]
            while frames[-1]["type"] != "resumed":
                frames.append(await socket.next())
            assert [frame["seq"] for frame in frames[:-1]] == [1, 2]
            assert frames[0] == {"type": "hidden", "seq": 1}
            assert "do you remember me?" not in str(frames) or person is boris
    await anna.delete(f"/api/users/{boris.id}/block")
    async with server.socket(anna, "&since=0") as socket:
        assert (await socket.next())["type"] == "match"
        assert (await socket.next())["content"] == "do you remember me?"


async def test_endless_nonsense_is_closed(server: Server) -> None:
    """A client that goes on sending frames without sense is closed with 4400, after an error for each."""
    anna = await server.person()
    async with server.socket(anna) as socket:
        for _ in range(41):
            await socket.connection.send("nonsense")
            assert (await socket.next())["code"] == "bad_frame"
            await asyncio.sleep(0.02)
        assert await socket.closed() == 4400


HANDSHAKE = (
    "GET /ws/chat?session={} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


@pytest.mark.one_process("looks into the hub")
async def test_who_stops_reading_is_let_go(settings: Settings) -> None:
    """A peer that is there and takes nothing keeps neither its socket nor what was to be said to it."""
    quick = msgspec.structs.replace(settings, heartbeat_seconds=1.0, socket_silence_seconds=2.0)
    async with serving(quick) as server:
        hub = server.app.state.hub
        anna = await server.person()
        ticket = (await anna.post("/ws/start")).json()["session_token"]
        with network.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(HANDSHAKE.format(ticket).encode())
            while not (hub.sessions() and not hub.sessions()[0].greeting):
                await asyncio.sleep(0.01)
            [session] = hub.sessions()
            for _ in range(4000):
                hub.say(session, Error("long", "x" * 4000))
            async with asyncio.timeout(20):
                while any("run_asgi" in repr(task.get_coro()) for task in asyncio.all_tasks()):
                    await asyncio.sleep(0.1)
        assert hub.count() == 0
