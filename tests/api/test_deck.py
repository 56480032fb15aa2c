"""The recommended order: sessions without repeats, exposure, budgets, widening, travel and incognito."""

import contextlib
import copy
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from dating.clock import DAY
from dating.database import Database, Transaction, connect
from dating.matching import boosts, deck, exposure
from dating.matching import service as matching
from dating.matching.boosts import Boosting
from dating.matching.candidates import Candidate, Search
from dating.matching.deck import Decks
from dating.matching.exposure import UNLIMITED
from dating.matching.limits import Limits
from dating.matching.ranking import DEFAULT
from dating.profiles import service as profiles
from dating.profiles.models import ProfileFields, SettingChanges
from dating.safety import service as safety
from dating.settings import Settings
from tests.api.test_search_oracle import ADD_USER, NOW, World
from tests.kit import Api, Person, running

BERLIN = {"latitude": 52.52, "longitude": 13.405}
POTSDAM = {"latitude": 52.39, "longitude": 13.065}  # 27 km
PARIS = {"latitude": 48.8566, "longitude": 2.3522}
HISTORIES = {"sqlite": 1000, "postgres": 200}


async def ask(person: Person, query: str = "", status: int = 200) -> Any:
    """Search and expect a status; the answer."""
    answer = await person.get(f"/profiles/search?{query}")
    assert answer.status_code == status, answer.text
    return answer.json()


async def ids_of(person: Person, query: str = "") -> list[int]:
    """The ids of one page."""
    return [one["id"] for one in await ask(person, query)]


@pytest.fixture
async def world(settings: Settings) -> AsyncIterator[tuple[Database, World]]:
    """Four hundred people at a fixed time."""
    db = connect(settings)
    db.clock = lambda: NOW
    await db.open()
    world = World(7, 400)
    await db.write(world.fill)
    yield db, world
    await db.close()


async def walk(db: Database, decks: list[Decks], dice: random.Random, me_id: int, wish: Search) -> list[Candidate]:
    """All pages of a session, each asked of any of several processes."""
    found: list[Candidate] = []
    while page := await deck.recommend(db, dice.choice(decks), me_id, wish):
        found += page
        wish = msgspec.structs.replace(wish, last_seen_id=page[-1].id)
    return found


@pytest.mark.one_process("asks the database, no server")
async def test_a_session_is_everybody_who_fits_once(world: tuple[Database, World]) -> None:
    """Whichever process is asked for a page, a session shows exactly those who fit, nobody twice, and then those just outside."""
    db, population = world
    total = 0
    for _ in range(40):
        me_id = population.dice.randint(1, population.size)
        wish = population.wish("recommended")
        found = await walk(db, [Decks(), Decks()], population.dice, me_id, wish)
        ids = [one.id for one in found]
        assert len(ids) == len(set(ids))
        fitting = [one.id for one in found if not one.widened]
        assert set(fitting) == set(population.expect(me_id, wish)), (me_id, wish)
        assert all(one.reasons for one in found)
        total += len(fitting)
    assert total > 200


OFTEN = Boosting(every=4)
BAN = "UPDATE users SET banned_at = :now WHERE id = :id"


class Over(Exception):
    """The end of a history: nothing of it stays."""


async def act(tx: Transaction, dice: random.Random, me_id: int, other_id: int) -> None:
    """Something after which the two must not meet."""
    deed = dice.choice(["like", "dislike", "superlike", "block", "blocked", "passed", "hide", "ban", "pause"])
    if deed in ("like", "dislike", "superlike"):
        await matching.swipe(tx, me_id, other_id, deed)  # type: ignore[arg-type]  # one of the three words
    elif deed == "passed":
        await matching.swipe(tx, other_id, me_id, "dislike")
    elif deed == "block":
        await safety.block(tx, me_id, other_id)
    elif deed == "hide":
        await safety.hide(tx, me_id, other_id)
    elif deed == "blocked":
        await safety.block(tx, other_id, me_id)
    elif deed == "ban":
        await tx.run(BAN, now=tx.now, id=other_id)
    else:
        await profiles.change(tx, other_id, ProfileFields(settings=SettingChanges(discoverable=False)))


async def boost_some(tx: Transaction, people: list[int]) -> None:
    """Let these people be boosted."""
    for user_id in people:
        await boosts.start(tx, user_id, OFTEN, Limits())


async def take_back(tx: Transaction, me_id: int) -> int | None:
    """Undo my last swipe; who may be met again."""
    try:
        return (await matching.undo(tx, me_id)).target_id
    except (matching.NothingToUndo, matching.AlreadyMatched):
        return None


async def live(tx: Transaction, world: World, dice: random.Random, counts: Counter[str]) -> None:
    """A history: pages of one session from any process, with boosts, and deeds in between, some of them taken back."""
    world = copy.copy(world)
    world.actions = dict(world.actions)
    me_id = dice.choice([one.id for one in world.people.values() if not one.banned])
    me, wish, held = world.people[me_id], Search(page_size=dice.choice([1, 4, 9, 20])), None
    gone: set[int] = set()
    seen: list[int] = []
    for _ in range(3):
        page = await deck.draw(tx, me_id, wish, held if dice.random() < 0.7 else None, DEFAULT, OFTEN)
        page = await deck.settle(tx, me_id, page, UNLIMITED, OFTEN)
        held = page.deck
        for one in page.people:
            human = world.people[one.id]
            assert one.id not in gone
            assert one.id not in seen
            assert world.may_see(me, human)
            assert world.suits(me, me.cell, human, wish) is not bool(one.widened)
            counts["widened" if one.widened else "boosted" if one.boosted else "strict"] += 1
            seen.append(one.id)
        for other_id in dice.sample(seen, min(2, len(seen))) + dice.sample(sorted(world.people), 5):
            if other_id != me_id and other_id not in gone and await safety.is_visible(tx, me_id, other_id):
                with contextlib.suppress(matching.AlreadyMatched):
                    await act(tx, dice, me_id, other_id)
                    gone.add(other_id)
        if dice.random() < 0.3 and (back := await take_back(tx, me_id)):
            gone.discard(back)
            world.actions.pop((me_id, back), None)
            counts["taken back"] += 1
        wish = msgspec.structs.replace(wish, last_seen_id=seen[-1] if seen else None)
    raise Over


@pytest.mark.one_process("asks the database, no server")
async def test_nobody_unwanted_ever_appears(settings: Settings) -> None:
    """In a thousand random histories (fewer on PostgreSQL): nobody swiped, blocked, hidden, banned, paused or who passed on me,
    be they boosted or not; nobody twice, not even who was swiped and taken back; and cards outside of my rules say so."""
    db = connect(settings)
    db.clock = lambda: NOW
    await db.open()
    world = World(11, 120)
    await db.write(world.fill)
    await db.write(boost_some, sorted(world.people)[::3])
    counts: Counter[str] = Counter()
    for seed in range(HISTORIES[db.dialect]):
        with pytest.raises(Over):
            await db.write(live, world, random.Random(seed), counts)
    assert counts["strict"] > 1000
    assert counts["boosted"] > 50
    assert counts["taken back"] > 10
    assert counts["widened"] > 10
    await db.close()


@pytest.mark.one_process("asks the database, no server")
async def test_everybody_is_reached(settings: Settings) -> None:
    """More people than one deck is built of are all shown in one session, a few of them by chance, with the chance noted."""
    db = connect(settings)
    db.clock = lambda: NOW
    await db.open()

    async def fill(tx: Transaction) -> None:
        for number in range(1, 452):
            await tx.run(ADD_USER, name=f"p{number}", banned=None)
            await profiles.create(tx, number, ProfileFields())

    await db.write(fill)
    found = await walk(db, [Decks()], random.Random(1), 1, Search(page_size=30))
    assert sorted(one.id for one in found) == list(range(2, 452))

    async def by_chance(tx: Transaction) -> list[float]:
        return await tx.all(float, "SELECT propensity FROM exposures WHERE kind = 1")

    chances = await db.read(by_chance)
    assert 5 < len(chances) < 60
    assert all(0 < chance < 1 for chance in chances)
    await db.close()


# --- over HTTP


async def test_a_short_deck_says_what_was_widened(api: Api) -> None:
    """People just outside of my own distance and ages come at the end and say so; those far outside do not come."""
    me = await api.person(birthday="1994-01-01", preferences={"min_age": 25, "max_age": 40, "max_distance_km": 20}, **BERLIN)
    fits = await api.person(birthday="1990-01-01", **BERLIN)
    farther = await api.person(birthday="1990-01-01", **POTSDAM)
    older = await api.person(birthday="1984-01-01", **BERLIN)
    both = await api.person(birthday="1984-01-01", **POTSDAM)
    await api.person(birthday="1950-01-01", **BERLIN)
    await api.person(birthday="1990-01-01", **PARIS)
    found = await ask(me)
    assert [(one["id"], one["widened"]) for one in found] == [
        (fits.id, []),
        (farther.id, ["distance"]),
        (older.id, ["age"]),
        (both.id, ["distance", "age"]),
    ]
    assert found[1]["reasons"][0] == "A little farther away than you asked for."
    assert await ids_of(me, "max_distance_km=20&min_age=25&max_age=40") == [fits.id]  # what the question says is not widened
    for order in ("recent", "distance", "id"):
        assert await ids_of(me, f"order={order}") == [fits.id]
    answer = await me.patch("/me", json={"preferences": {"dealbreakers": ["distance"]}})
    assert answer.json()["preferences"]["dealbreakers"] == ["distance"]
    assert await ids_of(me) == [fits.id, older.id]
    await me.patch("/me", json={"preferences": {"dealbreakers": ["distance", "age"]}})
    assert await ids_of(me) == [fits.id]


async def test_their_rules_are_never_widened(api: Api) -> None:
    """Whoever looks for nearer or younger people is not shown to me, however few there are."""
    me = await api.person(birthday="1980-01-01", **BERLIN)
    await api.person(preferences={"max_age": 45}, **BERLIN)
    await api.person(preferences={"max_distance_km": 20}, **POTSDAM)
    assert await ask(me) == []


async def test_incognito_is_seen_by_those_they_like(api: Api) -> None:
    """Whoever is incognito is in no search, except of the people whom they like; paused as well, in none."""
    me, other = await api.people(2)
    hidden = await api.person(settings={"incognito": True})
    assert (await hidden.get("/me")).json()["settings"]["discoverable"] is True
    for order in ("recommended", "recent", "distance", "id"):
        assert await ids_of(me, f"order={order}") == [other.id]
    assert len(await ask(hidden)) == 2
    await hidden.like(me)
    assert set(await ids_of(me)) == {other.id, hidden.id}
    assert await ids_of(other) == [me.id]
    await hidden.patch("/me", json={"settings": {"discoverable": False}})
    assert await ids_of(me) == [other.id]
    settings = (await hidden.patch("/me", json={"settings": {"incognito": False}})).json()["settings"]
    assert (settings["discoverable"], settings["incognito"]) == (False, False)
    assert await ids_of(me) == [other.id]
    await hidden.patch("/me", json={"settings": {"discoverable": True}})
    assert set(await ids_of(other)) == {me.id, hidden.id}


async def test_travel_moves_the_search_and_not_the_home(api: Api) -> None:
    """Whoever travels searches and is found there; the home stays, and is back when the travel ends."""
    near = {"max_distance_km": 50}
    berlin, paris = await api.person(preferences=near, **BERLIN), await api.person(preferences=near, **PARIS)
    me = await api.person(preferences=near, **BERLIN)
    home = (await me.get("/me")).json()
    away = (await me.patch("/me", json={"travel": PARIS})).json()
    assert (away["latitude"], away["longitude"]) == (home["latitude"], home["longitude"])
    assert away["travel"]["latitude"] == pytest.approx(PARIS["latitude"], abs=0.05)
    assert await ids_of(me) == [paris.id]
    assert await ids_of(paris) == [me.id]
    assert await ids_of(berlin) == []
    moved = (await me.patch("/me", json=POTSDAM)).json()
    assert moved["latitude"] == pytest.approx(POTSDAM["latitude"], abs=0.05)
    assert await ids_of(me) == [paris.id]
    back = (await me.patch("/me", json={"travel": None, **BERLIN})).json()
    assert (back["travel"], back["latitude"]) == (None, home["latitude"])
    assert await ids_of(me) == [berlin.id]
    for bad in ({"latitude": 91, "longitude": 0}, {"latitude": 1}, 5, [], "x"):
        assert (await me.patch("/me", json={"travel": bad})).status_code == 400


async def test_exposure_is_counted_once_for_a_deck(api: Api) -> None:
    """A repeated question counts nothing again; each person of the page counts once."""
    me, other, third = await api.people(3)
    for _ in range(3):
        assert set(await ids_of(me)) == {other.id, third.id}
    for order in ("recent", "id"):
        await ids_of(me, f"order={order}")

    async def read(tx: Transaction) -> list[int]:
        counts = await tx.all(int, "SELECT ever_shown FROM standings ORDER BY user_id")
        return counts + await tx.all(int, "SELECT times FROM exposures ORDER BY shown_id")

    assert await api.app.state.db.read(read) == [1, 1, 1, 1]


async def test_a_deck_ends_and_the_ledger_too(api: Api) -> None:
    """Somebody seen and not swiped comes again in a later deck; after thirty days nothing tells of it."""
    me, other = await api.people(2)
    db = api.app.state.db
    start = db.clock()
    assert await ids_of(me) == [other.id]
    db.clock = lambda: start + deck.LASTS + 1
    assert await ids_of(me) == [other.id]
    db.clock = lambda: start - DAY  # the clock goes back
    assert await ids_of(me) == [other.id]
    assert await ids_of(me, f"last_seen_id={other.id}") == []
    db.clock = lambda: start + 32 * DAY
    await exposure.sweep(db)
    assert await api.count("exposures") == 0


async def test_budgets_end_scraping(settings: Settings) -> None:
    """After so many different people there is 429 with Retry-After; whom I know already costs nothing."""
    limited: dict[str, Any] = {"rate_limits": True, "reveals_per_hour": 5, "limit_register": "100/hour"}
    async with running(msgspec.structs.replace(settings, **limited)) as api:
        me, *_ = await api.people(9)
        for _ in range(3):
            first = await ids_of(me, "order=id&page_size=5")
            assert len(first) == 5
        for query in (f"order=id&page_size=5&last_seen_id={first[-1]}", "page_size=8"):
            refused = await me.get(f"/profiles/search?{query}")
            assert (refused.status_code, refused.json()["code"]) == (429, "reveals_used_up")
            assert 0 < int(refused.headers["retry-after"]) <= 3601
        assert await ids_of(me, "order=id&page_size=5") == first
