"""The frames that go past ASGI."""

import pytest
from websockets.frames import Opcode
from websockets.protocol import CLIENT, OPEN, Protocol

from dating.realtime.wire import head


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
