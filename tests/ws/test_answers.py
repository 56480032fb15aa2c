"""Heads of answers that wait for their bodies."""

import asyncio

import msgspec

from dating.answers import Joining
from tests.kit import Server


class Pieces(asyncio.Transport):
    """What the kernel would be handed, call by call."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))

    def close(self) -> None:
        self.pieces.append(b"closed")


async def test_a_head_and_its_body_are_one_piece() -> None:
    """The second answer of a tick, too; what is no head does not wait, and a head alone waits for a tick."""
    pieces = Pieces()
    joining = Joining(pieces)
    for data in (
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"one",
        b"HTTP/1.1 201 Created\r\n\r\n",
        b"two",
        b"more",
        b"HTTP/1.1 204 No Content\r\n\r\n",
    ):
        joining.write(data)
    joined = [b"HTTP/1.1 200 OK\r\n\r\none", b"HTTP/1.1 201 Created\r\n\r\ntwo", b"more"]
    assert pieces.pieces == joined
    await asyncio.sleep(0)
    assert pieces.pieces == [*joined, b"HTTP/1.1 204 No Content\r\n\r\n"]


async def test_nothing_is_left_at_the_end() -> None:
    """Who hangs up in the middle of an answer hands on its head first."""
    pieces = Pieces()
    joining = Joining(pieces)
    joining.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
    joining.close()
    await asyncio.sleep(0)
    assert pieces.pieces == [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"closed"]


async def test_a_connection_answers_everything_in_its_order(server: Server) -> None:
    """Requests that come together, one without a body in its answer, one that is none: each has its whole answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(
        b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nHEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
        b"GET /nowhere HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n\r\n"
    )
    statuses = []
    for with_body in (True, False, True):
        head = await reader.readuntil(b"\r\n\r\n")
        statuses.append(int(head[9:12]))
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        assert len(await reader.readexactly(length if with_body else 0)) == (length if with_body else 0)
    writer.write(b"nonsense\r\n\r\n")
    rest = await reader.read()
    assert (statuses, rest[9:12]) == ([200, 200, 404], b"400")
    writer.close()


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the next answer; every header is there once."""
    first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    assert len(headers) == len(lines)
    return int(first.split()[1]), headers, await reader.readexactly(int(headers["content-length"]))


async def test_the_short_way_answers_as_the_long_one(server: Server) -> None:
    """Messages sent together, with a body that waits to be asked for, and for the last time: the same headers as the long way."""
    anna, boris = await server.people(2)
    chat = await anna.match(boris)

    def ask(path: str, version: str = "1.1", extra: str = "") -> tuple[bytes, bytes]:
        body = f'{{"chat_id":{chat},"content":"Привет!"}}'.encode()
        head = f"POST {path} HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer {anna.token}\r\n{extra}"
        return f"{head}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode(), body

    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for path in ("/messages/send", "/messages/send/", "/messages/send"):
        writer.write(b"".join(ask(path)))
    short, long, again = [await read_answer(reader) for _ in range(3)]
    assert [one[0] for one in (short, long, again)] == [201] * 3
    assert short[1].keys() == long[1].keys() == again[1].keys()
    own = ("x-request-id", "content-length", "date")
    assert {k: v for k, v in short[1].items() if k not in own} == {k: v for k, v in long[1].items() if k not in own}
    ids = [msgspec.json.decode(body)["id"] for _, _, body in (short, long, again)]
    assert ids == sorted(set(ids))
    head, body = ask("/messages/send", extra="Expect: 100-continue\r\n")
    writer.write(head)
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 100 ")
    writer.write(body)
    assert (await read_answer(reader))[0] == 201
    writer.write(b"".join(ask("/messages/send", extra="Connection: close\r\n")))
    status, headers, _ = await read_answer(reader)
    assert (status, headers["connection"], await reader.read()) == (201, "close", b"")
    writer.close()
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(b"".join(ask("/messages/send", "1.0")))
    assert (await read_answer(reader))[0] == 201
    assert await reader.read() == b""
    writer.close()
