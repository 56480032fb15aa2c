"""Why somebody is shown: sentences that are true, that the viewer may know, and that touch on nothing sensitive."""

from datetime import date
from typing import Literal

from dating.profiles.models import User

Widened = Literal["distance", "age"]

CLOSE_KM = 10
SHARED = 3  # interests named in a reason
OUTSIDE: dict[tuple[Widened, ...], str] = {
    ("distance",): "A little farther away than you asked for.",
    ("age",): "A little outside the ages you asked for.",
    ("distance", "age"): "A little outside the ages and the distance you asked for.",
}


def give_reasons(
    user: User,
    interests: list[str],
    now: date,
    likes_me: bool = False,
    widened: tuple[Widened, ...] = (),
    boosted: bool = False,
) -> list[str]:
    """What is true and worth saying, at least one sentence: who likes me is no secret, they stand among my followers."""
    said = [
        OUTSIDE.get(widened),
        "Boosted." if boosted else None,
        "Likes you." if likes_me else None,
        name_shared(user.interests, interests),
        name_presence(user, now),
    ]
    return [reason for reason in said if reason] or ["You are what each other looks for."]


def name_shared(theirs: list[str], mine: list[str]) -> str | None:
    """Interests of both, in their words."""
    known = {topic.casefold() for topic in mine}
    shared = [topic for topic in theirs if topic.casefold() in known][:SHARED]
    return f"You both like {', '.join(shared)}." if shared else None


def name_presence(user: User, now: date) -> str | None:
    """Near, active today, or both."""
    near = f"{user.distance_km} km away" if user.distance_km is not None and user.distance_km <= CLOSE_KM else None
    lately = "active today" if user.last_active is not None and user.last_active.startswith(now.isoformat()) else None
    said = ", ".join(part for part in (near, lately) if part)
    return f"{said[0].upper()}{said[1:]}." if said else None
