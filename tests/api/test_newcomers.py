"""First impressions: whoever joins and fits somebody who looks is shown to enough people, however many others are there."""

import random

import pytest

from dating.accounts.mail import make_mailer
from dating.clock import DAY
from dating.database import Database, Transaction
from dating.jobs import Jobs
from dating.matching import deck, growth
from dating.matching import service as matching
from dating.matching.candidates import Search
from dating.matching.decks import Decks
from dating.matching.feed import Feed
from dating.matching.index import Index
from dating.matching.ranking import DEFAULT
from dating.profiles import service as profiles
from dating.profiles.models import PreferenceChanges, ProfileFields
from dating.settings import Settings
from tests.api.test_search_oracle import NOW

ADD_USER = "INSERT INTO users (id, username, username_key, password, created_at) VALUES (:id, :name, :name, '', :at)"
EVER_SHOWN = "SELECT user_id, ever_shown FROM standings WHERE user_id > :last ORDER BY user_id"
OLD, NEW = 90, 15  # people; the first half of the old look
ENOUGH = 10


async def settle(tx: Transaction, first: int, count: int, at: int) -> None:
    """People of two genders in one town; every fifth of them has no wish for anybody older than 30."""
    for number in range(first, first + count):
        await tx.run(ADD_USER, id=number, name=f"p{number}", at=at)
        wishes = PreferenceChanges(max_age=30 if number % 5 == 0 else None, max_distance_km=50)
        gender, seeks = ("female", "male") if number % 2 else ("male", "female")
        born = "2000-01-01" if number % 3 else "1980-01-01"
        await profiles.create(
            tx,
            number,
            ProfileFields(
                gender=gender,  # type: ignore[arg-type]  # one of the words
                interested_in=seeks,  # type: ignore[arg-type]  # one of the words
                birthday=born,
                latitude=52.5,
                longitude=13.4,
                preferences=wishes,
            ),
        )


async def fit_whom(tx: Transaction, viewers: list[int]) -> dict[int, int]:
    """How many of the viewers could be shown each newcomer."""
    counts: dict[int, int] = {}
    for me_id in viewers:
        hunt = deck.Question(await profiles.require_profile(tx, me_id), Search(), tx.now).first
        for user_id in await deck.queries.fitting(tx, list(range(OLD + 1, OLD + NEW + 1)), hunt.rules):
            counts[user_id] = counts.get(user_id, 0) + 1
    return counts


async def look(db: Database, decks: Decks, me_id: int, index: Index | None, dice: random.Random) -> None:
    """Two pages of a day, of which some people are swiped."""
    last = None
    for _ in range(2):
        page = (await deck.recommend(db, decks, me_id, Search(last_seen_id=last, page_size=10), index=index)).people
        for one in page:
            if dice.random() < 0.7:
                await db.write(matching.swipe, me_id, one.id, "like" if dice.random() < 0.3 else "dislike")
        last = page[-1].id if page else None


@pytest.mark.one_process("asks the database, no server")
@pytest.mark.parametrize("path", ["sql", "memory"])
async def test_every_newcomer_has_first_impressions(db: Database, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """Within a day everybody new is shown to ten people, or to as many as they fit, though all others were active later."""
    monkeypatch.setattr(growth, "AT_ONCE", 12)  # so that the town is large: a deck cannot hold everybody
    monkeypatch.setattr(growth, "RANKED", 12)
    db.clock = lambda: NOW - 30 * DAY
    await db.write(settle, 1, OLD, NOW - 30 * DAY)
    db.clock = lambda: NOW - DAY // 2
    await db.write(settle, OLD + 1, NEW, NOW - DAY // 2)
    db.clock = lambda: NOW
    await db.write(profiles.touch, list(range(1, OLD + 1)))  # so that newcomers come last by activity
    index = Index() if path == "memory" else None
    feed = Feed(db, index) if index is not None else None
    if feed is not None:
        await feed.start()
    viewers, dice, decks = list(range(1, OLD // 2)), random.Random(3), Decks()
    expected = await db.read(fit_whom, viewers)
    for me_id in viewers:
        await look(db, decks, me_id, index, dice)
    shown = dict(await db.read(lambda tx: tx.all(tuple, EVER_SHOWN, last=OLD)))
    await decks.close()
    if feed is not None:
        await feed.close()
    assert min(expected.values()) >= 5
    assert {user_id: count for user_id, count in expected.items() if shown.get(user_id, 0) < min(ENOUGH, count)} == {}


@pytest.mark.one_process("asks the database, no server")
async def test_newcomers_are_new_for_a_while(db: Database, settings: Settings) -> None:
    """After enough impressions or two days the sweep lets them be like everybody."""
    db.clock = lambda: NOW
    await db.write(settle, 1, 3, NOW)
    await db.write(settle, 4, 1, NOW - 3 * DAY)
    await db.write(lambda tx: tx.run("INSERT INTO standings (user_id, ever_shown) VALUES (2, 10), (3, 9)"))

    async def find(tx: Transaction, me_id: int) -> list[int]:
        hunt = deck.Question(await profiles.require_profile(tx, me_id), Search(), tx.now).first
        return await growth.find_newcomers(tx, hunt, DEFAULT)

    assert [await db.read(find, me_id) for me_id in (1, 2)] == [[], [1, 3]]  # the sweep has not come yet
    jobs = Jobs(settings, db, make_mailer(settings), lambda since: set())
    await jobs.sweep()
    new = "SELECT user_id FROM profiles WHERE is_new ORDER BY user_id"
    assert await db.read(lambda tx: tx.all(int, new)) == [1, 3]
    db.clock = lambda: NOW + 3 * DAY
    await jobs.sweep()
    assert await db.read(lambda tx: tx.all(int, new)) == []
