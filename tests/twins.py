"""Two server processes on one PostgreSQL and one Valkey that take turns at answering, for tests that know nothing of it.

`Twins` kept for the whole run are two processes, `python -m tests.twins`, each of which serves whatever settings it is told, one
server after the other: a test gets two fresh servers without the price of two fresh interpreters. `Doubled` settings say that
`running` and `serving` of the kit shall use them. The test's own process holds a third server of the cluster, which nobody asks
over HTTP: through it a test looks into the database, or shifts the clock, for all three.
"""

import asyncio
import contextlib
import mmap
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from itertools import cycle
from pathlib import Path
from typing import Any, TextIO, cast

import httpx
import msgspec
import uvicorn
from litestar import Litestar

from dating.app import create_app
from dating.clock import now_microseconds
from dating.serve import configure, listen
from dating.settings import Settings
from tests.kit import Server, die_with_parent, living

WORD = 8


class Clock:
    """The time in all processes: the real one, or the moment that a test has chosen."""

    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._shared = memoryview(mmap.mmap(file.fileno(), WORD)).cast("q")

    def set(self, moment: int) -> None:
        """It is this moment, in microseconds, until told otherwise."""
        self._shared[0] = moment

    def clear(self) -> None:
        """Back to the real time."""
        self._shared[0] = 0

    def now(self) -> int:
        """Microseconds since the epoch."""
        return self._shared[0] or now_microseconds()


class Host:
    """A process that serves one set of settings after the other."""

    def __init__(self, clock: Path) -> None:
        command = [sys.executable, "-m", "tests.twins", str(clock)]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, preexec_fn=die_with_parent, cwd=Path(__file__).parents[1]
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    async def start(self, settings: Settings) -> int:
        """Serve; the port."""
        return int(await asyncio.to_thread(self._ask, encode(settings)))

    async def stop(self) -> None:
        """End what was started."""
        await asyncio.to_thread(self._ask, b"")

    def _ask(self, line: bytes) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, "a process of the pair has ended"
        return answer

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(20)
        self._process.stdout.close()


class Twins:
    """Two hosts and the clock that they share."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="twins")
        path = Path(self._folder.name) / "clock"
        path.write_bytes(bytes(WORD))
        self.clock = Clock(path)
        self.hosts = Host(path), Host(path)

    def close(self) -> None:
        for host in self.hosts:
            host.close()
        self._folder.cleanup()


class Doubled(Settings, frozen=True, kw_only=True):
    """Settings for two processes."""

    twins: Twins

    def plain(self) -> Settings:
        """What each of the processes is told."""
        return Settings(**{name: getattr(self, name) for name in Settings.__struct_fields__})


def encode(settings: Settings) -> bytes:
    """The settings as one line of JSON."""
    return msgspec.json.encode(settings, enc_hook=str)


def decode(line: bytes) -> Settings:
    """Those settings again."""
    return msgspec.json.decode(line, type=Settings, dec_hook=lambda kind, value: kind(value))


class Turns(httpx.AsyncBaseTransport):
    """Sends each request to the next process, by the clock of the test."""

    def __init__(self, pair: "Pair") -> None:
        self._pair = pair
        self._inner = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=self._pair.port)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


class Pair(Server):
    """Two servers asked in turn; `app` is a third one of the same cluster, in this process."""

    def __init__(self, app: Litestar, twins: Twins, ports: list[int]) -> None:
        self.app = app
        self._twins = twins
        self._ports = cycle(ports)
        self.http = httpx.AsyncClient(transport=Turns(self), base_url="http://testserver", timeout=30)

    @property
    def port(self) -> int:  # type: ignore[override]  # each use is another turn
        """The next process's port; it has the clock of the test's own server."""
        clock = self.app.state.db.clock
        if clock is not now_microseconds:
            self._twins.clock.set(clock())
        return next(self._ports)


@contextlib.asynccontextmanager
async def doubling(settings: Doubled) -> AsyncIterator[Pair]:
    """Two servers for the time of a block, and the one in this process."""
    twins, plain = settings.twins, settings.plain()
    twins.clock.clear()
    starting = asyncio.gather(*[host.start(plain) for host in twins.hosts])
    app = create_app(plain)
    async with living(app):
        ports = await starting
        try:
            pair = Pair(app, twins, ports)
            async with pair.http:
                yield pair
        finally:
            await asyncio.gather(*[host.stop() for host in twins.hosts])


class Stage:
    """One uvicorn for one application after the other: to stop uvicorn takes longer than most tests."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._stack = contextlib.AsyncExitStack()
        self._framing: tuple[float, ...] = ()
        self._port = 0
        self._app: Litestar | None = None

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        assert self._app is not None
        await self._app(scope, receive, send)

    async def listen(self, settings: Settings) -> int:
        """The port, of another uvicorn if these settings need it."""
        framing = (settings.socket_frame_bytes, settings.heartbeat_seconds, settings.socket_silence_seconds)
        if framing != self._framing:
            await self._stack.aclose()
            self._port = await self._stack.enter_async_context(listening(self, settings))
            self._framing = framing
        return self._port

    @contextlib.asynccontextmanager
    async def show(self, settings: Settings) -> AsyncIterator[int]:
        """Serve an application for the time of a block; the port."""
        self._app = create_app(settings)
        self._app.state.db.clock = self._clock.now
        async with living(self._app):
            yield await self.listen(settings)


@contextlib.asynccontextmanager
async def listening(stage: Stage, settings: Settings) -> AsyncIterator[int]:
    """A uvicorn for the time of a block; the port."""
    config = configure(cast(Litestar, stage), settings)
    config.lifespan = "off"
    server = uvicorn.Server(config)
    with listen(msgspec.structs.replace(settings, port=0)) as listener:
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            assert not task.done(), task
            await asyncio.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        await task


async def host(clock: Clock, answers: TextIO) -> None:
    """Serve what each line says until the next line; end with the input."""
    stage = Stage(clock)
    while line := await asyncio.to_thread(sys.stdin.buffer.readline):
        async with stage.show(decode(line)) as port:
            print(port, file=answers, flush=True)
            await asyncio.to_thread(sys.stdin.buffer.readline)
        print(file=answers, flush=True)


def main(path: Path) -> None:
    """Keep the output for the answers: servers without a mail server print their mail."""
    with os.fdopen(os.dup(1), "w") as answers, open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        asyncio.run(host(Clock(path), answers))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
