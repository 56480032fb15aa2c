"""The recommended order under load: 50 pages and 50 swipes a second, through HTTP, among many people with many swipes.

`BENCH_PEOPLE` (1,000,000) and `BENCH_SWIPES` (20,000,000) are made in bulk: people as in `candidates`, swipes sorted by pair into
a table without indexes, which are made afterwards. Both paths to candidates (by SQL, by the index in memory) are measured.
`BENCH_DATA` (a folder) and `BENCH_DATABASE_URL` keep what was made for the next run; `BENCH_SECONDS=0` makes it and measures
nothing. Beside it, asked of the same database without HTTP: the angle of every row, an R-tree (SQLite) or GiST (PostgreSQL)
index of places with the same filters. And the ranking alone, of 460 candidates.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import numpy as np
from rich.progress import track

from bench import lab
from bench.bulk import filling

os.environ.setdefault("BENCH_PEOPLE", "1000000")

from bench.candidates import PEOPLE, SCANS, Population, Viewer, add_people, databases, gather, scan
from dating.clock import DAY, now_microseconds
from dating.database import Database, Transaction, connect
from dating.matching.candidates import describe_ages
from dating.matching.ranking import People, score
from dating.matching.ranking import Viewer as Ranked
from dating.matching.scoring import deal
from dating.matching.weights import Weights
from dating.migrate import migrate
from dating.profiles import places

SWIPES = int(os.environ.get("BENCH_SWIPES", "20000000"))
VIEWERS = int(os.environ.get("BENCH_VIEWERS", "60"))  # of each kind
PATHS = os.environ.get("BENCH_PATHS", "sql memory").split()  # see DATING_CANDIDATE_INDEX
RATE = int(os.environ.get("BENCH_RATE", "50"))  # pages a second, and as many swipes
SECONDS = int(os.environ.get("BENCH_SECONDS", "30"))
CONNECTIONS = 24
DECK_PAGES = 10  # that come from one deck
CHUNK = 200_000
COLUMNS = ("low_id", "high_id", "low_action", "high_action", "low_at", "high_at")

STANDINGS = f"""
INSERT INTO standings
    (user_id, choosiness, choosiness_precision, appeal, appeal_precision, unanswered, ever_shown, week, shown, swipes)
SELECT id, (id * 7919 % 200 - 100) / 100.0, 5, (id * 104729 % 200 - 100) / 100.0, 5, id % 30, 100,
       {now_microseconds() // (7 * DAY)}, id % 70, id % 90
FROM users
"""
PICKED = """
INSERT INTO pick_rounds (day, region, claimed_at, done_at) VALUES (:day, -1, :now, :now)
ON CONFLICT (day, region) DO UPDATE SET done_at = excluded.done_at
"""
FITS = """q.discoverable AND q.user_id <> :me AND q.gender = :gender AND q.born BETWEEN :born_from AND :born_to
  AND q.user_id NOT IN (SELECT other_id FROM swipes WHERE user_id = :me AND action IS NOT NULL)"""
NEAR = {
    "sqlite": f"""
SELECT q.user_id FROM bench_places b JOIN profiles q ON q.user_id = b.id
WHERE b.x1 BETWEEN :x - :far AND :x + :far AND b.y1 BETWEEN :y - :far AND :y + :far AND b.z1 BETWEEN :z - :far AND :z + :far
  AND {FITS} ORDER BY q.x * :x + q.y * :y + q.z * :z DESC LIMIT 20
""",
    "postgres": f"""
SELECT q.user_id FROM bench_places b JOIN profiles q ON q.user_id = b.id
WHERE b.place <@ circle(point(:longitude, :latitude), :degrees)
  AND {FITS} ORDER BY q.x * :x + q.y * :y + q.z * :z DESC LIMIT 20
""",
}
SPATIAL = {
    "sqlite": """
CREATE VIRTUAL TABLE bench_places USING rtree(id, x1, x2, y1, y2, z1, z2);
INSERT INTO bench_places SELECT user_id, x, x, y, y, z, z FROM profiles WHERE x IS NOT NULL;
""",
    "postgres": """
CREATE TABLE bench_places (id BIGINT PRIMARY KEY, place POINT);
INSERT INTO bench_places SELECT user_id, point(degrees(atan2(y, x)), degrees(asin(z))) FROM profiles WHERE x IS NOT NULL;
CREATE INDEX bench_places_place ON bench_places USING gist (place);
ANALYZE bench_places;
""",
}


def draw_swipes(count: int) -> Iterator[list[tuple[Any, ...]]]:
    """Rows of pairs, sorted by pair, that hold so many swipes: a third likes, a fifth of the pairs from both sides."""
    dice = np.random.default_rng(7)
    pairs = round(count / 1.2)
    viewers = dice.integers(1, PEOPLE + 1, pairs)
    shown = 1 + (PEOPLE * dice.random(pairs) ** 1.5).astype(np.int64)  # some are shown far more often
    keys = np.unique(np.minimum(viewers, shown) * (PEOPLE + 1) + np.maximum(viewers, shown))
    keys = keys[keys // (PEOPLE + 1) != keys % (PEOPLE + 1)]
    start = now_microseconds() - 30 * DAY
    for first in range(0, len(keys), CHUNK):
        part = keys[first : first + CHUNK]
        kinds, likes, at = dice.random(len(part)), dice.random((len(part), 2)) < 0.33, dice.integers(0, 30 * DAY, (len(part), 2))
        lows, highs = part // (PEOPLE + 1), part % (PEOPLE + 1)
        rows = zip(lows.tolist(), highs.tolist(), kinds.tolist(), likes.tolist(), (at + start).tolist(), strict=True)
        yield [
            (
                low,
                high,
                ("dislike", "like")[like[0]] if kind < 0.6 else None,
                ("dislike", "like")[like[1]] if kind >= 0.4 else None,
                when[0] if kind < 0.6 else None,
                when[1] if kind >= 0.4 else None,
            )
            for low, high, kind, like, when in rows
        ]


class Home(msgspec.Struct):
    """Where somebody lives."""

    user_id: int
    cell: int


async def look_near(db: Database, viewer: Viewer, latencies: list[float]) -> None:
    """One page by the spatial index: the box or circle of 50 km, then the nearest who fit."""
    x, y, z = places.vector(viewer.cell)
    center, ages = places.center(viewer.cell), describe_ages(18, 120, now_microseconds())
    values = {"me": viewer.id, "gender": 3 - viewer.gender, "born_from": ages["born_from"], "born_to": ages["born_to"]}
    values |= {"x": x, "y": y, "z": z, "far": 50 / places.EARTH_KM, "degrees": 50 / 111.2}
    values |= {"latitude": center.latitude, "longitude": center.longitude}

    async def read(tx: Transaction) -> int:
        return len(await tx.all(int, NEAR[db.dialect], **values))

    started = time.perf_counter()
    await db.read(read)
    latencies.append(time.perf_counter() - started)


class Walker:
    """A viewer on the way through a deck, who swipes some of those on the latest page."""

    def __init__(self, viewer: Viewer) -> None:
        self.viewer = viewer
        self.page: list[int] = []
        self.refused = 0
        self.last = ""

    async def look(self, client: lab.Client) -> None:
        """The next page; from the top again where there is none."""
        path = f"/profiles/search?max_distance_km=50{self.last}"
        status, answer = await client.request("GET", path, token=self.viewer.token)
        if status == 503:
            self.refused += 1
            return
        if status != 200:
            raise RuntimeError(answer.decode())
        self.page = [one["id"] for one in msgspec.json.decode(answer)]
        self.last = f"&last_seen_id={self.page[-1]}" if self.page else ""

    async def swipe(self, client: lab.Client) -> None:
        """An opinion of the next person on the page."""
        if not self.page:
            return
        body = {"target_id": self.page.pop(), "action": "like" if len(self.page) % 3 == 0 else "dislike"}
        status, answer = await client.request("POST", "/swipe", body, self.viewer.token)
        self.refused += status == 503
        if status not in (200, 409, 503):
            raise RuntimeError(answer.decode())


async def pace(port: int, deeds: list[Callable[[lab.Client], Awaitable[None]]], latencies: list[float]) -> None:
    """Do these RATE times a second, whether or not those before are done; the time runs from the moment when each was due."""
    async with connections(port) as free:

        async def do(deed: Callable[[lab.Client], Awaitable[None]], due: float) -> None:
            client = await free.get()
            try:
                await deed(client)
                latencies.append(time.perf_counter() - due)
            finally:
                free.put_nowait(client)

        start, tasks = time.perf_counter(), []
        for number, deed in enumerate(deeds):
            due = start + number / RATE
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            tasks.append(asyncio.create_task(do(deed, due)))
        await asyncio.gather(*tasks)


@asynccontextmanager
async def connections(port: int) -> AsyncIterator[asyncio.Queue[lab.Client]]:
    """Some open connections to take from."""
    free: asyncio.Queue[lab.Client] = asyncio.Queue()
    clients = [lab.Client(port) for _ in range(CONNECTIONS)]
    for client in clients:
        free.put_nowait(await client.__aenter__())
    yield free
    for client in clients:
        await client.__aexit__()


def describe(database: str, viewers: str, what: str, latencies: list[float], **more: Any) -> dict[str, Any]:
    """A line of the table."""
    quantiles = {f"p{share} ms": lab.quantile(latencies, share / 100) * 1000 for share in (50, 95, 99)}
    zeros = {"refused": 0, "server MiB": 0, "CPU ms of page and swipe": 0.0}
    return {"database": database, "viewers": viewers, "what": what, "count": len(latencies), **quantiles, **zeros, **more}


async def measure(db: Database, environment: dict[str, str], population: Population) -> list[dict[str, Any]]:
    """Both paths to candidates, each for both kinds of viewers under load; then the baselines."""
    rows: list[dict[str, Any]] = []
    cells = list(population.residents)
    sizes = [len(population.residents[cell]) for cell in cells]
    dense = sorted(cells, key=lambda cell: -len(population.residents[cell]))[:10]
    kinds = {
        "average": population.dice.choices(cells, sizes, k=VIEWERS),
        "densest cells": [dense[number % 10] for number in range(VIEWERS)],
    }
    found: dict[str, list[Viewer]] = {}
    for path in PATHS:
        given, started = environment | {"DATING_CANDIDATE_INDEX": path}, time.perf_counter()
        async with lab.ours(**given) as subject:
            rows.append(describe(db.dialect, "", f"start, {path}", [time.perf_counter() - started]))
            for kind, homes in kinds.items():
                viewers = found[kind] = await gather(subject.port, db, population, homes)
                spent: list[float] = []
                loaded, refused = await load(subject, viewers, spent)
                seen: dict[str, float] = {"refused": refused, "server MiB": lab.own_bytes(subject.pid) >> 20}
                seen["CPU ms of page and swipe"] = spent[0] / (RATE * SECONDS) * 1000
                rows += [describe(db.dialect, kind, f"{name}, {path}", times) | seen for name, times in loaded.items()]
    for kind, viewers in found.items():
        scans: list[float] = []
        nears: list[float] = []
        for viewer in viewers[:SCANS]:
            await scan(db, viewer, scans)
            await look_near(db, viewer, nears)
        rows.append(describe(db.dialect, kind, "haversine of every row", scans))
        rows.append(describe(db.dialect, kind, {"sqlite": "R-tree", "postgres": "GiST"}[db.dialect], nears))
    return rows


async def load(subject: lab.Subject, viewers: list[Viewer], spent: list[float]) -> tuple[dict[str, list[float]], int]:
    """Pages and swipes at once; their times, and how many were refused.

    Before, everybody looks at one to ten pages, so that not all of them come to the end of a deck at the same moment.
    """
    walkers = [Walker(viewer) for viewer in viewers]
    count = RATE * SECONDS
    looks: list[float] = []
    swipes: list[float] = []
    await pace(subject.port, [walker.look for number, walker in enumerate(walkers) for _ in range(1 + number % DECK_PAGES)], [])
    async with lab.cpu_of([subject.pid], spent):
        await asyncio.gather(
            pace(subject.port, [walkers[number % len(walkers)].look for number in range(count)], looks),
            pace(subject.port, [walkers[number * 7 % len(walkers)].swipe for number in range(count)], swipes),
        )
    return {"page of 20": looks, "swipe": swipes}, sum(walker.refused for walker in walkers)


def rank_alone() -> dict[str, Any]:
    """Scores and five pages of 460 candidates."""
    dice = np.random.default_rng(1)
    numbers = {
        name: dice.random(460) * 5 for name in ("choosiness", "appeal", "shown", "swipes_per_day", "unanswered", "matches")
    }
    people = People(ids=np.arange(460), gender=np.full(460, 1), likes_viewer=dice.random(460) < 0.1, **numbers)
    spent: dict[str, list[float]] = {"score": [], "deal": []}
    for number in range(1000):
        started = time.perf_counter()
        scores = score(Ranked(2), people, Weights())
        spent["score"].append(time.perf_counter() - started)
        deal(people, scores, 100, np.random.default_rng(number), Weights())
        spent["deal"].append(time.perf_counter() - started)
    return describe("", "", "ranking alone: scores of 460", spent["score"]) | {
        "with five pages p99 ms": lab.quantile(spent["deal"], 0.99) * 1000
    }


async def fill(db: Database, population: Population) -> None:
    """People and swipes, then what the ranking knows of them and what the baselines need."""
    await migrate(db)
    await db.close()
    async with filling(db.settings, [STANDINGS, SPATIAL[db.dialect]]) as add:
        await add_people(add, population)
        for rows in track(draw_swipes(SWIPES), description=f"{SWIPES:,} swipes", total=-(-round(SWIPES / 1.2) // CHUNK)):
            await add("pairs", COLUMNS, rows)
    await db.open()


async def is_filled(tx: Transaction) -> bool:
    """Whether a run before this one has left everything here: the places of the baselines are made last."""
    try:
        return await tx.one(int, "SELECT COUNT(*) FROM bench_places") == PEOPLE
    except Exception:  # there is no such table, in the words of either driver
        return False


async def find_residents(tx: Transaction) -> dict[int, list[int]]:
    """Who lives in each cell."""
    residents: dict[int, list[int]] = {}
    for home in await tx.all(Home, "SELECT user_id, cell FROM profiles WHERE cell IS NOT NULL"):
        residents.setdefault(home.cell, []).append(home.user_id)
    return residents


async def catch_up(tx: Transaction) -> None:
    """Call done what a server would be busy with for a long time after such a first start: the names' index, the day's picks."""
    await tx.script("DELETE FROM unindexed;\nDELETE FROM backfills;")
    await tx.run(PICKED, day=tx.now // DAY, now=tx.now)


async def main() -> None:
    alone = rank_alone()
    rows = [{name: value for name, value in alone.items() if not name.startswith("with")}]
    made = []
    async with databases() as both:
        for settings, environment in both:
            db, population, started = connect(settings), Population(), time.perf_counter()
            await db.open()
            if not await db.read(is_filled):
                await fill(db, population)
                made.append(f"{db.dialect} filled in {time.perf_counter() - started:.0f} s")
            population.residents = await db.read(find_residents)
            if SECONDS:
                await db.write(catch_up)
                rows += await measure(db, environment, population)
            await db.close()
    lab.report(
        "deck",
        rows,
        f"{PEOPLE:,} people, {SWIPES:,} swipes; {RATE} pages and {RATE} swipes a second for {SECONDS} s through HTTP, "
        f"from when each was due; five ranked pages p99 {alone['with five pages p99 ms']:.1f} ms; {', '.join(made)}",
    )


if __name__ == "__main__":
    asyncio.run(main())
