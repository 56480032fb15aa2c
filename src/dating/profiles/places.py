"""Where people are: H3 cells, distances between their centers, and which coarse cells a circle touches. Pure functions.

Nothing here or behind it ever works with an exact point, except `snap`, which turns a point into a cell and forgets it. Every
distance is between the centers of two cells, so moving about inside a cell changes nothing that anybody can observe.

A place is a unit vector: distances are dot products, the same everywhere on earth, poles and antimeridian included.
"""

import math
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import h3.api.basic_int as h3  # type: ignore[import-untyped]  # h3 ships no types

EARTH_KM = 6371.0088
HALFWAY_KM = math.pi * EARTH_KM
EVERYWHERE = -2.0  # a cosine that every distance reaches, rounding included
GENDER_BITS = 15  # the part of a lane that is the gender


class Level(IntEnum):
    """How fine a cell is; the value is the H3 resolution."""

    NEAR = 7  # about 2.4 km across: the cell of a person
    AREA = 5  # about 17 km
    REGION = 3  # about 120 km
    LAND = 1  # about 800 km


# Kilometers, measured over the whole earth: the least distance of neighboring centers, and the most of a person's cell from the
# coarse cell around it (each with a margin).
STEP_KM = {Level.NEAR: 1.7, Level.AREA: 12.0, Level.REGION: 85.0, Level.LAND: 630.0}
DRIFT_KM = {Level.NEAR: 0.01, Level.AREA: 10.5, Level.REGION: 84.0, Level.LAND: 580.0}


class Vector(NamedTuple):
    """A point of the unit sphere."""

    x: float
    y: float
    z: float

    def dot(self, other: "Vector") -> float:
        """The cosine of the angle between the two. Written as the SQL computes it, so that both agree to the last bit."""
        return self.x * other.x + self.y * other.y + self.z * other.z


class Point(NamedTuple):
    """Degrees north and east."""

    latitude: float
    longitude: float

    @property
    def vector(self) -> Vector:
        latitude, longitude = math.radians(self.latitude), math.radians(self.longitude)
        return Vector(
            math.cos(latitude) * math.cos(longitude),
            math.cos(latitude) * math.sin(longitude),
            math.sin(latitude),
        )


def center(cell: int) -> Point:
    """The middle of a cell."""
    return Point(*h3.cell_to_latlng(cell))


@lru_cache(50_000)
def vector(cell: int) -> Vector:
    """The middle of a cell as a unit vector."""
    return center(cell).vector


def parent(cell: int, level: Level) -> int:
    """The cell of that level around a person's cell."""
    return int(h3.cell_to_parent(cell, level))


def lane(cell: int, gender: int) -> int:
    """One gender (a bit) in one cell of any level, as one number; cell 0 is nowhere."""
    return cell & ~GENDER_BITS | gender


def cosine(kilometers: float) -> float:
    """The dot product at that distance: whoever has at least this is within it."""
    return EVERYWHERE if kilometers >= HALFWAY_KM else math.cos(kilometers / EARTH_KM)


def kilometers(one: int, other: int) -> int:
    """Whole kilometers between two cells, at least 1."""
    return max(1, round(separation(vector(one), vector(other))))


def separation(one: Vector, other: Vector) -> float:
    """Kilometers between two points, exact for small and for large distances."""
    return 2 * EARTH_KM * math.asin(min(1.0, math.dist(one, other) / 2))


def snap(point: Point, current: int | None = None, hysteresis_meters: float = 0) -> int:
    """The cell for a point; the current cell stays until the point is more than `hysteresis_meters` outside of it."""
    cell = int(h3.latlng_to_cell(point.latitude, point.longitude, Level.NEAR))
    if current is None or cell == current:
        return cell
    return current if outside_meters(current, point) <= hysteresis_meters else cell


def outside_meters(cell: int, point: Point) -> float:
    """How far a point outside of a cell is from the cell's edge."""
    corners = [Point(*corner).vector for corner in h3.cell_to_boundary(cell)]
    place = point.vector
    edges = zip(corners, corners[1:] + corners[:1], strict=True)
    return 1000 * min(edge_km(place, one, other) for one, other in edges)


def edge_km(place: Vector, one: Vector, other: Vector) -> float:
    """Kilometers from a place to the straight line between two corners. Flat geometry: a cell is two kilometers wide."""
    along = [b - a for a, b in zip(one, other, strict=True)]
    away = [p - a for a, p in zip(one, place, strict=True)]
    share = sum(a * b for a, b in zip(along, away, strict=True)) / sum(a * a for a in along)
    share = min(1.0, max(0.0, share))
    nearest = Vector(*(a + share * b for a, b in zip(one, along, strict=True)))
    return separation(place, nearest)


@lru_cache(1000)
def cover(cell: int, level: Level, radius_km: float) -> tuple[int, ...]:
    """The cells of a level that may hold a person's cell whose center is within the radius of this cell's center."""
    origin = vector(cell)
    reach_km = radius_km + DRIFT_KM[level]
    rings = math.ceil((reach_km + DRIFT_KM[level]) / (STEP_KM[level] * math.sqrt(0.75))) + 1
    least = cosine(reach_km)
    return tuple(near for near in h3.grid_disk(parent(cell, level), rings) if vector(near).dot(origin) >= least)
