"""Pages of `/profiles/search` among 100,000 people: latency and CPU, on average and in the densest cells.

The population is made by a seed: 300 towns whose sizes follow Zipf's law, each thinning out from its middle, and a tenth
scattered over the earth; ages, wishes and radii as people have them. Viewers have swiped 300 people nearby and walk through their
pages one after the other, as people do. The baseline is the angle of every row, asked of the same database without HTTP.
"""

import asyncio
import math
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import h3.api.basic_int as h3  # type: ignore[import-untyped]  # h3 ships no types
import msgspec
from rich.progress import track
from tests.kit import Postgres

from bench import lab
from bench.bulk import Add, filling
from dating.clock import DAY, day_number, now_microseconds, today
from dating.database import Database, Transaction, connect
from dating.matching.candidates import describe_ages
from dating.migrate import migrate
from dating.profiles import places, service
from dating.profiles.models import Profile
from dating.profiles.places import Point
from dating.settings import Settings

PEOPLE = int(os.environ.get("BENCH_PEOPLE", "100000"))
FOLDER = os.environ.get("BENCH_DATA")  # keeps the SQLite file for the next run
URL = os.environ.get("BENCH_DATABASE_URL")  # an empty PostgreSQL database of one's own, or the one of the last run
CHOSEN = os.environ.get("BENCH_DATABASES", "sqlite postgres").split()
VIEWERS = 80  # of each kind
PAGES = 3
ROUNDS = 3
SWIPED = 300
SCANS = 6  # pages of the baseline in a round
TOWNS = 300
SEED = 7

QUESTIONS = {
    "recommended, 50 km": "max_distance_km=50",
    "recommended, 5 km": "max_distance_km=5",
    "recommended, 250 km": "max_distance_km=250",
    "recommended, anywhere": "",
    "narrow: 25 to 27, photo, 50 km": "max_distance_km=50&min_age=25&max_age=27&has_photo=true",
    "recent, 50 km": "max_distance_km=50&order=recent",
    "nearest first, 50 km": "max_distance_km=50&order=distance",
    "nearest first, anywhere": "order=distance",
    "by id, 50 km": "max_distance_km=50&order=id",
}

USER = ("id", "username", "username_key", "password", "created_at")
CELL = ("cell", "area", "region", "land", "x", "y", "z")
ADD_PAIR = """
INSERT INTO pairs (low_id, high_id, low_action, high_action, low_at, high_at)
VALUES (:low_id, :high_id, :low_action, :high_action, :low_at, :high_at) ON CONFLICT DO NOTHING
"""

# What most applications do.
HAVERSINE = """2 * 6371 * asin(sqrt(
    sin((asin(q.z) - :latitude) / 2) * sin((asin(q.z) - :latitude) / 2)
    + cos(asin(q.z)) * cos(:latitude) * sin((atan2(q.y, q.x) - :longitude) / 2) * sin((atan2(q.y, q.x) - :longitude) / 2)
))"""
SCAN = f"""
SELECT q.user_id FROM profiles q
WHERE q.discoverable AND q.user_id <> :me AND q.gender = :gender AND q.born BETWEEN :born_from AND :born_to
  AND q.user_id NOT IN (SELECT other_id FROM swipes WHERE user_id = :me AND action IS NOT NULL)
  AND {HAVERSINE} <= 50
ORDER BY {HAVERSINE} LIMIT 20
"""


class Population:
    """Random people, the same for the same seed."""

    def __init__(self) -> None:
        self.dice = random.Random(SEED)
        self.now = now_microseconds()
        self.towns = [self.anywhere() for _ in range(TOWNS)]
        self.weights = [1 / rank for rank in range(1, TOWNS + 1)]
        self.residents: dict[int, list[int]] = {}

    def anywhere(self) -> Point:
        return Point(math.degrees(math.asin(self.dice.uniform(-0.8, 0.9))), self.dice.uniform(-180, 180))

    def home(self) -> Point:
        """In or around a town, or anywhere."""
        if self.dice.random() < 0.1:
            return self.anywhere()
        town = self.dice.choices(self.towns, self.weights)[0]
        angle, degrees = self.dice.uniform(0, math.tau), self.dice.expovariate(1 / 0.08)
        east = degrees * math.cos(angle) / math.cos(math.radians(town.latitude))
        latitude = max(-90.0, min(90.0, town.latitude + degrees * math.sin(angle)))
        return Point(latitude, (town.longitude + east + 180) % 360 - 180)

    def person(self, user_id: int) -> Profile:
        dice = self.dice
        gender = dice.choices([1, 2, 4, 8], [48, 48, 3, 1])[0]
        age = min(90, 18 + round(dice.expovariate(1 / 14)))
        cell = places.snap(self.home())
        self.residents.setdefault(cell, []).append(user_id)
        return Profile(
            user_id=user_id,
            name=f"Мария {user_id}",
            gender=gender,
            born=day_number(today(self.now)) - round(age * 365.25) - dice.randrange(1, 365),
            bio="Горы, чай и старые карты 🗺️ " * 8,
            photo_url="https://example.org/x.jpg" if dice.random() < 0.85 else None,
            interests=msgspec.json.encode(dice.sample(["hiking", "чай", "cinema", "chess", "jazz", "cats"], 3)).decode(),
            seeks=dice.choices([{1: 2, 2: 1}.get(gender, 7), 3, 15], [80, 10, 10])[0],
            min_age=max(18, age - dice.randrange(3, 12)) if dice.random() < 0.7 else 18,
            max_age=age + dice.randrange(3, 12) if dice.random() < 0.7 else 120,
            max_distance_km=dice.choices([None, 10, 50, 100, 300], [30, 10, 35, 15, 10])[0],
            cell=cell,
            discoverable=dice.random() < 0.95,
            show_last_active=dice.random() < 0.85,
            last_active=self.now - round(dice.expovariate(1 / (6 * DAY))),
        )

    def chunks(self, size: int = 2000) -> Iterator[list[Profile]]:
        for first in range(1, PEOPLE + 1, size):
            yield [self.person(user_id) for user_id in range(first, min(first + size, PEOPLE + 1))]


async def add_people(add: Add, population: Population) -> None:
    """Accounts, cells and profiles."""
    known: set[int] = set()
    for people in track(list(population.chunks()), description=f"{PEOPLE:,} people"):
        await add("users", USER, [(one.user_id, f"citizen{one.user_id}", f"citizen{one.user_id}", "", 0) for one in people])
        cells = {one.cell for one in people if one.cell is not None} - known
        known |= cells
        await add("cells", CELL, [tuple(service.describe_cell(cell).values()) for cell in sorted(cells)])
        rows = [service.to_row(one) | {"last_active": one.last_active} for one in people]
        await add("profiles", list(rows[0]), [tuple(row.values()) for row in rows])


async def populate(db: Database, population: Population) -> None:
    """Fill a new database."""
    await migrate(db)
    await db.close()
    async with filling(db.settings, []) as add:
        await add_people(add, population)
    await db.open()


class Viewer(msgspec.Struct, frozen=True):
    """Somebody who searches."""

    id: int
    token: str
    cell: int
    gender: int


async def gather(port: int, db: Database, population: Population, cells: list[int]) -> list[Viewer]:
    """A viewer in each of the cells, registered over HTTP, who has swiped people nearby."""
    viewers = []
    for number, cell in enumerate(cells):
        center, gender = places.center(cell), ("male", "female")[number % 2]
        (person,) = await lab.register(
            port,
            1,
            gender=gender,
            interested_in=("female", "male")[number % 2],
            birthday=f"{today(population.now).year - 24 - number % 12}-01-01",
            latitude=center.latitude,
            longitude=center.longitude,
            interests=["hiking", "чай"],
        )
        viewers.append(Viewer(person["id"], person["token"], cell, service.GENDERS[gender]))
        near = (other for ring in h3.grid_disk(cell, 15) for other in population.residents.get(ring, ()))
        await db.write(add_swipes, person["id"], [other for other, _ in zip(near, range(SWIPED), strict=False)])
    return viewers


async def add_swipes(tx: Transaction, me: int, others: list[int]) -> None:
    """I have swiped nearly all of them; every tenth likes me and waits."""
    rows = []
    for number, other in enumerate(others):
        mine = None if number % 10 == 0 else "dislike"
        theirs = "like" if number % 10 == 0 else None
        low, high = sorted([(me, mine), (other, theirs)])
        rows.append(
            {
                "low_id": low[0],
                "high_id": high[0],
                "low_action": low[1],
                "high_action": high[1],
                "low_at": low[1] and number,
                "high_at": high[1] and number,
            }
        )
    await tx.many(ADD_PAIR, rows)


async def walk(client: lab.Client, viewer: Viewer, query: str, latencies: list[float]) -> int:
    """The pages of one viewer; how many people were on them."""
    found, last = 0, ""
    for _ in range(PAGES):
        started = time.perf_counter()
        status, answer = await client.request("GET", f"/profiles/search?{query}{last}", token=viewer.token)
        latencies.append(time.perf_counter() - started)
        page = msgspec.json.decode(answer)
        if status != 200:
            raise RuntimeError(answer.decode())
        found += len(page)
        if not page:
            break
        last = f"&last_seen_id={page[-1]['id']}"
    return found


async def scan(db: Database, viewer: Viewer, latencies: list[float]) -> int:
    """One page by haversine."""
    center, now = places.center(viewer.cell), now_microseconds()
    ages = describe_ages(18, 120, now)
    place = {"latitude": math.radians(center.latitude), "longitude": math.radians(center.longitude)}
    values = {"me": viewer.id, "gender": 3 - viewer.gender, "born_from": ages["born_from"], "born_to": ages["born_to"], **place}

    async def read(tx: Transaction) -> int:
        return len(await tx.all(int, SCAN, **values))

    started = time.perf_counter()
    found = await db.read(read)
    latencies.append(time.perf_counter() - started)
    return found


class Series:
    """One line of the table in the making."""

    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.spent: list[float] = []
        self.found = 0

    def row(self, database: str, viewers: str, question: str) -> dict[str, Any]:
        pages = len(self.latencies)
        return {
            "database": database,
            "viewers": viewers,
            "question": question,
            "pages": pages,
            "people a page": self.found / pages,
            "p50 ms": lab.quantile(self.latencies, 0.5) * 1000,
            "p95 ms": lab.quantile(self.latencies, 0.95) * 1000,
            "p99 ms": lab.quantile(self.latencies, 0.99) * 1000,
            "CPU ms a page": sum(self.spent) / pages * 1000,
        }


async def measure(db: Database, environment: dict[str, str], population: Population) -> list[dict[str, Any]]:
    """Every question in turn, in rounds, with the baseline among them."""
    cells = list(population.residents)
    sizes = [len(population.residents[cell]) for cell in cells]
    kinds = {
        "average": population.dice.choices(cells, sizes, k=VIEWERS),
        "densest cells": [
            cell for cell in sorted(cells, key=lambda cell: -len(population.residents[cell]))[:10] for _ in range(VIEWERS // 10)
        ],
    }
    series: dict[tuple[str, str], Series] = {}
    async with lab.ours(**environment) as subject, lab.Client(subject.port) as client:
        for kind, places_ in kinds.items():
            viewers = await gather(subject.port, db, population, places_)
            for _ in range(ROUNDS):
                for question, query in QUESTIONS.items():
                    line = series.setdefault((kind, question), Series())
                    async with lab.cpu_of([subject.pid], line.spent):
                        for viewer in viewers:
                            line.found += await walk(client, viewer, query, line.latencies)
                line = series.setdefault((kind, "haversine of every row, 50 km"), Series())
                async with lab.cpu_of([os.getpid()], line.spent):
                    for viewer in viewers[:SCANS]:
                        line.found += await scan(db, viewer, line.latencies)
    return [line.row(db.dialect, kind, question) for (kind, question), line in series.items()]


@asynccontextmanager
async def databases() -> AsyncIterator[list[tuple[Settings, dict[str, str]]]]:
    """An empty database of each kind (or the ones that were kept), and the environment that names it to a server."""
    given = []
    with ExitStack() as stack:
        if "sqlite" in CHOSEN:
            path = Path(FOLDER or stack.enter_context(tempfile.TemporaryDirectory())) / "candidates.db"
            given.append((Settings(database_path=path), {"DATABASE_PATH": str(path)}))
        if "postgres" in CHOSEN:
            url = URL or stack.enter_context(closing(Postgres(durable=True))).create("candidates")
            given.append((Settings(database_url=url), {"DATABASE_URL": url}))
        yield given


async def main() -> None:
    rows: list[dict[str, Any]] = []
    async with databases() as both:
        for settings, environment in both:
            db, population = connect(settings), Population()
            await db.open()
            await populate(db, population)
            rows += await measure(db, environment, population)
            await db.close()
    lab.report(
        "candidates",
        rows,
        f"{PEOPLE:,} people; one client, {ROUNDS} rounds of {PAGES} pages for {VIEWERS} viewers of each kind; "
        "times through HTTP (the scan without it), CPU of the server without PostgreSQL's own",
    )


if __name__ == "__main__":
    asyncio.run(main())
