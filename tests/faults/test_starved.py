"""A server that runs out of descriptors: who is there goes on, nobody else gets in, and it recovers by itself."""

import asyncio
import os
import resource
from pathlib import Path

import httpx

from tests.kit import PASSWORD, Process

MOST = 100  # descriptors
CROWD = 160  # connections


async def test_a_server_without_descriptors_recovers(tmp_path: Path) -> None:
    """A crowd takes every descriptor: an open connection is still answered, and when the crowd is gone so is everybody."""
    process = await Process(DATABASE_PATH=str(tmp_path / "dating.db")).start()
    try:
        async with httpx.AsyncClient(base_url=process.url, timeout=10) as friend:
            made = await friend.post("/register", json={"username": "anna", "password": PASSWORD})
            headers = {"Authorization": f"Bearer {made.json()['access_token']}"}
            resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (MOST, MOST))
            crowd = [await asyncio.open_connection("127.0.0.1", process.port) for _ in range(CROWD)]
            await asyncio.sleep(0.5)
            assert len(os.listdir(f"/proc/{process.pid}/fd")) >= MOST - 5
            assert (await friend.get("/me", headers=headers)).status_code == 200
            for _, writer in crowd:
                writer.transport.abort()
        async with httpx.AsyncClient(base_url=process.url, timeout=20) as others:
            assert (await others.post("/login", json={"username": "anna", "password": PASSWORD})).status_code == 200
            assert (await others.get("/readyz")).status_code == 200
        assert process.stop() == 0
    finally:
        process.kill()
