"""The same four weeks on a server: everybody registers, searches and swipes over its API, in this process or anywhere.

Whom somebody sees is what the server answers: for `ours` its own recommendation, for the other policies their order of the people
whom it lists as most recently active. The server's hard rules hold for all of them, so nobody sees who passed on them. Every
answer to a swipe is compared with what the two people decided: a match too many or too few ends the run.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import httpx
import msgspec
import numpy as np

from dating.clock import now_microseconds, today
from dating.simulation.market import Market, Outcome, Page, Policy
from dating.simulation.population import DAYS, FEMALE, MALE, NONBINARY, Integers, Population, Sessions

GENDERS = {FEMALE: "female", MALE: "male", NONBINARY: "nonbinary"}
MOST_LISTED = 100  # people on the largest page
PASSWORD = "nobody is behind this account"  # noqa: S105 # they do not exist
TOWN_KM = 30
TOWNS_APART = 4.0  # degrees of longitude, far more than anybody looks
HALF_YEAR = 182


class Trouble(Exception):
    """The server refused something, or its matches are not those of the people."""


class Town(Market):
    """A market whose candidates are those that the server lists."""

    listed: Integers = np.zeros(0, np.int64)

    def candidates(self, person: int, hide_passed: bool) -> Integers:
        """Whom the server has just listed for the person."""
        return self.listed


class Residents:
    """The people of a simulation as accounts of a server, in a town of their own."""

    def __init__(self, http: httpx.AsyncClient, people: Population, name: str, number: int) -> None:
        self.http, self.people, self.name = http, people, name
        self.longitude = (number * TOWNS_APART + 180) % 360 - 180
        self.ids: dict[int, int] = {}
        self.persons: dict[int, int] = {}
        self.tokens: dict[int, str] = {}

    async def join(self, person: int) -> None:
        """Register, with the whole profile."""
        people = self.people
        birthday = today(now_microseconds()) - timedelta(days=round(365.25 * int(people.age[person])) + HALF_YEAR)
        genders = [name for bit, name in GENDERS.items() if bit & int(people.seeks[person])]
        wishes = {"genders": genders, "min_age": int(people.min_age[person]), "max_age": int(people.max_age[person])}
        body = {
            "username": f"{self.name}_{person}",
            "password": PASSWORD,
            "gender": GENDERS[int(people.gender[person])],
            "birthday": birthday.isoformat(),
            "latitude": 20.0,
            "longitude": self.longitude,
            "interests": [f"topic {topic}" for topic in np.flatnonzero(people.interests[person])],
            "preferences": wishes | {"max_distance_km": TOWN_KM, "dealbreakers": ["age", "distance"]},  # as strict as arrays
        }
        answer = await self.ask("POST", "/register", None, json=body)
        self.ids[person], self.tokens[person] = answer["user_id"], answer["access_token"]
        self.persons[answer["user_id"]] = person

    async def search(self, person: int, order: str, count: int) -> Integers:
        """Whom the server shows to the person."""
        query = {"order": order, "page_size": count}
        found = await self.ask("GET", "/profiles/search", person, params=query)
        return np.array([self.persons[user["id"]] for user in found], np.int64)

    async def swipe(self, person: int, other: int, likes: bool) -> bool:
        """Say yes or no; whether it is a match."""
        body = {"target_id": self.ids[other], "action": "like" if likes else "dislike"}
        answer = await self.ask("POST", "/swipe", person, json=body)
        return bool(answer["status"] == "match")

    async def ask(self, method: str, path: str, person: int | None, **options: Any) -> Any:
        """A request, by somebody; signs in again when the token has run out. Raises Trouble."""
        answer = await self.send(method, path, person, options)
        if answer.status_code == 401 and person is not None:
            login = {"username": f"{self.name}_{person}", "password": PASSWORD}
            self.tokens[person] = (await self.ask("POST", "/login", None, json=login))["access_token"]
            answer = await self.send(method, path, person, options)
        if answer.status_code not in (200, 201):
            raise Trouble(f"{method} {path} was answered with {answer.status_code}: {answer.text}")
        return msgspec.json.decode(answer.content)

    async def send(self, method: str, path: str, person: int | None, options: dict[str, Any]) -> httpx.Response:
        """A request signed by somebody, and its answer. Raises Trouble where there is none."""
        headers = {} if person is None else {"Authorization": f"Bearer {self.tokens[person]}"}
        try:
            return await self.http.request(method, path, headers=headers, **options)
        except httpx.HTTPError as error:
            raise Trouble(f"{method} {path} was not answered: {error!r}") from error


async def play_served(
    residents: Residents,
    sessions: Sessions,
    policy: Policy | None,
    turn: Callable[[float], None],
    step: Callable[[float], None] = lambda day: None,
) -> Outcome:
    """Four weeks on a server. `policy` None is the server's own; `turn` sets its clock to a time in days. Raises Trouble."""
    people = residents.people
    town, dice = Town(people), np.random.default_rng((people.seed, 2))
    pages: list[Page] = []
    coming = np.argsort(people.joined, kind="stable").tolist()
    for time, person, swipes in zip(*map(np.ndarray.tolist, sessions), strict=True):
        while coming and people.joined[coming[0]] <= time:
            turn(float(people.joined[coming[0]]))
            await residents.join(coming.pop(0))
        turn(time)
        town.advance(time)
        others, propensity = await choose(residents, town, person, swipes, policy, dice)
        if len(others):
            likes = people.decide(person, others)
            town.teach(person, others, likes)
            before = len(town.matches)
            town.swipe(person, others, likes)
            for other, liked in zip(others.tolist(), likes.tolist(), strict=True):
                before += await residents.swipe(person, other, liked)
            if before != len(town.matches):
                raise Trouble(f"The server made {before} matches, and the people {len(town.matches)}.")
            pages.append(Page(time, person, others, propensity, likes))
        step(time)
    step(float(DAYS))
    return Outcome(people, town.swipes, town.likes, town.matches, town.ever_shown, pages)


async def choose(
    residents: Residents, town: Town, person: int, size: int, policy: Policy | None, dice: np.random.Generator
) -> tuple[Integers, Any]:
    """Whom the person sees: the server's recommendation, or the policy's order of whom it lists."""
    if policy is None:
        others = await residents.search(person, "recommended", min(size, MOST_LISTED))
        return others, np.ones(len(others))
    town.listed = await residents.search(person, "recent", MOST_LISTED)
    return policy.show(town, person, size, dice)
