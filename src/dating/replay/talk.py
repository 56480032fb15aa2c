"""What a matched pair says to each other: planned before the evening, so that a seed gives the same talk."""

import random

import msgspec

WORDS = (
    "Привет! Как прошёл вечер? 😊",
    "Hi! I liked our four minutes 🙂",
    "Ты правда прыгал с парашютом?! 🪂",
    "Coffee on Saturday? ☕️",
    "Ёлки-палки, ну конечно! 🎄",
    "My sister says hello 👩‍👩‍👧",
    "Во сколько встречаемся? 🕖",
    'naïve café “quotes” & <b>tags</b> \\ "too"',
    "Люблю музеи и длинные прогулки 🏛️🚶🏽‍♀️",
    "See you there 🇺🇦🇬🇪🏳️‍🌈",
)


class Line(msgspec.Struct, frozen=True):
    """One message to be sent; `by` is 0 for the man and 1 for the woman."""

    by: int
    content: str
    client_id: str


class Turn(msgspec.Struct, frozen=True):
    """Messages that go out together: `together` at the same instant, otherwise one behind the other."""

    lines: tuple[Line, ...]
    together: bool


def plan(dice: random.Random, messages: int, mark: str) -> list[Turn]:
    """`messages` lines in turns: somebody says one thing, or two, or both speak at once.

    `mark` makes contents and client ids unique. Both get a word in from two messages on.
    """
    turns: list[Turn] = []
    said, by = 0, dice.randrange(2)
    while said < messages:
        style = dice.choice(("single", "double", "cross")) if messages - said > 1 else "single"
        speakers = {"single": (by,), "double": (by, by), "cross": (by, 1 - by)}[style]
        lines = tuple(_line(dice, who, said + i, mark) for i, who in enumerate(speakers))
        turns.append(Turn(lines, style == "cross"))
        said += len(lines)
        by = 1 - by
    return turns


def _line(dice: random.Random, by: int, number: int, mark: str) -> Line:
    return Line(by, f"{dice.choice(WORDS)} ({mark}/{number})", f"{mark}-{number}")
