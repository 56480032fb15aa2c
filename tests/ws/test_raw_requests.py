"""What no honest client sends, byte by byte: requests that two servers read in two ways, heads without end, who hangs up midway.

A proxy in front refuses most of it (see `deploy`); a server that stands alone must, too.
"""

import asyncio
import contextlib
import random

import httpx
import pytest

from dating import answers
from tests.kit import Server

ONE = b"Host: localhost\r\n"
POST = b"POST /login HTTP/1.1\r\n" + ONE + b"Content-Type: application/json\r\n"
SECOND = b"GET /healthz HTTP/1.1\r\n" + ONE + b"\r\n"
SMUGGLED = {
    "a length and chunks": POST + b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + SECOND,
    "two lengths": POST + b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcde",
    "a length below zero": POST + b"Content-Length: -1\r\n\r\n" + SECOND,
    "chunks by another name": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n" + SECOND,
    "lines that end in LF alone": b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
    "a folded header": b"GET /healthz HTTP/1.1\r\n" + ONE + b"X-A: a\r\n b\r\n\r\n",
    "a blank before the colon": b"GET /healthz HTTP/1.1\r\n" + ONE + b"X-A : a\r\n\r\n",
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "no host, but a forwarded one": b"GET /healthz HTTP/1.1\r\nX-Forwarded-Host: evil.example.net\r\n\r\n",
    "two hosts": b"GET /healthz HTTP/1.1\r\n" + ONE + b"Host: evil.example.net\r\n\r\n",
    "a header of 100 KB": b"GET /healthz HTTP/1.1\r\n" + ONE + b"X-A: " + b"a" * 100_000 + b"\r\n\r\n",
    "an address of 100 KB": b"GET /healthz?" + b"a" * 100_000 + b" HTTP/1.1\r\n" + ONE + b"\r\n",
    "a thousand headers": b"GET /healthz HTTP/1.1\r\n" + ONE + b"".join(b"X-%d: a\r\n" % n for n in range(1000)) + b"\r\n",
}


async def test_what_can_be_read_in_two_ways_is_refused(server: Server) -> None:
    """One answer, 400, and the end: nothing behind it is taken for another request."""
    for name, request in SMUGGLED.items():
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(request)
        answer = await asyncio.wait_for(reader.read(), 10)
        assert (answer[:13], answer.count(b"HTTP/1.1")) == (b"HTTP/1.1 400 ", 1), name
        writer.close()


async def test_a_head_without_end_is_refused(server: Server) -> None:
    """Whoever goes on with a header for ever is answered and hung up on, soon after what a head may have."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"GET /healthz HTTP/1.1\r\n" + ONE + b"X-A: ")
    sent = 0
    while sent < 10_000_000 and not reader.at_eof():
        writer.write(b"a" * 10_000)
        await asyncio.sleep(0.001)
        sent += 10_000
        if writer.transport.is_closing():
            break
    assert sent < 5_000_000
    assert (await server.http.get("/healthz")).status_code == 200


@pytest.mark.one_process("shortens the patience of this process")
async def test_who_is_slower_than_anybody_is_hung_up_on(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who connects and is silent, and a head or a body that comes a byte at a time, end in time; idle, whole requests and sockets
    go on."""
    monkeypatch.setattr(answers, "PATIENCE_SECONDS", 0.5)
    person = await server.person()
    async with server.socket(person) as socket:
        slow = {
            b"": b"",
            b"GET /healthz HTTP/1.1\r\n" + ONE + b"X-A: ": b"a",
            POST + b"Content-Length: 50000\r\n\r\n": b" ",
        }
        peers = [(await asyncio.open_connection("127.0.0.1", server.port), *way) for way in slow.items()]
        for (_, writer), beginning, _ in peers:
            writer.write(beginning)
        for _ in range(15):
            await asyncio.sleep(0.1)
            for (_, writer), _, more in peers:
                writer.write(more)
        for (reader, writer), _, _ in peers:
            with contextlib.suppress(ConnectionError):
                assert b"200 OK" not in await asyncio.wait_for(reader.read(), 5)
            writer.close()
        assert (await person.get("/me")).status_code == 200  # on a connection that was idle for longer
        await socket.send(type="ping")
        assert (await socket.next())["type"] == "pong"


async def test_sockets_are_not_compressed(server: Server) -> None:
    """A client that offers deflate gets none: a few bytes must not become megabytes here."""
    person = await server.person()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"GET /ws HTTP/1.1\r\n" + ONE + b"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Extensions: permessage-deflate\r\n"
        b"Authorization: Bearer " + person.token.encode() + b"\r\n\r\n"
    )
    head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
    assert head.startswith(b"HTTP/1.1 101 ")
    assert b"extensions" not in head.lower()
    writer.close()


async def test_who_gives_up_gets_nobody_elses_answer(server: Server) -> None:
    """Six people ask who they are and half of them hang up midway, hundreds of times: every answer is the asker's own."""
    people = await server.people(6)
    dice = random.Random(7)

    async def ask(number: int) -> int | None:
        person = people[number % len(people)]
        request = asyncio.create_task(person.get("/me"))
        if dice.random() < 0.5:
            await asyncio.sleep(dice.random() * 0.01)
            request.cancel()
        try:
            answer: httpx.Response = await request
        except asyncio.CancelledError:
            return None
        assert answer.status_code == 200
        return int(answer.json()["id"] == person.id)

    answered = [own for _ in range(6) for own in await asyncio.gather(*[ask(number) for number in range(60)])]
    assert set(answered) == {1, None}
    assert [(await person.get("/me")).json()["id"] for person in people] == [person.id for person in people]
