"""How much memory an idle socket takes (5,000 of them), and what an echo (ping, pong) costs; beside a bare uvicorn."""

import argparse
import asyncio
import os
import resource
import sys
import time
from typing import Any

import msgspec
import websockets

from bench import lab

SOCKETS = 5_000
ECHO_SOCKETS = 64
ECHO_SECONDS = 4.0


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """The baseline: an ASGI application that only echoes."""
    if scope["type"] == "lifespan":
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
        await send({"type": "lifespan.shutdown.complete"})
    elif scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
    else:
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"]})


def baseline() -> lab.Subject:
    """uvicorn with the same options and the application above."""
    command = [sys.executable, "-m", "uvicorn", "bench.sockets:bare", "--port", "{port}", "--log-level", "error"]
    return lab.Subject([*command, "--ws", "websockets-sansio", "--ws-per-message-deflate", "false"], {}, probe="/")


async def open_sockets(port: int, tokens: list[str]) -> list[websockets.ClientConnection]:
    """One socket for each token, opened a few at a time."""
    slots = asyncio.Semaphore(50)

    async def one(token: str) -> websockets.ClientConnection:
        async with slots:
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            url = f"ws://127.0.0.1:{port}/ws"
            return await websockets.connect(
                url, additional_headers=headers, compression=None, ping_interval=None, open_timeout=60
            )

    return list(await asyncio.gather(*[one(token) for token in tokens]))


async def measure_idle(subject: lab.Subject, tokens: list[str]) -> float:
    """KiB of resident memory per idle socket."""
    warm = await open_sockets(subject.port, tokens[:50])
    await asyncio.sleep(1)
    before = lab.resident_bytes(subject.pid)
    sockets = await open_sockets(subject.port, tokens[50:])
    await asyncio.sleep(2)
    kib = (lab.resident_bytes(subject.pid) - before) / len(sockets) / 1024
    await asyncio.gather(*[socket.close() for socket in warm + sockets])
    return kib


async def measure_echo(subject: lab.Subject, tokens: list[str]) -> tuple[float, float]:
    """Frames answered a second, and the server's CPU microseconds for each."""
    sockets = await open_sockets(subject.port, tokens[:ECHO_SOCKETS])
    frame = msgspec.json.encode({"type": "ping"}).decode()
    answered = 0
    deadline = time.monotonic() + ECHO_SECONDS

    async def talk(socket: websockets.ClientConnection) -> None:
        nonlocal answered
        while time.monotonic() < deadline:
            await socket.send(frame)
            while '"hello"' in str(await socket.recv()):
                pass
            answered += 1

    spent: list[float] = []
    async with lab.cpu_of([subject.pid], spent):
        await asyncio.gather(*[talk(socket) for socket in sockets])
    await asyncio.gather(*[socket.close() for socket in sockets])
    return answered / ECHO_SECONDS, spent[0] / answered * 1e6


async def measure(name: str, subject: lab.Subject, count: int, people: bool) -> dict[str, Any]:
    async with subject:
        tokens = [p["token"] for p in await lab.register(subject.port, count // 4)] * 4 if people else [""] * count
        kib = await measure_idle(subject, tokens)
        rate, cpu = await measure_echo(subject, tokens)
    return {"server": name, "sockets": count, "KiB per idle socket": kib, "echoes per second": rate, "CPU µs per echo": cpu}


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sockets", type=int, default=SOCKETS)
    count = parser.parse_args().sockets
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    rows = []
    for _ in range(2):
        limits = {"DATING_SOCKET_FRAMES_PER_SECOND": "1000000", "DATING_SOCKET_BURST": "1000000"}
        rows.append(await measure("dating", lab.ours(**limits), count, people=True))
        rows.append(await measure("bare uvicorn", baseline(), count, people=False))
    lab.report("sockets", rows, f"{os.cpu_count()} cores carry the server and the client; memory without the kernel's buffers")


if __name__ == "__main__":
    asyncio.run(main())
