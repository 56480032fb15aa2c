"""The candidate index alone: memory, CPU and time of reading everybody, in a fresh process for each database.

Takes the databases that `deck` has filled (`BENCH_DATA`, `BENCH_DATABASE_URL`; with `BENCH_SECONDS=0` it does no more than that).
"""

import asyncio
import os
import sys
import time
from typing import Any

import msgspec

from bench import lab
from bench.candidates import databases
from dating.database import connect
from dating.matching.feed import AT_ONCE, Feed
from dating.matching.index import Index
from dating.settings import Settings
from dating.settings import load as read_settings


async def measure(settings: Settings) -> dict[str, Any]:
    """Read everybody, and say what that took."""
    db, index, pid = connect(settings), Index(), os.getpid()
    await db.open()
    before, started, spent = lab.own_bytes(pid), time.perf_counter(), time.process_time()
    feed = Feed(db, index)
    await feed.start()
    row = {
        "database": db.dialect,
        "people": index.count,
        "arrays MB": index.nbytes / 1e6,
        "process larger by MiB": (lab.own_bytes(pid) - before) / 2**20,
        "read at once": AT_ONCE,
        "CPU s": time.process_time() - spent,
        "s": time.perf_counter() - started,
    }
    await feed.close()
    await db.close()
    return row


async def main() -> None:
    rows = []
    async with databases() as both:
        for _, environment in both:
            command = [sys.executable, "-m", "bench.index", "alone"]
            child = await asyncio.create_subprocess_exec(*command, env=os.environ | environment, stdout=asyncio.subprocess.PIPE)
            said, _ = await child.communicate()
            rows.append(msgspec.json.decode(said.splitlines()[-1]))
    lab.report("index", rows, "the index of everybody who may be shown, without a server")


if __name__ == "__main__":
    if sys.argv[1:] == ["alone"]:
        print(msgspec.json.encode(asyncio.run(measure(read_settings(dotenv=None)))).decode())
    else:
        asyncio.run(main())
