"""Cells, distances and covers, at the odd places of the earth too."""

import itertools
import math
import random

import h3.api.basic_int as h3  # type: ignore[import-untyped]  # h3 ships no types
import pytest

from dating.profiles import places
from dating.profiles.places import Level, Point

BERLIN, PARIS = Point(52.52, 13.405), Point(48.8566, 2.3522)
ODD = [Point(90, 0), Point(-90, 0), Point(-17, 180), Point(66, -180), Point(0, 0), Point(58.157, 10.536)]
PENTAGONS = [Point(*h3.cell_to_latlng(cell)) for cell in h3.get_pentagons(Level.NEAR)]
DICE = random.Random(5)


def step(start: Point, kilometers: float, bearing: float) -> Point:
    """The point that far away in that direction."""
    angle, latitude = kilometers / places.EARTH_KM, math.radians(start.latitude)
    sine = math.sin(latitude) * math.cos(angle) + math.cos(latitude) * math.sin(angle) * math.cos(bearing)
    east = math.atan2(math.sin(bearing) * math.sin(angle) * math.cos(latitude), math.cos(angle) - math.sin(latitude) * sine)
    return Point(math.degrees(math.asin(max(-1, min(1, sine)))), (start.longitude + math.degrees(east) + 180) % 360 - 180)


def scatter(count: int) -> list[Point]:
    """Points all over the earth, evenly."""
    return [Point(math.degrees(math.asin(DICE.uniform(-1, 1))), DICE.uniform(-180, 180)) for _ in range(count)]


def test_a_known_distance() -> None:
    """Berlin and Paris are 878 kilometers apart, give or take a cell."""
    assert abs(places.kilometers(places.snap(BERLIN), places.snap(PARIS)) - 878) <= 3


def test_nobody_is_nearer_than_one_kilometer() -> None:
    """The same cell is one kilometer away, so that no answer says "here"."""
    assert places.kilometers(places.snap(BERLIN), places.snap(BERLIN)) == 1


def test_the_antimeridian_and_the_poles_are_places_like_others() -> None:
    """Neighbors across the antimeridian or a pole are near each other."""
    assert places.kilometers(places.snap(Point(10, 179.99)), places.snap(Point(10, -179.99))) <= 6
    assert places.kilometers(places.snap(Point(89.99, 0)), places.snap(Point(89.99, 180))) <= 6


def test_180_degrees_east_is_180_degrees_west() -> None:
    """Both names of the antimeridian give one cell, and so does every longitude at a pole."""
    assert places.snap(Point(5, 180)) == places.snap(Point(5, -180))
    assert len({places.snap(Point(90, longitude)) for longitude in range(-180, 181, 10)}) == 1


def test_the_far_side_of_the_earth_is_within_every_great_radius() -> None:
    """No rounding error keeps the antipode out of a radius of half the circumference or more."""
    assert places.vector(places.snap(BERLIN)).dot(places.vector(places.snap(Point(-52.52, -166.595)))) >= places.cosine(20_016)
    assert places.cosine(40_000) == places.cosine(math.inf) == places.EVERYWHERE


def test_the_dot_product_orders_like_the_distance() -> None:
    """Whoever is within the cosine of a radius is within the radius, to a meter."""
    for one, other in itertools.pairwise(scatter(500)):
        apart = places.separation(one.vector, other.vector)
        assert one.vector.dot(other.vector) >= places.cosine(apart + 0.001)
        assert one.vector.dot(other.vector) < places.cosine(max(0, apart - 0.001))


@pytest.mark.parametrize("level", Level)
def test_a_cover_misses_nobody(level: Level) -> None:
    """Every cell within a radius has its coarse cell in the cover: anywhere, at poles, pentagons and the antimeridian."""
    radii = {Level.NEAR: (1, 4), Level.AREA: (1, 20, 80), Level.REGION: (1, 400, 800), Level.LAND: (1, 1200, 4000)}[level]
    for center in [*ODD, *PENTAGONS, *(step(p, DICE.uniform(0, 150), DICE.uniform(0, 7)) for p in PENTAGONS), *scatter(60)]:
        for radius in radii:
            origin = places.snap(center)
            cover = places.cover(origin, level, radius)
            targets = [step(center, radius * math.sqrt(DICE.random()), DICE.uniform(0, math.tau)) for _ in range(60)]
            for cell in map(places.snap, targets):
                if places.vector(cell).dot(places.vector(origin)) >= places.cosine(radius):
                    assert places.parent(cell, level) in cover


def test_a_cover_is_small() -> None:
    """A cover holds few cells in vain: not more than a few times the area of the circle."""
    origin = places.snap(BERLIN)
    assert len(places.cover(origin, Level.NEAR, 4)) <= 40
    assert len(places.cover(origin, Level.AREA, 60)) <= 100
    assert len(places.cover(origin, Level.REGION, 800)) <= 300


def test_lanes_are_numbers_of_their_own() -> None:
    """No two lanes of any cells, levels and genders are the same number, and all fit into a signed 64-bit integer."""
    cells = {places.parent(places.snap(point), level) for point in scatter(300) for level in Level} | {0}
    lanes = [places.lane(cell, gender) for cell in cells for gender in (1, 2, 4, 8)]
    assert len(set(lanes)) == len(lanes)
    assert all(0 < lane < 2**63 for lane in lanes)


def test_a_cell_is_sticky() -> None:
    """A thousand noisy fixes around an edge change the cell at most once."""
    corner = Point(*h3.cell_to_boundary(places.snap(BERLIN))[0])
    cell, changes = places.snap(BERLIN), 0
    for _ in range(1000):
        fix = step(corner, abs(DICE.gauss(0, 0.06)), DICE.uniform(0, math.tau))
        new = places.snap(fix, cell, 250)
        changes += new != cell
        cell = new
    assert changes <= 1


def test_a_cell_lets_go_beyond_its_edge() -> None:
    """Within the hysteresis outside of the edge the cell stays; clearly beyond it, it changes."""
    cell = places.snap(BERLIN)
    edge = Point(*h3.cell_to_boundary(cell)[0])
    middle = places.center(cell)
    bearing = math.atan2(
        math.sin(math.radians(edge.longitude - middle.longitude)) * math.cos(math.radians(edge.latitude)),
        math.cos(math.radians(middle.latitude)) * math.sin(math.radians(edge.latitude))
        - math.sin(math.radians(middle.latitude))
        * math.cos(math.radians(edge.latitude))
        * math.cos(math.radians(edge.longitude - middle.longitude)),
    )
    assert places.snap(step(edge, 0.2, bearing), cell, 250) == cell
    assert places.snap(step(edge, 0.3, bearing), cell, 250) != cell
    assert places.snap(step(edge, 0.01, bearing), cell, 0) != cell


def test_the_way_outside_is_right_at_the_poles_and_the_antimeridian() -> None:
    """The way from an edge is about as long as the step away from it, wherever on earth."""
    for center in ODD:
        cell = places.snap(center)
        for corner in h3.cell_to_boundary(cell):
            away = step(Point(*corner), 0.5, DICE.uniform(0, math.tau))
            if places.snap(away) != cell:
                assert places.outside_meters(cell, away) <= 501
