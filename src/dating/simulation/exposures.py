"""The log of who was shown to whom, as a file with one JSON object in a line."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from dating.simulation.market import Outcome

DAY = 86_400_000_000


class Impression(msgspec.Struct, frozen=True):
    """Somebody was shown to somebody at a time (microseconds), and liked or not; None: not swiped.

    `propensity` is the chance with which this person was drawn into a slot that is filled by chance, and 1 in every other slot.
    Genders are bits: 1 female, 2 male, 4 non-binary, 8 other.
    """

    at: int
    viewer: int
    viewer_gender: int
    shown: int
    shown_gender: int
    propensity: float
    liked: bool | None


class BadLog(Exception):
    """The file is no such log."""


def list_impressions(outcome: Outcome) -> Iterator[Impression]:
    """What a simulated server would have logged."""
    gender = outcome.people.gender.tolist()
    for page in outcome.pages:
        rows = zip(page.others.tolist(), page.propensity.tolist(), page.likes.tolist(), strict=True)
        for place, (other, propensity, liked) in enumerate(rows):
            at = round(page.time * DAY) + place
            yield Impression(at, page.viewer, gender[page.viewer], other, gender[other], propensity, liked)


def write_log(impressions: Iterable[Impression], path: Path) -> None:
    """Write the log."""
    encoder = msgspec.json.Encoder()
    with path.open("wb") as file:
        file.writelines(encoder.encode(impression) + b"\n" for impression in impressions)


def read_log(path: Path) -> list[Impression]:
    """The log in the order of time. Raises BadLog with the first line that is none."""
    decoder = msgspec.json.Decoder(Impression)
    found = []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                found.append(decoder.decode(line))
                if not 0 < found[-1].propensity <= 1:
                    raise BadLog(f"{path}, line {number}: a propensity is above 0 and at most 1.")
    except (OSError, msgspec.DecodeError) as error:
        raise BadLog(f"{path}, line {len(found) + 1}: {error}") from error
    return sorted(found, key=lambda one: one.at)
