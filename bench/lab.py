"""What every benchmark needs: a server of its own, a client that costs little, the CPU that a process used, a table."""

import asyncio
import contextlib
import ctypes
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
from rich.console import Console
from rich.table import Table

TICKS = os.sysconf("SC_CLK_TCK")
console = Console()


def die_with_parent() -> None:
    """In a child: end when the benchmark ends, however it ends."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def free_port() -> int:
    """A free port below the ephemeral range."""
    for port in range(21_000, 32_000):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no free port")


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def cpu_by_thread(pid: int) -> dict[int, float]:
    """The same of each of its threads, as finely as the kernel counts."""
    schedules = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return {int(one.parent.name): int(one.read_text().split()[0]) / 1e9 for one in schedules}


def family(pid: int) -> list[int]:
    """A process and its children."""
    return [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def family_seconds(pid: int) -> float:
    """The CPU time of a process and of all children that it has or had, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    spent = sum(map(int, fields[11:15])) / TICKS
    for child in family(pid)[1:]:
        with contextlib.suppress(FileNotFoundError):  # it ends just now
            spent += cpu_seconds(child)
    return spent


def resident_bytes(pid: int) -> int:
    """The memory of a process that is resident now, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def own_bytes(pid: int) -> int:
    """The memory of a process that is its own, without the pages of files that it looks into."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) << 10


class Subject:
    """A server under test, as a process of its own on a port and with a folder of its own."""

    def __init__(self, command: Sequence[str], environment: dict[str, str], probe: str = "/readyz") -> None:
        self.port = free_port()
        self._folder = tempfile.TemporaryDirectory()
        self._probe = probe
        values = {
            "PORT": str(self.port),
            "DATABASE_PATH": f"{self._folder.name}/bench.db",
            "JWT_SECRET": "bench-" + os.urandom(32).hex(),
        }
        self._process = subprocess.Popen(
            [word.replace("{port}", str(self.port)) for word in command],
            env={**os.environ, **values, **environment},
            preexec_fn=die_with_parent,
            stdout=subprocess.DEVNULL,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    async def __aenter__(self) -> Self:
        for _ in range(1200):
            with contextlib.suppress(OSError, EOFError, asyncio.IncompleteReadError):
                async with Client(self.port) as client:
                    status = 200 if not self._probe else (await client.request("GET", self._probe))[0]
                    if status == 200:
                        return self
            await asyncio.sleep(0.05)
        raise RuntimeError("the server did not start")

    async def __aexit__(self, *reason: object) -> None:
        self._process.kill()
        self._process.wait()
        self._folder.cleanup()


def ours(**environment: str) -> Subject:
    """This project's server, with the limits off and cheap password hashes: neither is what is measured."""
    fixed = {"DATING_RATE_LIMITS": "0", "DATING_ARGON2_MEMORY_KIB": "64", "DATING_ARGON2_TIME": "1", "DATING_LOG_LEVEL": "error"}
    return Subject([sys.executable, "-m", "dating", "serve"], fixed | environment)


class Client:
    """One keep-alive connection; about a tenth of the CPU of a full HTTP client, so that it does not outweigh the server."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *reason: object) -> None:
        self._writer.close()

    async def request(self, method: str, path: str, body: object = None, token: str = "") -> tuple[int, bytes]:
        """Ask and read the whole answer: status and body."""
        data = b"" if body is None else msgspec.json.encode(body)
        head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\nContent-Length: {len(data)}\r\n"
        head += "Content-Type: application/json\r\n" if data else ""
        head += f"Authorization: Bearer {token}\r\n" if token else ""
        self._writer.write(head.encode() + b"\r\n" + data)
        header = await self._reader.readuntil(b"\r\n\r\n")
        length = int(header.lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        return int(header[9:12]), await self._reader.readexactly(length)


async def register(port: int, count: int, **fields: Any) -> list[dict[str, Any]]:
    """People: id and token of each."""
    run = os.urandom(3).hex()

    async def some(first: int) -> list[dict[str, Any]]:
        people = []
        async with Client(port) as client:
            for number in range(first, count, 16):
                body = {"username": f"bench-{run}-{number}", "password": "correct horse battery", **fields}
                status, answer = await client.request("POST", "/register", body)
                if status != 201:
                    raise RuntimeError(answer.decode())
                person = msgspec.json.decode(answer)
                people.append({"number": number, "id": person["user_id"], "token": person["access_token"]})
        return people

    rows = [person for part in await asyncio.gather(*[some(first) for first in range(16)]) for person in part]
    return sorted(rows, key=lambda person: int(person["number"]))


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which that share of them lies."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


@contextlib.asynccontextmanager
async def cpu_of(pids: Sequence[int], spent: list[float]) -> AsyncIterator[None]:
    """Append the CPU seconds that these processes used during the block."""
    before = sum(map(cpu_seconds, pids))
    yield
    spent.append(sum(map(cpu_seconds, pids)) - before)


def report(name: str, rows: list[dict[str, Any]], note: str = "") -> None:
    """Print a table, and write the same as JSON to `bench/results/NAME.json`."""
    table = Table(
        title=f"{name} · {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}", caption=note
    )
    for column in rows[0]:
        table.add_column(column, justify="left" if isinstance(rows[0][column], str) else "right")
    for row in rows:
        table.add_row(
            *[
                f"{value:,.1f}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else str(value)
                for value in row.values()
            ]
        )
    console.print(table)
    folder = Path(__file__).parent / "results"
    folder.mkdir(exist_ok=True)
    result = {"name": name, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()), "note": note, "rows": rows}
    (folder / f"{name}.json").write_text(json.dumps(result, indent=2) + "\n")
