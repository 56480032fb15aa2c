"""Attacks on where people are: whatever is asked, the answer depends on cells alone.

The rows L1 to L7 of the threat list. L5 (a thousand noisy fixes) is in `unit/test_places`, L6 (jumps) in `test_profiles`, L7
(presence) there and in `ws/test_socket`; L1 in frames is in `ws/test_location_frames`.
"""

import math
import random
from collections.abc import Iterator
from typing import Any

import h3.api.basic_int as h3  # type: ignore[import-untyped]  # h3 ships no types
import msgspec
import numpy as np
import pytest

from dating.clock import SECOND
from dating.database import Database, Transaction
from dating.documentation import document
from dating.matching import candidates, deck, explain, picks
from dating.matching.candidates import Candidate, Order, Search
from dating.matching.ranking import DEFAULT
from dating.profiles import places, service
from dating.profiles.models import ProfileFields
from dating.profiles.places import Point
from dating.settings import Settings
from tests.api.test_bad_input import read_everything
from tests.api.test_search_oracle import ADD_USER
from tests.kit import PASSWORD, Api

NOW = 1_795_000_000 * SECOND
TOWN = Point(48.137, 11.576)
HYSTERESIS = Settings().cell_hysteresis_meters
KM_PER_DEGREE = 111.2
CELL_KM = 2.4  # across
VIEWER = 1
ORDERS: tuple[Order, ...] = ("distance", "recent", "recommended", "id")
NUMBER_OF_PLACES, STEPS = 50, 300
TARGETS, QUESTIONS = 200, 500


def shift(point: Point, north_km: float, east_km: float) -> Point:
    """A point so far away."""
    east = east_km / KM_PER_DEGREE / math.cos(math.radians(point.latitude))
    return Point(point.latitude + north_km / KM_PER_DEGREE, point.longitude + east)


def scatter_in(cell: int, dice: random.Random) -> Iterator[Point]:
    """Random points in a cell, up to its edge."""
    while True:
        point = shift(places.center(cell), dice.uniform(-1.6, 1.6), dice.uniform(-1.6, 1.6))
        if places.snap(point) == cell:
            yield point


async def settle(tx: Transaction, user_id: int, point: Point) -> None:
    """Let somebody be at a point, as a change of their profile does it."""
    await service.change(tx, user_id, ProfileFields(latitude=point.latitude, longitude=point.longitude), HYSTERESIS)


async def populate(tx: Transaction, homes: list[Point]) -> None:
    """A viewer, and somebody at each of the homes."""
    for number, home in enumerate([TOWN, *homes], start=VIEWER):
        await tx.run(ADD_USER, name=f"p{number}", banned=None)
        await service.create(tx, number, ProfileFields(birthday="1994-05-17", interests=["чай"]))
        await settle(tx, number, home)


def plan(seed: int, count: int) -> list[tuple[Point, float, int]]:
    """A walk through the town: from where, with which radius, and which kind of question."""
    dice = random.Random(seed)
    return [
        (shift(TOWN, dice.gauss(0, 6), dice.gauss(0, 6)), dice.choice([1, 1.5, 2, 3, 5, 8, 13, 30]), step % 6)
        for step in range(count)
    ]


async def look(tx: Transaction, wish: Search) -> list[Candidate]:
    """A page, in whatever order."""
    if wish.order == "recommended":
        return (await deck.draw(tx, VIEWER, wish, None, DEFAULT)).people
    return await candidates.search(tx, VIEWER, wish)


async def walk(tx: Transaction, steps: list[tuple[Point, float, int]], target: int, size: int) -> bytes:
    """Everything that the viewer is told on a walk: display, a deck by a filter, sort, count, explanation, picks."""
    transcript = []
    for point, radius, kind in steps:
        order = ORDERS[int(radius) % 4]
        here = Search(latitude=point.latitude, longitude=point.longitude, page_size=size, order=order)
        circle = msgspec.structs.replace(here, max_distance_km=radius)
        answer: Any
        if kind == 0:
            answer = await service.publics(tx, VIEWER, [target], places.snap(point))
        elif kind == 1:
            answer = await look(tx, circle)
        elif kind == 2:
            answer = await look(tx, msgspec.structs.replace(here, order="distance"))
        elif kind == 3:
            answer = len(await look(tx, circle))
        elif kind == 4:
            answer = await explain.explain(tx, VIEWER, circle)
        else:
            answer = await picks.picks(tx, VIEWER)
        transcript.append(msgspec.json.encode(answer))
    return b"\n".join(transcript)


@pytest.fixture
async def noon(db: Database) -> Database:
    """The database, with a clock that stands."""
    db.clock = lambda: NOW
    return db


@pytest.mark.one_process("asks the services, no server")
async def test_a_walk_tells_nothing_of_the_place_inside_a_cell(noon: Database, settings: Settings) -> None:
    """L2, L3, L4: for 50 places of the target inside one cell the database is the same to the last row, so there is nothing that
    any question could bring to light; and the same walk of 300 steps gets the same bytes (on PostgreSQL at every tenth)."""
    dice = random.Random(1)
    cell = places.snap(shift(TOWN, 2, 1))
    homes = scatter_in(cell, dice)
    await noon.write(populate, [next(homes), *[shift(TOWN, dice.gauss(0, 4), dice.gauss(0, 4)) for _ in range(6)]])
    await picks.make_picks(noon, settings)
    steps = plan(2, STEPS)
    states, transcripts = set(), set()
    for number in range(NUMBER_OF_PLACES):
        await noon.write(settle, VIEWER + 1, next(homes))
        states.add(msgspec.json.encode(await noon.read(read_everything, noon.dialect)))
        if noon.dialect == "sqlite" or number % 10 == 0:
            transcripts.add(await noon.read(walk, steps, VIEWER + 1, 10))
    assert len(states) == len(transcripts) == 1
    await noon.write(settle, VIEWER + 1, shift(TOWN, -3, 3))  # and the walk does notice another cell
    assert await noon.read(walk, steps, VIEWER + 1, 10) not in transcripts


@pytest.mark.one_process("asks the services, no server")
async def test_two_hundred_targets_and_five_hundred_questions(noon: Database, settings: Settings) -> None:
    """All targets move inside their cells between two rounds of the same questions, each about all of them: no byte changes, and
    neither do the picks, which are made anew."""
    dice = random.Random(3)
    cells = [places.snap(shift(TOWN, dice.gauss(0, 5), dice.gauss(0, 5))) for _ in range(TARGETS)]
    homes = [scatter_in(cell, dice) for cell in cells]
    await noon.write(populate, [next(points) for points in homes])
    targets = list(range(VIEWER + 1, VIEWER + 1 + TARGETS))
    steps = plan(4, QUESTIONS)
    told = []
    for _ in range(2):
        for target, points in zip(targets, homes, strict=True):
            await noon.write(settle, target, next(points))
        await noon.write(unpick)
        await picks.make_picks(noon, settings)
        told.append(await noon.read(ask_about_all, steps, targets))
    assert told[0] == told[1]
    assert len(told[0]) > 3_000_000


async def unpick(tx: Transaction) -> None:
    """Let the picks of the day be made again."""
    await tx.run("DELETE FROM picks")
    await tx.run("DELETE FROM pick_rounds")


async def ask_about_all(tx: Transaction, steps: list[tuple[Point, float, int]], targets: list[int]) -> bytes:
    """The walk's questions, each showing as many targets as a page holds; display shows them all."""
    shown = [
        [user.distance_km for user in await service.publics(tx, VIEWER, targets, places.snap(point))]
        for point, _, kind in steps
        if kind == 0
    ]
    made = [msgspec.json.encode(await picks.picks(tx, target)) for target in targets]
    return b"\n".join([await walk(tx, steps, targets[0], 100), msgspec.json.encode(shown), *made])


# --- L2: the flips of the rounded distance --------------------------------------------------------------------------------------


def locate(distances: list[Any], origins: list[Point], around: Point) -> Any:
    """The attacker's estimate, in kilometers north and east of a point nearby: the middle of all places that fit every answer."""
    grid = np.stack(np.meshgrid(np.arange(-3, 3, 0.1), np.arange(-3, 3, 0.1), indexing="ij"), axis=-1).reshape(-1, 2)
    wrong = np.zeros(len(grid))
    for told, origin in zip(distances, origins, strict=True):
        north = (origin.latitude - around.latitude) * KM_PER_DEGREE
        east = (origin.longitude - around.longitude) * KM_PER_DEGREE * math.cos(math.radians(around.latitude))
        wrong += np.abs(np.hypot(grid[:, 0] - north, grid[:, 1] - east) - told) > 0.51
    return grid[wrong == wrong.min()].mean(axis=0)


@pytest.mark.one_process("asks the services, no server")
async def test_intersecting_circles_finds_no_more_than_the_cell(noon: Database) -> None:
    """The attacker walks around each of 200 targets and intersects the rounded distances: the median error is that of guessing
    the middle of the cell (.38 of its width). The same attack on distances from exact points finds people to a quarter."""
    dice = random.Random(5)
    truth = [shift(TOWN, dice.uniform(-6, 6), dice.uniform(-6, 6)) for _ in range(TARGETS)]
    await noon.write(populate, truth)
    cells = sorted(h3.grid_disk(places.snap(TOWN), 5))[::2]
    origins = [places.center(cell) for cell in cells]
    ids = list(range(VIEWER + 1, VIEWER + 1 + TARGETS))
    told = [[user.distance_km for user in await noon.read(service.publics, VIEWER, ids, cell)] for cell in cells]
    errors, exact = [], []
    for number, home in enumerate(truth):
        around = places.center(places.snap(home))
        north = (home.latitude - around.latitude) * KM_PER_DEGREE
        east = (home.longitude - around.longitude) * KM_PER_DEGREE * math.cos(math.radians(around.latitude))
        real = [round(places.separation(home.vector, origin.vector)) for origin in origins]
        errors.append(math.dist(locate([row[number] for row in told], origins, around), (north, east)))
        exact.append(math.dist(locate(real, origins, around), (north, east)))
    assert np.median(errors) >= 0.35 * CELL_KM, np.median(errors)
    assert np.median(exact) <= 0.1 * CELL_KM, np.median(exact)


# --- L1: what answers hold ------------------------------------------------------------------------------------------------------

COORDINATES = {"latitude", "longitude", "lat", "lon", "lng", "cell", "x", "y", "z", "near_lane", "area_lane", "home_cell"}
MINE = {"/me", "/api/users/me"}


def list_leaves(value: Any) -> Iterator[tuple[str, Any]]:
    """Every key with its value, however deep."""
    items = value.items() if isinstance(value, dict) else (("", item) for item in value) if isinstance(value, list) else ()
    for key, item in items:
        yield key, item
        yield from list_leaves(item)


def find_places(value: Any, planted: list[float]) -> list[tuple[str, Any]]:
    """Keys of a place, and numbers near the planted ones."""
    return [
        (key, found)
        for key, found in list_leaves(value)
        if key in COORDINATES or (isinstance(found, float) and min(abs(found - number) for number in planted) < 1e-3)
    ]


async def test_no_answer_holds_a_coordinate_of_somebody_else(api: Api) -> None:
    """Every GET of the server, asked by a stranger and by a match: no key of a place, no number near the planted ones, and
    nothing else that only its owner reads: birthday, address, website, password."""
    place = {"latitude": 48.2137, "longitude": 11.6176}
    own = {"birthday": "1994-05-17", "email": "boris@example.org", "website": "https://example.org/boris"}
    boris = await api.person(**own, **place)
    clara, dora = await api.people(2, birthday="1994-06-18", latitude=48.3, longitude=11.7)
    chat_id = await dora.match(boris)
    db = api.app.state.db
    await picks.make_picks(db, db.settings)
    names = {"user_id": boris.id, "username": boris.username, "chat_id": chat_id}
    asked = 0
    for path, item in document(api.app)["paths"].items():
        if "get" not in item or path in MINE:
            continue
        try:
            address = path.format(**names)
        except KeyError:
            continue  # about things that are not Boris's
        for viewer in (clara, dora):
            answer = await viewer.get(address)
            if answer.headers["content-type"] != "application/json":
                continue
            asked += 1
            assert find_places(answer.json(), list(place.values())) == [], path
            assert [text for text in (*own.values(), PASSWORD) if text in answer.text] == [], path
    assert asked > 20
