"""The speed-dating tables as arrays, one row for each date."""

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dating.replay.data import INTERESTS, BadData

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

NOT_PROFILE = {"iid", "wave", "gender", "imprace", "imprelig"}  # who they are, and what is never a feature
CARD = ("attr", "sinc", "intel", "fun", "amb", "shar", "like", "prob")
LEAST_EVENINGS = 2  # one to learn from and one to judge


class Dates(NamedTuple):
    """Every date: the evening, both people (`man`, `woman`), what each decided, and what is known of each.

    `man_profile` and `woman_profile` were told before the evening. `man_card` and `woman_card` are what he and she wrote
    about the other after the date, so nothing that predicts may use them.
    """

    evening: Integers
    man: Integers
    woman: Integers
    man_likes: Integers
    woman_likes: Integers
    man_profile: Floats
    woman_profile: Floats
    similarity: Floats
    man_card: Floats
    woman_card: Floats

    @property
    def matched(self) -> NDArray[np.bool_]:
        """Whether both would meet again."""
        return np.asarray(self.man_likes * self.woman_likes, bool)


def load(directory: Path) -> Dates:
    """Read people.csv and dates.csv. Raises BadData when a file, a column or a person is missing, or there is too little."""
    try:
        people = {int(row["iid"]): row for row in read(directory / "people.csv")}
        rows = read(directory / "dates.csv")
        dates = arrange(people, rows)
    except (OSError, KeyError, ValueError) as error:
        raise BadData(f"The speed-dating data in {directory} cannot be read: {error!r}.") from error
    if len(np.unique(dates.evening)) < LEAST_EVENINGS or not 0 < dates.matched.sum() < len(rows):
        raise BadData(f"The speed-dating data in {directory} have too few evenings, or all dates ended alike.")
    return dates


def read(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def arrange(people: Mapping[int, Mapping[str, str]], rows: Sequence[Mapping[str, str]]) -> Dates:
    """The rows as columns."""
    men, women = ([int(row[side]) for row in rows] for side in "mf")
    names = [name for name in next(iter(people.values())) if name not in NOT_PROFILE]
    profiles = {iid: [number(row[name]) for name in names] for iid, row in people.items()}
    interests = {iid: [number(row[name]) for name in INTERESTS] for iid, row in people.items()}
    return Dates(
        evening=np.array([int(row["wave"]) for row in rows]),
        man=np.array(men),
        woman=np.array(women),
        man_likes=np.array([int(row["dec_m"]) for row in rows]),
        woman_likes=np.array([int(row["dec_f"]) for row in rows]),
        man_profile=standardize([profiles[iid] for iid in men]),
        woman_profile=standardize([profiles[iid] for iid in women]),
        similarity=np.array([correlate(interests[one], interests[other]) for one, other in zip(men, women, strict=True)]),
        man_card=standardize([[number(row[f"{name}_m"]) for name in CARD] for row in rows]),
        woman_card=standardize([[number(row[f"{name}_f"]) for name in CARD] for row in rows]),
    )


def number(text: str) -> float:
    """A number; not a number where nothing is said."""
    return float(text) if text.strip() else math.nan


def standardize(rows: Sequence[Sequence[float]]) -> Floats:
    """Each column with mean 0 and deviation 1; what is missing is the mean."""
    values = np.ma.masked_invalid(np.array(rows, float))
    scaled = (values - values.mean(axis=0)) / np.maximum(np.ma.filled(values.std(axis=0), 0.0), 1e-9)
    return np.asarray(np.ma.filled(scaled, 0.0), float)


def correlate(one: Sequence[float], other: Sequence[float]) -> float:
    """How alike two people's interests are; 0 where one says nothing or likes everything the same."""
    first, second = np.nan_to_num(np.array(one), nan=5.0), np.nan_to_num(np.array(other), nan=5.0)
    first, second = first - first.mean(), second - second.mean()
    size = float(np.sqrt((first @ first) * (second @ second)))
    return float(first @ second) / size if size else 0.0
