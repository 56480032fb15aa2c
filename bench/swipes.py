"""Swipes over HTTP: decisions a second and CPU for each, with daily likes counted and without, matches checked at the end."""

import asyncio
import itertools
import time
from typing import Any

import msgspec

from bench import lab

PEOPLE = 400
CLIENTS = 32
ROUNDS = 2


async def swipe_everybody(subject: lab.Subject, people: list[dict[str, Any]]) -> dict[str, Any]:
    """Everybody likes the next eighty people in a circle, and the nearest twenty like back."""
    work = ((one, people[(index + step) % len(people)]) for step in range(1, 81) for index, one in enumerate(people))
    mutual = ((people[(index + step) % len(people)], one) for step in range(1, 21) for index, one in enumerate(people))
    turns = itertools.chain(work, mutual)
    latencies: list[float] = []
    matches = 0

    async def client() -> None:
        nonlocal matches
        async with lab.Client(subject.port) as http:
            for one, other in turns:
                started = time.perf_counter()
                body = {"target_id": other["id"], "action": "like"}
                status, answer = await http.request("POST", "/swipe", body, one["token"])
                if status != 200:
                    raise RuntimeError(answer.decode())
                latencies.append(time.perf_counter() - started)
                matches += msgspec.json.decode(answer)["status"] == "match"

    spent: list[float] = []
    started = time.perf_counter()
    async with lab.cpu_of([subject.pid], spent):
        await asyncio.gather(*[client() for _ in range(CLIENTS)])
    seconds = time.perf_counter() - started
    return {
        "swipes": len(latencies),
        "matches": matches,
        "lost": 20 * len(people) - matches,
        "swipes per second": len(latencies) / seconds,
        "p50 ms": lab.quantile(latencies, 0.5) * 1000,
        "p99 ms": lab.quantile(latencies, 0.99) * 1000,
        "CPU µs per swipe": spent[0] / len(latencies) * 1e6,
    }


async def measure(name: str, **environment: str) -> dict[str, Any]:
    async with lab.ours(**environment) as subject:
        people = await lab.register(subject.port, PEOPLE)
        return {"server": name} | await swipe_everybody(subject, people)


async def main() -> None:
    rows = []
    for _ in range(ROUNDS):
        rows.append(await measure("dating"))
        rows.append(await measure("dating, likes counted", DATING_LIKES_PER_DAY="1000"))
    lab.report("swipes", rows, f"{CLIENTS} clients, one swipe in five makes a match; SQLite, synchronous=FULL")


if __name__ == "__main__":
    asyncio.run(main())
