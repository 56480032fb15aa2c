"""People as flat arrays, for the candidate index: some 39 bytes for each, besides the cells that they share.

Nothing here knows a database. Rows are `COLUMNS` in that order, as `index_queries` reads them.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from dating.clock import SECOND
from dating.matching.learning import fold
from dating.profiles import places
from dating.profiles.places import Level
from dating.profiles.service import describe_cell

HOUR = 3600 * SECOND
UNSAID = -(2**31)  # a birthday that was not said
NOWHERE = -1
SLACK = 1024
COLUMNS: dict[str, Any] = {
    "ids": np.int64,
    "recency": np.int32,  # hours since the epoch
    "born": np.int32,
    "place": np.int32,  # a row of `Cells`
    "limit": np.uint16,  # the greatest distance in kilometers; 0: no rule
    "gender": np.uint8,
    "seeks": np.uint8,
    "min_age": np.uint8,
    "max_age": np.uint8,
    "photo": np.bool_,
    "shows": np.bool_,
    "joined": np.uint32,  # seconds since the epoch
    "topics": np.uint64,  # a bit for each interest, see `Topics`
}
MADE = ("place", "recency", "joined", "topics")  # out of something else than their own numbers
TOPICS = 63  # interests that have a bit of their own
OTHER = np.uint64(1 << 63)

Array = NDArray[Any]
Row = tuple[Any, ...]


class Cells:
    """Where people live: for each cell its center and the coarser cells around it. Cells are added and never removed."""

    def __init__(self, parts: Sequence[Sequence[Array]] = ()) -> None:
        """`parts`: what `read` made of rows, in the order of the cells."""
        columns = [np.concatenate(pieces) for pieces in zip(*(self.read([]), *parts), strict=True)]
        self._sorted, self.area, self.region, self.x, self.y, self.z = columns
        self._added: dict[int, int] = {}
        self._count = len(self._sorted)

    @staticmethod
    def read(rows: Sequence[Row]) -> list[Array]:
        """Columns of rows of cell, area, region, x, y, z."""
        columns = list(zip(*rows, strict=True)) or [()] * 6
        return [np.array(column, np.int64 if place < 3 else np.float64) for place, column in enumerate(columns)]

    def places(self, cells: Array) -> Array:
        """The row of each cell; those that are new are added. 0 is nowhere."""
        at = np.minimum(np.searchsorted(self._sorted, cells), max(0, len(self._sorted) - 1))
        known = self._sorted[at] == cells if len(self._sorted) else np.zeros(len(cells), np.bool_)
        found = np.where(known, at, NOWHERE)
        for row in np.flatnonzero(~known & (cells != 0)):
            found[row] = self._add(int(cells[row]))
        return found

    def _add(self, cell: int) -> int:
        place = self._added.get(cell)
        if place is None:
            place = self._count
            if place == len(self.area):
                for name in ("area", "region", "x", "y", "z"):
                    setattr(self, name, np.resize(getattr(self, name), place + SLACK) if place else self._empty(name))
            row = describe_cell(cell)
            for name in ("area", "region", "x", "y", "z"):
                getattr(self, name)[place] = row[name]
            self._added[cell] = place
            self._count += 1
        return place

    def _empty(self, name: str) -> Array:
        return np.zeros(SLACK, getattr(self, name).dtype)

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return sum(array.nbytes for array in (self._sorted, self.area, self.region, self.x, self.y, self.z))


class Topics:
    """Which interests have a bit: the commonest of some people. Whoever has another one has the bit `OTHER`, too."""

    def __init__(self, interests: Iterable[str] = ()) -> None:
        counts = Counter(topic for text in interests for topic in fold(text))
        self._bits = {topic: 1 << place for place, (topic, _) in enumerate(counts.most_common(TOPICS))}

    def encode(self, interests: str) -> int:
        """The bits of a column of interests."""
        bits = 0
        for topic in fold(interests):
            bits |= self._bits.get(topic, int(OTHER))
        return bits

    def encode_all(self, column: Sequence[str]) -> Array:
        """The bits of many."""
        known = {text: self.encode(text) for text in set(column)}
        return np.array([known[text] for text in column], np.uint64)


class Table:
    """Some people. A row is written once; who changes gets another one, and the old is not `alive` any more."""

    def __init__(self, columns: dict[str, Array], count: int | None = None) -> None:
        self.columns = columns
        self.count = len(columns["ids"]) if count is None else count
        self.alive = np.ones(len(columns["ids"]), np.bool_)

    @classmethod
    def empty(cls, size: int) -> Self:
        """A table with room for so many."""
        return cls({name: np.zeros(size, kind) for name, kind in COLUMNS.items()}, 0)

    @classmethod
    def read(cls, rows: Sequence[Row], cells: Cells, topics: Topics) -> Self:
        """The table of rows of the database."""
        if not rows:
            return cls.empty(0)
        given = dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
        columns = {name: np.array(given[name], kind) for name, kind in COLUMNS.items() if name not in MADE}
        columns["place"] = cells.places(np.array(given["place"], np.int64)).astype(np.int32)
        columns["recency"] = (np.array(given["recency"], np.int64) // HOUR).astype(np.int32)
        columns["joined"] = np.clip(np.array(given["joined"], np.int64) // SECOND, 0, 2**32 - 1).astype(np.uint32)
        columns["topics"] = topics.encode_all(given["topics"])
        return cls({name: columns[name] for name in COLUMNS})

    @classmethod
    def join(cls, tables: Sequence["Table"]) -> Self:
        """Everybody who is alive in these, by id."""
        rows = [np.flatnonzero(table.alive[: table.count]) for table in tables]

        def gather(name: str) -> Array:
            return np.concatenate([table.columns[name][some] for table, some in zip(tables, rows, strict=True)])

        order = np.argsort(gather("ids"), kind="stable")
        return cls({name: gather(name)[order] for name in COLUMNS})

    def copy(self) -> "Table":
        """As it is now, to read in another thread while this one is written to."""
        other = Table(self.columns, self.count)
        other.alive = self.alive.copy()
        return other

    def append(self, table: "Table") -> None:
        """Add rows at the end. Who reads meanwhile sees them all or not at all."""
        end = self.count + table.count
        if end > len(self.alive):
            size = max(2 * len(self.alive), end)
            self.columns = {name: np.resize(column, size) for name, column in self.columns.items()}
            self.alive = np.concatenate([self.alive[: self.count], np.ones(size - self.count, np.bool_)])
        for name, column in self.columns.items():
            column[self.count : end] = table.columns[name]
        self.count = end

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return sum(column.nbytes for column in self.columns.values()) + self.alive.nbytes


class Lanes:
    """The rows of a table in lanes (see `candidate_queries`), the most recently active first in each."""

    def __init__(self, keys: Array, recent: Array) -> None:
        """`keys`: the lane of each row; `recent`: the rows in the order of activity."""
        sorting = np.argsort(keys[recent], kind="stable")
        self._order = recent[sorting].astype(np.int32)
        self._keys, starts = np.unique(keys[self._order], return_index=True)
        self._starts = np.append(starts, len(keys)).astype(np.int64)

    def first(self, lanes: Sequence[int], depth: int) -> tuple[Array, Array]:
        """The first rows of these lanes, `depth` of each; and of the lanes that have more, the last of those."""
        wanted = np.array(lanes, np.int64)
        if not len(self._keys):
            return np.zeros(0, np.int32), np.zeros(0, np.int32)
        at = np.minimum(np.searchsorted(self._keys, wanted), len(self._keys) - 1)
        at = at[self._keys[at] == wanted]
        starts = self._starts[at]
        lengths = self._starts[at + 1] - starts
        taken = np.minimum(lengths, depth)
        total = np.cumsum(taken)
        rows = np.repeat(starts - total + taken, taken) + np.arange(total[-1] if len(total) else 0)
        cut = lengths > taken
        return self._order[rows], self._order[(starts + taken - 1)[cut]]

    @property
    def nbytes(self) -> int:
        """Memory of the arrays."""
        return self._order.nbytes + self._keys.nbytes + self._starts.nbytes


def cosines() -> Array:
    """The dot product at each whole distance that somebody may set."""
    return np.array([places.cosine(kilometers) for kilometers in range(40_001)])


def key_lanes(table: Table, cells: Cells, level: Level | None) -> Array:
    """The lane of each row; without a level that of the whole earth."""
    genders = table.columns["gender"].astype(np.int64)
    if level is None:
        return genders
    place = table.columns["place"]
    around = cells.area if level == Level.AREA else cells.region
    if not len(around):
        return genders
    coarse = np.where(place == NOWHERE, 0, around[place])
    lanes: Array = (coarse & ~places.GENDER_BITS) | genders
    return lanes


def sort_by_activity(table: Table) -> Array:
    """The rows, the most recently active first, and of those the latest account."""
    order: Array = np.lexsort((table.columns["ids"], table.columns["recency"]))[::-1]
    return order
