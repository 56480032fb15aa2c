"""Birthdays and ages: 18 or more on the server's date, and a birthday is set once. Pure functions."""

from datetime import date, datetime

from msgspec import UNSET, UnsetType

from dating.clock import EPOCH_DAY, day_number
from dating.errors import FieldError, Forbidden, Malformed

ADULT = 18
OLDEST = 120


class BadBirthday(Malformed):
    """400: not a day, or more than 120 years ago."""

    code = "invalid_birthday"
    detail = "birthday must be a real day, as YYYY-MM-DD."


class UnderAge(Malformed):
    """400: not 18 yet on the server's date."""

    code = "under_age"
    detail = "You must be 18 or older."


class BirthdayFixed(Forbidden):
    """403: a birthday is set once."""

    code = "birthday_fixed"
    detail = "The birthday cannot be changed once it is set."


def choose_born(current: int | None, birthday: str | UnsetType | None, now: date) -> int | UnsetType | None:
    """The day number of a birthday that may be set. Raises BadBirthday, UnderAge, BirthdayFixed."""
    if birthday is UNSET or (birthday is None and current is None):
        return UNSET
    born = None if birthday is None else parse_day(birthday)
    if current is not None and (born is None or day_number(born) != current):
        raise BirthdayFixed
    assert born is not None
    years = count_years(born, now)
    if years < ADULT:
        raise UnderAge(errors=[FieldError("birthday", UnderAge.detail)])
    if years > OLDEST:
        raise BadBirthday
    return day_number(born)


def parse_day(text: str) -> date:
    """The day of `YYYY-MM-DD` or of an RFC 3339 time, as it was written there. Raises BadBirthday."""
    try:
        return date.fromisoformat(text) if len(text) == 10 else datetime.fromisoformat(text.upper()).date()
    except ValueError as error:
        raise BadBirthday(errors=[FieldError("birthday", BadBirthday.detail)]) from error


def to_day(number: int) -> date:
    """The day of a day number."""
    return date.fromordinal(number + EPOCH_DAY)


def count_years(born: date, now: date) -> int:
    """Full years between the two days."""
    return now.year - born.year - ((now.month, now.day) < (born.month, born.day))
