"""The frames that go past ASGI."""

import asyncio

import pytest
from websockets.frames import Opcode
from websockets.protocol import CLIENT, OPEN, Protocol

from dating.realtime.inbox import number
from dating.realtime.wire import Press, Spout, frame, head


@pytest.mark.parametrize("length", [0, 1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_client_reads_what_is_written(length: int) -> None:
    """A head and a text are one whole text frame, whatever its length, and the next one is read as well."""
    client = Protocol(CLIENT, state=OPEN, max_size=100_000)
    for text in (b"x" * length, "ж".encode()):
        client.receive_data(head(len(text)) + text)
    assert [(frame.opcode, bytes(frame.data), frame.fin) for frame in client.events_received()] == [
        (Opcode.TEXT, b"x" * length, True),
        (Opcode.TEXT, "ж".encode(), True),
    ]


def test_one_press_makes_the_frames_of_all() -> None:
    """Whatever comes after what: another number of the same event, one with more digits or fewer, another event."""
    press = Press()
    short, long = b'{"type":"match"}', b'{"type":"message","content":"%b"}' % ("100 % 🎉".encode() * 20)
    for event in (short, long, bytes(bytearray(long)), short):
        for seq in (1, 9, 10, 99, 100, 5, 12_345, 10**15, 0):
            assert press.frame(event, seq) == frame(number(event, seq))


class Far(asyncio.Protocol):
    """The server's end of a connection."""

    def __init__(self) -> None:
        self.made: asyncio.Future[asyncio.Transport] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.made.set_result(transport)


async def test_frames_stay_whole_and_in_order() -> None:
    """What the kernel takes a part of goes on through the transport, and nothing overtakes it or comes after the end."""
    far = Far()
    server = await asyncio.get_running_loop().create_server(lambda: far, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    transport = await far.made
    spout = Spout(transport)
    frames = []
    while spout.write_frame(frame(b"%d " % len(frames) * 30_000)):
        frames.append(frame(b"%d " % len(frames) * 30_000))
    assert transport.get_write_buffer_size() > 0, "the last one was not taken whole"
    assert not spout.write_frame(b"too soon")
    spout.write(b"and a ping")
    assert not spout.write_frame(b"too soon")
    assert await reader.readexactly(sum(map(len, frames)) + 10) == b"".join(frames) + b"and a ping"
    await asyncio.sleep(0)
    assert spout.write_frame(b"again")
    spout.close()
    assert not spout.write_frame(b"after the end")
    assert await reader.read() == b"again"
    writer.close()
    server.close()


async def test_a_lost_connection_writes_to_nobody_else() -> None:
    """Once the connection is lost its descriptor may be another's: nothing is written there."""
    far = Far()
    server = await asyncio.get_running_loop().create_server(lambda: far, "127.0.0.1", 0)
    _, writer = await asyncio.open_connection("127.0.0.1", server.sockets[0].getsockname()[1])
    spout = Spout(await far.made)
    assert spout.write_frame(b"yes")
    spout.stop()
    assert not spout.write_frame(b"no")
    spout.abort()
    writer.close()
    server.close()
