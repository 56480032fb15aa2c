"""The candidate index in the memory of a process: who fits by profile, the most recently active first, without the database.

It knows profiles (as far as the rules look at them) and who is there at all; not who swiped, blocked or hid whom, which the
database is asked about everybody that the index names (`candidates.find_latest`). So an index that lags behind can only cost a
candidate.

The people of the start are a table that does not change, with their order in lanes by area, by region and of the whole earth.
Whoever changes leaves it and goes on in a second, small table that is read whole; when that is full (`crowded`), both become a
new first table. One thread writes, and readers on other threads see each change whole or not at all.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from dating.matching.candidate_queries import Entry, Fineness
from dating.matching.columns import HOUR, UNSAID, Array, Cells, Lanes, Row, Table, Topics, cosines, key_lanes, sort_by_activity
from dating.profiles.places import Level

CROWD = 4096  # changed people who are read one by one: a tenth of a millisecond
DEPTH = 64  # least rows of each lane at first; up to sixteen times as many where they do not suffice
LATEST = 2**31 - 1


class Shelf:
    """Both tables and the lanes of the first, as one value that readers take and keep."""

    def __init__(self, base: Table, fresh: Table, cells: Cells, topics: Topics) -> None:
        self.base, self.fresh, self.cells, self.topics = base, fresh, cells, topics
        recent = sort_by_activity(base)
        self.lanes: dict[Fineness, Lanes] = {
            "area": Lanes(key_lanes(base, cells, Level.AREA), recent),
            "region": Lanes(key_lanes(base, cells, Level.REGION), recent),
            "earth": Lanes(key_lanes(base, cells, None), recent),
        }


class Index:
    """Everybody who may be shown. Empty, and not `ready`, until `fill`."""

    def __init__(self) -> None:
        self.ready = False
        self._cosines = cosines()
        self._shelf = Shelf(Table.empty(0), Table.empty(CROWD), Cells(), Topics())
        self._fresh: dict[int, int] = {}
        self._changed: dict[int, Table | None] | None = None

    # --- writing

    def fill(self, shelf: Shelf) -> None:
        """These people, sorted, and nobody else."""
        self._shelf, self._fresh, self._changed = shelf, {}, None
        self.ready = True

    def put(self, asked: Sequence[int], rows: Sequence[Row]) -> None:
        """What the database says of the people asked about; who has no row is not to be found any more."""
        table = Table.read(rows, self._shelf.cells, self._shelf.topics)
        for user_id in asked:
            self._drop(user_id)
            if self._changed is not None:
                self._changed[user_id] = None
        for place, row in enumerate(rows):
            one = Table({name: column[place : place + 1] for name, column in table.columns.items()})
            self._append(int(row[0]), one)

    def _append(self, user_id: int, one: Table) -> None:
        self._fresh[user_id] = self._shelf.fresh.count
        self._shelf.fresh.append(one)
        if self._changed is not None:
            self._changed[user_id] = one

    def _drop(self, user_id: int) -> None:
        place = self._fresh.pop(user_id, None)
        if place is not None:
            self._shelf.fresh.alive[place] = False
            return
        base = self._shelf.base
        place = int(np.searchsorted(base.columns["ids"], user_id))
        if place < base.count and base.columns["ids"][place] == user_id:
            base.alive[place] = False

    @property
    def crowded(self) -> bool:
        """Whether it is time to `sort` anew."""
        return self._shelf.fresh.count >= CROWD // 2

    def begin(self) -> tuple[Table, Table, Cells, Topics]:
        """What `sort` needs; changes from now on are remembered for `adopt`."""
        self._changed = {}
        return self._shelf.base.copy(), self._shelf.fresh.copy(), self._shelf.cells, self._shelf.topics

    @staticmethod
    def sort(base: Table, fresh: Table, cells: Cells, topics: Topics) -> Shelf:
        """Everybody in one table, in order: half a second for a million, on any thread."""
        return Shelf(Table.join([base, fresh]), Table.empty(CROWD), cells, topics)

    def adopt(self, shelf: Shelf) -> None:
        """Go on with the sorted people, and with what has changed since `begin`."""
        changed, self._changed = self._changed or {}, None
        self._shelf, self._fresh = shelf, {}
        for user_id, one in changed.items():
            self._drop(user_id)
            if one is not None:
                self._append(user_id, one)

    # --- reading

    def latest(self, fineness: Fineness, lanes: list[int], after: Entry, count: int, rules: Mapping[str, Any]) -> list[Entry]:
        """The first `count` of these lanes who fit by profile and come after the given one, the most recently active first."""
        shelf, depth = self._shelf, max(DEPTH, 8 * count // len(lanes))
        fresh = np.flatnonzero(shelf.fresh.alive[: shelf.fresh.count])
        while True:
            rows, ends = shelf.lanes[fineness].first(lanes, depth)
            horizon = find_horizon(shelf.base, ends)
            parts = [
                self._sift(table, some, shelf.cells, after, horizon, rules)
                for table, some in ((shelf.base, rows), (shelf.fresh, fresh))
            ]
            recency, ids = (np.concatenate(column) for column in zip(*parts, strict=True))
            if len(ids) >= count or horizon is None:
                first = np.lexsort((ids, recency))[::-1][:count]
                return [Entry(hours * HOUR, id_) for hours, id_ in zip(recency[first].tolist(), ids[first].tolist(), strict=True)]
            depth *= min(16, max(2, -(-5 * count // (4 * max(1, len(ids))))))  # as many as those promise to be enough

    def _sift(
        self, table: Table, rows: Array, cells: Cells, after: Entry, horizon: Entry | None, rules: Mapping[str, Any]
    ) -> tuple[Array, Array]:
        """Recency (hours) and ids of those of the rows who fit, between `after` and the horizon; `RULES` in arrays."""
        columns = table.columns
        recency, ids = columns["recency"][rows], columns["ids"][rows]
        last = min(after.recency // HOUR, LATEST)
        good = table.alive[rows] & (recency >= rules["since"] // HOUR) & (ids != rules["me"])
        good &= (recency < last) | ((recency == last) & (ids < after.user_id))
        if horizon is not None:
            good &= (recency > horizon.recency) | ((recency == horizon.recency) & (ids >= horizon.user_id))
        rows, recency, ids = rows[good], recency[good], ids[good]  # the fewer rows, the less to gather below
        good = (columns["seeks"][rows] & rules["my_gender"] != 0) & (columns["gender"][rows] & rules["seeks"] != 0)
        good &= (columns["min_age"][rows] <= rules["age_low"]) & (columns["max_age"][rows] >= rules["age_high"])
        if not rules["any_age"]:
            born = columns["born"][rows]
            good &= (born != UNSAID) & (born >= rules["born_from"]) & (born <= rules["born_to"])
        if rules["has_photo"]:
            good &= columns["photo"][rows]
        if rules["online_only"]:
            good &= columns["shows"][rows]
        rows, recency, ids = rows[good], recency[good], ids[good]
        near = self._reached(columns["limit"][rows], columns["place"][rows], cells, rules)
        return recency[near], ids[near]

    def _reached(self, limit: Array, place: Array, cells: Cells, rules: Mapping[str, Any]) -> Array:
        """Whether each of them is within my radius, and I within theirs. Who is nowhere is within none."""
        if rules["x"] is None or not len(cells.x):
            free: Array = (limit == 0) & (rules["reach"] is None)
            return free
        dot = cells.x[place] * rules["x"] + cells.y[place] * rules["y"] + cells.z[place] * rules["z"]
        dot = np.where(place < 0, np.nan, dot)
        near: Array = (limit == 0) | (dot >= self._cosines[limit])
        mine: Array = near if rules["reach"] is None else dot >= rules["reach"]
        both: Array = near & mine
        return both

    def look_up(self, ids: Array) -> tuple[dict[str, Array], Topics]:
        """What is known of those of the people who are here, in any order; and what the bits of their topics say."""
        while True:
            shelf = self._shelf
            places = [place for place in map(self._fresh.get, ids.tolist()) if place is not None]
            if shelf is self._shelf:  # else the places are those of another table
                break
        fresh, base = shelf.fresh, shelf.base
        moved = np.array([place for place in places if place < fresh.count], np.int64)
        moved = moved[fresh.alive[moved]]
        rows = np.searchsorted(base.columns["ids"], ids)
        rows = rows[rows < base.count]
        rows = rows[np.isin(base.columns["ids"][rows], ids) & base.alive[rows]]
        rows = rows[~np.isin(base.columns["ids"][rows], fresh.columns["ids"][moved])]  # who moved between the two looks
        asked = ("ids", "gender", "born", "joined", "topics")
        return {name: np.concatenate((base.columns[name][rows], fresh.columns[name][moved])) for name in asked}, shelf.topics

    @property
    def count(self) -> int:
        """How many people are in it."""
        shelf = self._shelf
        return int(shelf.base.alive.sum()) + len(self._fresh)

    @property
    def nbytes(self) -> int:
        """Memory of all arrays."""
        shelf = self._shelf
        lanes = sum(one.nbytes for one in shelf.lanes.values())
        return shelf.base.nbytes + shelf.fresh.nbytes + shelf.cells.nbytes + lanes + self._cosines.nbytes


def find_horizon(table: Table, ends: Array) -> Entry | None:
    """Beyond whom the lanes that were cut may hold others (recency in hours); None where nothing was cut."""
    if not len(ends):
        return None
    recency, ids = table.columns["recency"][ends], table.columns["ids"][ends]
    first = np.lexsort((ids, recency))[-1]
    return Entry(int(recency[first]), int(ids[first]))
