"""The candidate index in memory: always what the lanes of the database answer, whatever happens to the people in it."""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import hypothesis
import msgspec
import pytest
from hypothesis import strategies as st

from dating.accounts import exclusions
from dating.clock import DAY
from dating.database import Database, Transaction, connect
from dating.matching import candidate_queries, candidates, columns, deck, feed
from dating.matching import index as index_module
from dating.matching import service as matching
from dating.matching.candidate_queries import Entry
from dating.matching.candidates import END, Search
from dating.matching.feed import Feed
from dating.matching.index import Index
from dating.matching.ranking import DEFAULT
from dating.matching.widening import Question
from dating.profiles import service as profiles
from dating.profiles.models import Dealbreaker, Place, PreferenceChanges, ProfileFields, SettingChanges
from dating.realtime.inbox import Missed
from dating.settings import Settings
from tests.api.test_search_oracle import ADD_USER, NOW, World
from tests.kit import Person, running

SIZE = 200
INTERESTS = ["hiking", "чай", "Chess", "chess", "jazz", "cats"]
NAMES: list[list[Dealbreaker]] = [[], ["age"], ["distance"], ["age", "distance"]]
DEALBREAKERS = [PreferenceChanges(dealbreakers=names) for names in NAMES]
RELATIONS = {
    "block": "INSERT INTO blocks VALUES (:me, :other, 0) ON CONFLICT (blocker_id, blocked_id) DO NOTHING",
    "hide": "INSERT INTO hides VALUES (:me, :other, 0) ON CONFLICT (hider_id, hidden_id) DO NOTHING",
}


class Town:
    """A random world with its database, its index and the feed of that."""

    def __init__(self, db: Database) -> None:
        self.db, self.index = db, Index()
        self.feed = Feed(db, self.index)
        self.world = World(11, SIZE)
        self.world.spots = [(90.0, 0.0), (-17.0, 180.0), (52.52, 13.405), (0.0, 0.0)]
        db.committed = self.feed.hear


@pytest.fixture
async def town(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Town]:
    """Two hundred people at a fixed time, followed by an index that sorts anew after few changes and shelves little at once."""
    monkeypatch.setattr(index_module, "CROWD", 24)
    monkeypatch.setattr(index_module, "DEPTH", 2)
    monkeypatch.setattr(feed, "PAUSE", 0.0)
    monkeypatch.setattr(columns, "SLACK", 4)
    monkeypatch.setattr(columns, "TOPICS", 2)
    db = connect(settings)
    db.clock = lambda: NOW
    await db.open()
    town = Town(db)
    await db.write(town.world.fill)
    await town.feed.start()
    yield town
    await town.feed.close()
    await db.close()


async def alter(tx: Transaction, dice: random.Random, world: World, user_id: int) -> None:
    """Something that happens to somebody."""
    latitude, longitude = world.somewhere()
    away = Place(latitude, longitude)
    switch = dice.random() < 0.5
    changes: list[Callable[[], Awaitable[object]]] = [
        lambda: profiles.change(tx, user_id, msgspec.structs.replace(world.imagine(), birthday=msgspec.UNSET)),
        lambda: profiles.change(tx, user_id, ProfileFields(travel=away if switch else None)),
        lambda: profiles.change(tx, user_id, ProfileFields(settings=SettingChanges(discoverable=switch))),
        lambda: profiles.change(tx, user_id, ProfileFields(settings=SettingChanges(incognito=switch))),
        lambda: profiles.change(tx, user_id, ProfileFields(settings=SettingChanges(show_last_active=switch))),
        lambda: profiles.change(tx, user_id, ProfileFields(preferences=dice.choice(DEALBREAKERS))),
        lambda: profiles.change(tx, user_id, ProfileFields(interests=dice.sample(INTERESTS, 3))),
        lambda: exclusions.ban(tx, user_id, NOW + DAY if switch else None),
        lambda: exclusions.lift(tx, user_id),
        lambda: profiles.touch(tx, [user_id, dice.randint(1, SIZE)]),
    ]
    await dice.choice(changes)()


async def relate(tx: Transaction, dice: random.Random, me_id: int, other_id: int) -> None:
    """Something that happens between two people."""
    if me_id == other_id:
        return
    deed = dice.choice(["like", "dislike", "block", "hide"])
    if deed in RELATIONS:
        await tx.run(RELATIONS[deed], me=me_id, other=other_id)
    else:
        await tx.run(
            "INSERT INTO pairs (low_id, high_id, low_action, low_at) VALUES (:low, :high, :deed, 1)"
            " ON CONFLICT (low_id, high_id) DO UPDATE SET low_action = :deed, low_at = 1",
            low=min(me_id, other_id),
            high=max(me_id, other_id),
            deed=deed,
        )


async def compare(tx: Transaction, town: Town, dice: random.Random) -> int:
    """A random question of a random person, at each step of widening, asked of both; how many people were found."""
    me = await profiles.require_profile(tx, dice.randint(1, SIZE))
    without_likers = {"without_likers": dice.random() < 0.5}
    found = 0
    for hunt in Question(me, town.world.wish("recent"), NOW).hunts:
        if hunt is not None:
            asked = msgspec.structs.replace(hunt, rules=hunt.rules | without_likers)
            found += await compare_pages(tx, town, asked)
    return found


async def compare_pages(tx: Transaction, town: Town, hunt: candidates.Hunt) -> int:
    """A question asked of both, page by page; how many people were found."""
    after, found = Entry(END, END), 0
    while hunt.seeks:
        wanted = await candidates.find_latest(tx, hunt, after)
        assert await candidates.find_latest(tx, hunt, after, town.index) == wanted, (hunt, after)
        found += len(wanted)
        if len(wanted) < hunt.count:
            break
        after = wanted[-1]
    return found


@pytest.mark.one_process("asks the database and an index, no server")
@hypothesis.settings(
    max_examples=15, deadline=None, derandomize=True, suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture]
)
@hypothesis.given(seed=st.integers(0, 2**32))
async def test_index_equals_the_lanes(town: Town, seed: int) -> None:
    """On random people, whatever happens to them and between them, both paths name the same people in the same order."""
    dice = random.Random(seed)
    town.world.dice = dice
    for _ in range(12):
        await town.db.write(alter, dice, town.world, dice.randint(1, SIZE))
        await town.db.write(relate, dice, dice.randint(1, SIZE), dice.randint(1, SIZE))
    await town.feed.settled()
    found = [await town.db.read(compare, town, dice) for _ in range(12)]
    assert sum(found) > 0 or seed == 0


@pytest.mark.one_process("asks the database and an index, no server")
async def test_decks_are_the_same_by_either_path(town: Town) -> None:
    """Whole pages with their cards, people at each step of widening among them, whatever is a dealbreaker to whom."""
    dice = town.world.dice = random.Random(8)
    counts: Counter[tuple[str, ...]] = Counter()
    for _ in range(4):
        for _ in range(40):
            await town.db.write(alter, dice, town.world, dice.randint(1, SIZE))
            await town.db.write(relate, dice, dice.randint(1, SIZE), dice.randint(1, SIZE))
        await town.feed.settled()
        for _ in range(25):
            counts += await town.db.read(compare_decks, town, dice)
    assert set(counts) == {(), ("distance",), ("age",), ("distance", "age")}, counts


async def compare_decks(tx: Transaction, town: Town, dice: random.Random) -> Counter[tuple[str, ...]]:
    """The first page of a random person by either path; how many of its people are outside of which rules."""
    me_id, wish = dice.randint(1, SIZE), dice.choice([town.world.wish("recommended"), Search(page_size=100)])
    by_database, by_index = [await deck.draw(tx, me_id, wish, None, DEFAULT, index=index) for index in (None, town.index)]
    assert by_database == by_index, (me_id, wish)
    return Counter(tuple(one.widened) for one in by_index.people)


@pytest.mark.one_process("asks the database and an index, no server")
async def test_stale_index_shows_nobody_wrongly(town: Town) -> None:
    """An index that has heard of nothing still leads nobody to whom they must not see."""
    town.db.committed = lambda notices: None
    dice = random.Random(3)
    for user_id in range(1, SIZE + 1):
        await town.db.write(alter, dice, town.world, user_id)
        await town.db.write(relate, dice, user_id, dice.randint(1, SIZE))
    shown = 0
    for me_id in range(1, 60):
        page = await town.db.read(deck.draw, me_id, Search(), None, DEFAULT, index=town.index)
        me = await town.db.read(profiles.require_profile, me_id)
        fits = [
            hunt and await town.db.read(fit, hunt, [one.id for one in page.people]) for hunt in Question(me, Search(), NOW).hunts
        ]
        assert {one.id for one in page.people} <= set().union(*[found for found in fits if found])
        shown += len(page.people)
    assert shown > 50


@pytest.mark.one_process("asks the database and an index, no server")
async def test_few_people_need_no_index(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """Below its least number of people an index stays empty, and the database is asked; it begins when they have become many."""
    monkeypatch.setattr(feed, "GROWING", 0.02)
    index = Index()
    waiting = Feed(town.db, index, SIZE + 1)
    await waiting.start()
    waiting.hear([Missed()])
    await asyncio.sleep(0.1)
    assert (index.ready, index.count, waiting.whole) == (False, 0, True)
    assert (await town.db.read(deck.draw, 1, Search(), None, DEFAULT, index=index)).people
    await town.db.write(settle, SIZE + 1)
    async with asyncio.timeout(20):
        while not index.ready:
            await asyncio.sleep(0.02)
    await town.feed.settled()
    assert index.count == town.index.count > 0
    await waiting.close()


async def settle(tx: Transaction, user_id: int) -> None:
    """One person more."""
    await tx.run(ADD_USER, name=f"late{user_id}", banned=None)
    await profiles.create(tx, user_id, ProfileFields())


async def fit(tx: Transaction, hunt: candidates.Hunt, ids: list[int]) -> set[int]:
    """Those of the people who fit by the rules of the database now."""
    return set(await candidate_queries.fitting(tx, ids, hunt.rules))


@pytest.mark.one_process("asks the database and an index, no server")
async def test_index_reads_everybody_again_after_a_loss(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    """When names of changed people were lost, the index finds them by reading everybody."""
    monkeypatch.setattr(feed, "QUIET", 0.05)
    dice = random.Random(5)
    town.db.committed = lambda notices: None
    for user_id in range(1, SIZE + 1):
        await town.db.write(alter, dice, town.world, user_id)
    town.feed.hear([Missed()])
    await town.feed.settled()
    assert sum([await town.db.read(compare, town, dice) for _ in range(30)]) > 50


async def expect(person: Person, query: str, others: list[Person]) -> None:
    """Wait until every process has heard enough to show exactly these people, whichever is asked."""
    async with asyncio.timeout(20):
        while any([await see(person, query) != {other.id for other in others} for _ in range(4)]):
            await asyncio.sleep(0.02)


async def see(person: Person, query: str) -> set[int]:
    """Who is on the first page."""
    return {one["id"] for one in (await person.get(f"/profiles/search?{query}")).json()}


async def test_server_with_an_index(settings: Settings) -> None:
    """Over HTTP: every process finds whoever has just registered, and neither whom I swiped nor who has moved away."""
    async with running(msgspec.structs.replace(settings, candidate_index="memory")) as api:
        berlin: dict[str, Any] = {"latitude": 52.52, "longitude": 13.405}
        me, *others = [await api.person(**berlin) for _ in range(4)]
        await expect(me, "max_distance_km=20&order=recent", others)
        await expect(me, "max_distance_km=20", others)
        await me.post("/swipe", json={"target_id": others[0].id, "action": "dislike"})
        await expect(me, "max_distance_km=20&order=recent", others[1:])
        await others[1].patch("/me", json={"latitude": 48.86, "longitude": 2.35})
        await expect(me, "max_distance_km=20&order=recent", others[2:])
        await api.app.state.feed.settled()
        assert api.app.state.index.count == 4


@pytest.mark.one_process("asks the database and an index, no server")
async def test_swipes_are_not_in_the_index(town: Town) -> None:
    """A swipe is known at once, before any event arrives: the database is asked."""
    town.db.committed = lambda notices: None
    me_id = 1
    first = (await town.db.read(deck.draw, me_id, Search(page_size=5), None, DEFAULT, index=town.index)).people
    for one in first:
        await town.db.write(matching.swipe, me_id, one.id, "dislike")
    second = (await town.db.read(deck.draw, me_id, Search(page_size=5), None, DEFAULT, index=town.index)).people
    assert not {one.id for one in first} & {one.id for one in second}


@pytest.mark.one_process("asks nothing")
async def test_a_long_start_says_how_far_it_is(caplog: pytest.LogCaptureFixture) -> None:
    """A line for each tenth of the way, each once, where reading takes long enough to wonder; none for few people."""
    caplog.set_level("INFO", "dating.matching.feed")
    told = 0
    for after in range(0, 100_001, 5_000):
        told = feed.report(told, after, 100_000)
    assert [record.getMessage() for record in caplog.records] == [f"candidate index: {n} % read" for n in range(10, 100, 10)]
    caplog.clear()
    assert feed.report(0, 10_000, feed.TOLD) == 0
    assert caplog.records == []


@pytest.mark.one_process("asks nothing")
async def test_who_changes_while_everybody_is_sorted_anew_is_not_forgotten() -> None:
    """Sorting takes a while on another thread: whoever went, changed or came meanwhile is in the new index as they are."""

    def row(user_id: int, hours: int) -> columns.Row:
        return (user_id, hours * columns.HOUR, columns.UNSAID, 0, 0, 1, 15, 18, 120, False, True, 0, "[]")

    index, cells, topics = Index(), columns.Cells(), columns.Topics()
    base = columns.Table.read([row(one, 5) for one in (1, 2, 3)], cells, topics)
    index.fill(Index.sort(base, columns.Table.empty(0), cells, topics))
    begun = index.begin()
    index.put([2, 3, 4], [row(3, 9), row(4, 7)])
    index.adopt(Index.sort(*begun))
    rules = {"me": 9, "since": 0, "my_gender": 1, "seeks": 15, "age_low": 30, "age_high": 30, "any_age": True}
    rules |= {"has_photo": False, "online_only": False, "x": None, "reach": None}
    assert [entry.user_id for entry in index.latest("earth", [1], Entry(END, END), 10, rules)] == [3, 4, 1]
    assert index.count == 3
