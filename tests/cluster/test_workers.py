"""`dating serve --workers N`: one port, several processes, and a supervisor that replaces the dead."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from dating.settings import Settings
from tests.cluster.conftest import Remote, environment, remote
from tests.cluster.valkey import until
from tests.kit import Process


def list_workers(process: Process) -> list[int]:
    """The process ids of the workers."""
    return [int(pid) for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()]


def serves(pid: int) -> bool:
    """Whether the worker still runs."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


@pytest.fixture
async def workers(settings: Settings) -> AsyncIterator[Remote]:
    """Two workers under a supervisor."""
    process = Process("--workers=2", **environment(settings))
    await process.start()
    await until(lambda: len(list_workers(process)) == 2)
    async with remote(process) as server:
        yield server
    assert process.stop() == 0


@pytest.mark.parametrize(
    ("given", "missing"),
    [
        ({}, ["DATABASE_URL", "REDIS_URL"]),
        ({"DATABASE_URL": "postgresql://nobody@localhost/nothing"}, ["REDIS_URL"]),
        ({"REDIS_URL": "redis://localhost:6379"}, ["DATABASE_URL"]),
    ],
)
def test_workers_need_what_they_share(tmp_path: Path, given: dict[str, str], missing: list[str]) -> None:
    """With SQLite or without Redis several workers are refused with a sentence that says what to set."""
    command = [sys.executable, "-m", "dating", "serve", "--workers=2", "--port=0"]
    kept = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    done = subprocess.run(command, env=kept | given, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert "several processes need PostgreSQL and Redis" in done.stderr
    for name in ("DATABASE_URL", "REDIS_URL"):
        assert (f"set {name}" in done.stderr or f"and {name}" in done.stderr) == (name in missing)


def test_workers_do_not_start_without_redis(settings: Settings, tmp_path: Path) -> None:
    """A Redis that is not there at the start is a sentence with its address, within seconds."""
    command = [sys.executable, "-m", "dating", "serve", "--workers=2", "--port=0"]
    given = environment(settings) | {"REDIS_URL": "redis://:geheim@127.0.0.1:1/0"}
    done = subprocess.run(command, env=os.environ | given, cwd=tmp_path, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 3
    assert "Redis does not answer at REDIS_URL (127.0.0.1:1)" in done.stderr
    assert "geheim" not in done.stderr


async def test_a_dead_worker_is_replaced(workers: Remote) -> None:
    """After `kill -9` of one worker and then of both the port answers, with two workers, and nothing answered was lost."""
    anna, boris = await workers.person(), await workers.person()
    chat_id = await anna.match(boris)
    answered = []
    for killed in (1, 1, 2):
        before = list_workers(workers.process)
        answered.append((await anna.say(chat_id, "before"))["id"])
        for pid in before[:killed]:
            os.kill(pid, signal.SIGKILL)
        await until(lambda gone=before[:killed]: not any(map(serves, gone)))
        await until(lambda: len([pid for pid in list_workers(workers.process) if serves(pid)]) == 2, 30)
        async with asyncio.timeout(30):
            while True:
                with contextlib.suppress(httpx.TransportError):
                    if (await workers.http.get("/readyz")).status_code == 200:
                        break
                await asyncio.sleep(0.05)
    messages = await boris.get(f"/chat/messages/{chat_id}")
    assert {message["id"] for message in messages.json()} >= set(answered)


async def test_people_of_one_pair_on_different_workers(workers: Remote) -> None:
    """Sockets spread over the workers, and everybody hears everybody."""
    people = await workers.people(8)
    chats = [await people[0].match(other) for other in people[1:]]
    async with contextlib.AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(workers.socket(person)) for person in people[1:]]
        for chat_id in chats:
            await people[0].say(chat_id, "Всем привет 🎉")
        for socket in sockets:
            assert (await socket.wait("message"))["content"] == "Всем привет 🎉"


async def test_hangup_replaces_all_without_a_gap(workers: Remote) -> None:
    """SIGHUP exchanges every worker; sockets are told to come back, and no request fails meanwhile."""
    anna = await workers.person()
    before = set(list_workers(workers.process))
    statuses: list[int] = []

    async def ask() -> None:
        async with httpx.AsyncClient(base_url=workers.process.url) as http:
            while set(list_workers(workers.process)) & before:
                statuses.append((await http.get("/ping")).status_code)
                await asyncio.sleep(0.01)

    async with workers.socket(anna) as socket:
        os.kill(workers.process.pid, signal.SIGHUP)
        async with asyncio.timeout(60):
            await ask()
        assert await socket.closed() == 1012
    assert set(statuses) == {200}
    async with workers.socket(anna):
        assert len(list_workers(workers.process)) == 2


async def test_workers_leave_with_their_supervisor(settings: Settings) -> None:
    """When the supervisor is killed its workers close the port at once and end, so that another can start."""
    process = await Process("--workers=2", **environment(settings)).start()
    await until(lambda: len(list_workers(process)) == 2)
    pids = list_workers(process)
    process.kill()
    await until(lambda: not any(map(serves, pids)), 30)
    await process.start()
    started = time.monotonic()
    assert process.stop() == 0
    assert time.monotonic() - started < 20
