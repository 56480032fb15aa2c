"""The speed-dating tables as plain records, and the profile each participant gets on the server."""

import csv
import random
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import msgspec

INTERESTS = (
    "sports", "tvsports", "exercise", "dining", "museums", "art", "hiking", "gaming", "clubbing",
    "reading", "tv", "theater", "movies", "concerts", "music", "shopping", "yoga",
)  # fmt: skip
KEEN = 7
UNKNOWN_AGE = 25
WOMEN = ("Anna", "Мария", "Chloé", "Ольга", "Zoë", "Екатерина", "Grace", "Søren-Anne", "Юлия", "Priya")
MEN = ("Иван", "James", "Алексей", "José", "Дмитрий", "Łukasz", "Omar", "Фёдор", "Björn", "Noah")
GOALS = {
    1: ("Here for a fun night out 🎉", "Хочу весело провести вечер 🎉"),
    2: ("Glad to meet new people 👋", "Рада новым знакомствам 👋"),
    3: ("Looking for a date ☕", "Ищу, с кем пойти на свидание ☕"),
    4: ("Serious about this ❤️", "Настроение серьёзное ❤️"),
    5: ("Just to say that I did it 🤷‍♀️", "Чтобы было что вспомнить 🤷‍♂️"),
    6: ("Curious, that is all ✨", "Просто любопытно ✨"),
}


class Participant(msgspec.Struct, frozen=True):
    """One row of people.csv; scores run from 1 to 10, an absent answer is None."""

    iid: int
    gender: int
    age: int | None
    goal: int | None
    interests: tuple[str, ...]


class Date(msgspec.Struct, frozen=True):
    """One four-minute date: the man's and the woman's `iid`, and whether each would meet the other again."""

    m: int
    f: int
    man_likes: bool
    woman_likes: bool

    @property
    def mutual(self) -> bool:
        """Both would, so the server has to make a match of it."""
        return self.man_likes and self.woman_likes


class Evening(msgspec.Struct, frozen=True):
    """Everybody who came and every date that took place."""

    people: tuple[Participant, ...]
    dates: tuple[Date, ...]

    @property
    def mutual(self) -> int:
        """How many matches, and chats, the data ask for."""
        return sum(meeting.mutual for meeting in self.dates)


class Profile(msgspec.Struct, frozen=True):
    """What a participant tells the server about themselves at registration."""

    name: str
    gender: str
    birthday: date
    interested_in: str
    bio: str
    interests: tuple[str, ...]


class BadData(Exception):
    """The folder does not hold the two tables in the documented form."""


def load(directory: Path) -> Evening:
    """Reads people.csv and dates.csv; raises BadData when a file, a column or a person is missing."""
    try:
        people = tuple(_participant(row) for row in _rows(directory / "people.csv"))
        dates = tuple(_date(row) for row in _rows(directory / "dates.csv"))
    except (OSError, KeyError, ValueError) as error:
        raise BadData(f"The speed-dating data in {directory} cannot be read: {error!r}.") from error
    _check(people, dates)
    return Evening(people, dates)


def profile(person: Participant, today: date) -> Profile:
    """A profile that is the same in every run, apart from the birthday that keeps the age true on `today`."""
    dice = random.Random(person.iid)
    woman = person.gender == 0
    name = dice.choice(WOMEN if woman else MEN)
    wish = dice.choice(GOALS[person.goal or 6])
    return Profile(
        name=name,
        gender="female" if woman else "male",
        birthday=_birthday(person.age or UNKNOWN_AGE, today, dice.randrange(2, 360)),
        interested_in="male" if woman else "female",
        bio=f"{name}, №{person.iid}. {wish}",
        interests=person.interests,
    )


def age(born: date, today: date) -> int:
    """Full years between the two days."""
    return today.year - born.year - ((today.month, today.day) < (born.month, born.day))


def _birthday(years: int, today: date, days: int) -> date:
    """A day that makes somebody `years` old, at least two days away from the next and the last birthday."""
    turned = today - timedelta(days=days)
    return date(turned.year - years, turned.month, min(turned.day, 28))


def _rows(path: Path) -> Iterator[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        yield from csv.DictReader(lines)


def _number(text: str) -> int | None:
    return int(float(text)) if text.strip() else None


def _participant(row: dict[str, str]) -> Participant:
    keen = tuple(name for name in INTERESTS if (_number(row[name]) or 0) >= KEEN)
    return Participant(int(row["iid"]), int(row["gender"]), _number(row["age"]), _number(row["goal"]), keen)


def _date(row: dict[str, str]) -> Date:
    return Date(int(row["m"]), int(row["f"]), row["dec_m"] == "1", row["dec_f"] == "1")


def _check(people: tuple[Participant, ...], dates: tuple[Date, ...]) -> None:
    known = {person.iid for person in people}
    if len(known) < len(people):
        raise BadData("people.csv names a person twice.")
    if len({(meeting.m, meeting.f) for meeting in dates}) < len(dates):
        raise BadData("dates.csv holds a couple twice.")
    if strangers := {iid for meeting in dates for iid in (meeting.m, meeting.f)} - known:
        raise BadData(f"dates.csv names people who are not in people.csv: {sorted(strangers)[:5]}.")
