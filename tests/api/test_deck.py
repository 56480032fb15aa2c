"""The recommended order: sessions without repeats, exposure, budgets, widening, travel and incognito."""

import asyncio
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
from dating.matching.decks import Deck, Decks
from dating.matching.exposure import UNLIMITED, Budget, Slot
from dating.matching.exposure_queries import HOUR
from dating.matching.limits import Limits
from dating.matching.ranking import DEFAULT
from dating.profiles import places
from dating.profiles import service as profiles
from dating.profiles.models import ProfileFields, SettingChanges
from dating.profiles.places import Point
from dating.safety import service as safety
from dating.settings import Settings
from tests.api.test_search_oracle import ADD_USER, NOW, Human, World
from tests.kit import Api, Person, running

BERLIN = {"latitude": 52.52, "longitude": 13.405}
POTSDAM = {"latitude": 52.39, "longitude": 13.065}  # 27 km
PARIS = {"latitude": 48.8566, "longitude": 2.3522}
HISTORIES = 1000
LIVED = 150  # histories by the services themselves, one after the other


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
    while page := (await deck.recommend(db, dice.choice(decks), me_id, wish)).people:
        found += page
        wish = msgspec.structs.replace(wish, last_seen_id=page[-1].id)
    return found


@pytest.mark.one_process("asks the database, no server")
async def test_a_session_is_everybody_who_fits_once(world: tuple[Database, World]) -> None:
    """Whichever process is asked for a page, a session shows exactly those who fit, nobody twice, and then exactly those whom the
    named steps reach, each with what was widened for them; what is a dealbreaker to me never is."""
    db, population = world
    await db.write(lambda tx: tx.run("UPDATE profiles SET dealbreakers = user_id % 4"))
    total, widened = 0, Counter[tuple[str, ...]]()
    for _ in range(40):
        me_id = population.dice.randint(1, population.size)
        wish = population.wish("recommended")
        found = await walk(db, [Decks(), Decks()], population.dice, me_id, wish)
        ids = [one.id for one in found]
        assert len(ids) == len(set(ids))
        fitting = [one.id for one in found if not one.widened]
        assert set(fitting) == set(population.expect(me_id, wish)), (me_id, wish)
        assert all(one.reasons for one in found)
        outside = {one.id: tuple(one.widened) for one in found if one.widened}
        assert outside == reach(population, me_id, wish), (me_id, wish)
        total += len(fitting)
        widened.update(outside.values())
    assert total > 200
    assert set(widened) == {("distance",), ("age",), ("distance", "age")}, widened


LADDER = [(("distance",), 1.5, 0), (("distance",), 3, 0), (("age",), 1, 3), (("distance", "age"), 3, 3)]


def reach(world: World, me_id: int, wish: Search) -> dict[int, tuple[str, ...]]:
    """Everybody just outside of my rules by comparing everybody with me, and the first step of the ladder that reaches them."""
    me = world.people[me_id]
    cell = me.cell if wish.latitude is None else places.snap(Point(wish.latitude, wish.longitude or 0.0))
    found: dict[int, tuple[str, ...]] = {}
    for one in world.people.values():
        wide = [names for names, factor, years in LADDER if suits_wider(world, me, cell, one, wish, factor, years)]
        if wide and world.may_see(me, one) and not world.suits(me, cell, one, wish):
            found[one.id] = wide[0]
    return found


def suits_wider(world: World, me: Human, cell: int | None, one: Human, wish: Search, factor: float, years: int) -> bool:
    """Whether somebody suits me with a wider radius and ages, but for my dealbreakers (bit 1 ages, 2 distance)."""
    radius, (least, most) = me.radius, me.ages
    if radius is not None and not me.id & 2:
        radius = min(40_000, round(radius * factor))
    if not me.id & 1 and one.age is not None:  # who has not said their age fits no wider rule about it
        least, most = max(18, least - years), min(120, most + years)
    return world.suits(msgspec.structs.replace(me, radius=radius, ages=(least, most)), cell, one, wish)


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
    """By the services, deed by deed: nobody swiped, blocked, hidden, banned, paused or who passed on me, be they boosted or not;
    nobody twice, not even who was swiped and taken back; and cards outside of my rules say so."""
    db = connect(settings)
    db.clock = lambda: NOW
    await db.open()
    world = World(11, 120)
    await db.write(world.fill)
    await db.write(boost_some, sorted(world.people)[::3])
    counts: Counter[str] = Counter()
    for seed in range(LIVED):
        with pytest.raises(Over):
            await db.write(live, world, random.Random(seed), counts)
    assert counts["strict"] > 500
    assert counts["boosted"] > 20
    assert counts["taken back"] > 10
    assert counts["widened"] > 10
    await db.close()


# --- a thousand histories at once: all deeds of a round are written together, then everybody looks


DEEDS = {
    "swipe": "INSERT INTO pairs (low_id, high_id, {side}_action, {side}_at) VALUES (:low, :high, :action, 1)"
    " ON CONFLICT (low_id, high_id) DO UPDATE SET {side}_action = excluded.{side}_action, {side}_at = 1",
    "back": "UPDATE pairs SET {side}_action = NULL, {side}_at = NULL WHERE low_id = :low AND high_id = :high",
    "block": "INSERT INTO blocks VALUES (:one, :other, 0) ON CONFLICT (blocker_id, blocked_id) DO NOTHING",
    "unblock": "DELETE FROM blocks WHERE blocker_id = :one AND blocked_id = :other",
    "hide": "INSERT INTO hides VALUES (:one, :other, 0) ON CONFLICT (hider_id, hidden_id) DO NOTHING",
    "unhide": "DELETE FROM hides WHERE hider_id = :one AND hidden_id = :other",
    "ban": "UPDATE users SET banned_at = 1 WHERE id = :other",
    "pause": "UPDATE profiles SET discoverable = FALSE WHERE user_id = :other",
}


class Town:
    """A random world in which anything may happen between two people, in the database and in plain sets."""

    def __init__(self) -> None:
        self.world = World(13, 250)
        self.dice = random.Random(4)
        self.hides: set[tuple[int, int]] = set()
        self.rows: dict[str, list[dict[str, Any]]] = {}
        self.moved: set[tuple[int, int]] = set()

    def happen(self, one: int, other: int) -> None:
        """A deed of one person towards another, one in a round, to be written with it."""
        if (one, other) in self.moved:
            return
        self.moved.add((one, other))
        deed = self.dice.choice(["swipe"] * 6 + ["block", "hide", "back", "back", "unblock", "unhide"])
        if self.dice.random() < 0.01:
            deed = self.dice.choice(["ban", "pause"])
        world, pair = self.world, (one, other)
        row: dict[str, Any] = {"one": one, "other": other}
        if deed in ("swipe", "back"):
            row = {"low": min(pair), "high": max(pair)}
            world.actions.pop(pair, None)
            if deed == "swipe":
                row["action"] = self.dice.choice(["like", "dislike", "superlike"])
                world.actions[pair] = (row["action"], 1)
        elif deed in ("block", "unblock"):
            (world.blocks.add if deed == "block" else world.blocks.discard)(pair)
        elif deed in ("hide", "unhide"):
            (self.hides.add if deed == "hide" else self.hides.discard)(pair)
        else:
            row = {"other": other}
            world.people[other].banned |= deed == "ban"
            world.people[other].discoverable &= deed == "ban"
        sql = DEEDS[deed].format(side="low" if one < other else "high")
        self.rows.setdefault(sql, []).append(row)

    async def write(self, tx: Transaction) -> None:
        """Everything that happened; of deeds towards different people the order does not matter."""
        for sql, rows in self.rows.items():
            await tx.many(sql, rows)
        self.rows, self.moved = {}, set()

    def may_meet(self, me_id: int, one: Candidate) -> bool:
        """Whether nothing that happened stands between the two."""
        me, other = self.world.people[me_id], self.world.people[one.id]
        return self.world.may_see(me, other) and (me_id, one.id) not in self.hides


class Session(msgspec.Struct):
    """Somebody's pages."""

    me_id: int
    wish: Search
    held: Deck | None = None
    seen: list[int] = []


async def look(tx: Transaction, town: Town, sessions: list[Session], counts: Counter[str]) -> None:
    """The next page of each of them."""
    for one in sessions:
        me, wish = town.world.people[one.me_id], one.wish
        if one.seen:
            wish = msgspec.structs.replace(wish, last_seen_id=one.seen[-1])
        page = await deck.draw(tx, one.me_id, wish, one.held, DEFAULT, OFTEN)
        one.held = page.deck
        for card in page.people:
            assert town.may_meet(one.me_id, card), (one.me_id, card.id)
            assert card.id not in one.seen
            assert town.world.suits(me, me.cell, town.world.people[card.id], wish) is not bool(card.widened)
            counts["widened" if card.widened else "boosted" if card.boosted else "strict"] += 1
            one.seen.append(card.id)


@pytest.mark.one_process("asks the database, no server")
async def test_nobody_unwanted_in_a_thousand_histories(settings: Settings) -> None:
    """A thousand sessions of two pages, between which all sorts of things have happened between the viewer and those whom the
    session has shown or may show next: on either database nobody appears who must not, and nobody twice in a session."""
    db = connect(settings)
    db.clock = lambda: NOW
    await db.open()
    town, counts = Town(), Counter[str]()
    await db.write(town.world.fill)
    await db.write(boost_some, sorted(town.world.people)[::3])
    lived = 0
    while lived < HISTORIES:
        there = [one.id for one in town.world.people.values() if not one.banned]
        sessions = [Session(me_id, Search(page_size=town.dice.choice([1, 4, 9]))) for me_id in there]
        for _ in range(2):
            await asyncio.gather(*[db.read(look, town, sessions[part::4], counts) for part in range(4)])
            for one in sessions:
                waiting = [card.slot.user_id for card in one.held.cards[:20]] if one.held else []
                known = [*waiting, *one.seen, *town.dice.sample(there, 2)]
                for other in set(town.dice.sample(known, min(5, len(known)))) - {one.me_id}:
                    town.happen(one.me_id, other)
                    if town.dice.random() < 0.3:
                        town.happen(other, one.me_id)
            await db.write(town.write)
        lived += len(sessions)
    assert counts["strict"] > 2000
    assert counts["boosted"] > 20
    assert counts["widened"] > 100
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


async def test_who_changes_leaves_decks_that_are_made(api: Api) -> None:
    """Whoever waits in my deck is not handed out once they hide from searches (unless they like me), or are nobody I look for."""
    me = await api.person(interested_in="female")
    others = await api.people(4, gender="female")
    (first,) = await ids_of(me, "page_size=1")
    hiding, liking, changing = [person for person in others if person.id != first]
    for person in (hiding, liking):
        await person.patch("/me", json={"settings": {"incognito": True}})
    await changing.patch("/me", json={"gender": "nonbinary"})
    await liking.like(me)
    assert await ids_of(me, f"last_seen_id={first}") == [liking.id]


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


@pytest.mark.one_process("asks the database, no server")
async def test_a_budget_of_the_day_is_new_each_day(settings: Settings) -> None:
    """So many different people in a day, hour by hour, and as many again the next day."""
    db = connect(settings)
    await db.open()
    budget, start = Budget(per_day=3), NOW - NOW % DAY
    slots = [Slot(number) for number in range(2, 10)]

    async def fill(tx: Transaction) -> None:
        for number in range(1, 10):
            await tx.run(ADD_USER, name=f"p{number}", banned=None)

    db.clock = lambda: start
    await db.write(fill)
    await db.write(exposure.record, 1, slots[:3], 0, budget)
    db.clock = lambda: start + 5 * HOUR
    for session in (0, HOUR, 2 * HOUR):  # whom I know already costs nothing, in another deck either
        await db.write(exposure.record, 1, slots[:3], session, budget)
    with pytest.raises(exposure.RevealsUsedUp) as refused:
        await db.write(exposure.record, 1, slots[3:4], 0, budget)
    assert refused.value.retry_after == 19 * 3600 + 1
    db.clock = lambda: start + DAY
    await db.write(exposure.record, 1, slots[3:6], 0, budget)
    with pytest.raises(exposure.RevealsUsedUp):
        await db.write(exposure.record, 1, slots[6:], 0, budget)
    await db.close()


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
