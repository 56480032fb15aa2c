"""Boosts: a bounded share of slots for a bounded time, labelled, and never against a rule."""

import asyncio
from typing import Any

import msgspec
import pytest

from dating.accounts.mail import make_mailer
from dating.database import Transaction, connect
from dating.jobs import Jobs
from dating.matching import boosts, deck
from dating.matching import service as matching
from dating.matching.boosts import MINUTE, STANDARD, Boosting
from dating.matching.candidates import Candidate, Search
from dating.matching.decks import Decks
from dating.matching.exposure import UNLIMITED
from dating.matching.limits import Limits
from dating.matching.ranking import DEFAULT
from dating.profiles import service as profiles
from dating.profiles.models import ProfileFields, SettingChanges
from dating.safety import service as safety
from dating.settings import Settings
from tests.api.test_search_oracle import ADD_USER, NOW
from tests.kit import Api, running

PEOPLE = 90
BOOSTED = list(range(61, 91))
FREE = Limits()


async def open_town(settings: Settings, boosted: list[int], boosting: Boosting = STANDARD) -> Any:
    """Ninety people who all fit each other, some of them boosted."""
    db = connect(settings)
    db.clock = lambda: NOW
    await db.open()

    async def fill(tx: Transaction) -> None:
        for number in range(1, PEOPLE + 1):
            await tx.run(ADD_USER, name=f"p{number}", banned=None)
            await profiles.create(tx, number, ProfileFields())
        for number in boosted:
            await boosts.start(tx, number, boosting, FREE)

    await db.write(fill)
    return db


async def ask(db: Any, decks: Decks, me_id: int, boosting: Boosting = STANDARD, **wish: Any) -> list[Candidate]:
    """A page of the recommended order."""
    return (await deck.recommend(db, decks, me_id, Search(**wish), DEFAULT, UNLIMITED, boosting)).people


def find_boosted(page: list[Candidate]) -> list[int]:
    """Who is on a page by a boost."""
    return [one.id for one in page if one.boosted]


@pytest.mark.one_process("asks the database, no server")
@pytest.mark.parametrize("size", [1, 4, 20, 33])
async def test_the_boosted_have_a_bounded_share(settings: Settings, size: int) -> None:
    """One card in ten at most, labelled and boosted indeed; a repeated page is the same and counts nothing; all come once."""
    db = await open_town(settings, BOOSTED)
    decks, last, found = Decks(), None, list[Candidate]()
    while page := await ask(db, decks, 1, page_size=size, last_seen_id=last):
        if len(found) < 40:
            assert await ask(db, decks, 1, page_size=size, last_seen_id=last) == page
        found += page
        last = page[-1].id
        assert len(find_boosted(page)) <= -(-size // 10)
    shown = find_boosted(found)
    assert [place % 10 for place, one in enumerate(found) if one.boosted] == [9] * len(shown)
    assert 5 <= len(shown) <= 8
    assert set(shown) <= set(BOOSTED)
    assert sorted(one.id for one in found) == list(range(2, PEOPLE + 1))
    assert all((one.reasons[0] == "Boosted.") is one.boosted for one in found)
    counts = await db.read(lambda tx: tx.all(int, "SELECT user_id FROM boosts WHERE impressions = 1 ORDER BY user_id"))
    assert counts == sorted(shown)
    kinds = await db.read(lambda tx: tx.all(int, "SELECT shown_id FROM exposures WHERE kind = 3 ORDER BY shown_id"))
    assert kinds == sorted(shown)
    seen = await db.read(lambda tx: tx.all(int, "SELECT ever_shown FROM standings ORDER BY user_id"))
    assert seen == [1] * (PEOPLE - 1)
    await db.close()


@pytest.mark.one_process("asks the database, no server")
async def test_a_boost_buys_so_many_impressions(settings: Settings) -> None:
    """After its number of impressions a boost shows nobody any more, though pages were drawn at the same moment."""
    boosting = Boosting(impressions=3)
    db = await open_town(settings, [90], boosting)
    assert [find_boosted(await ask(db, Decks(), me_id, boosting)) for me_id in (1, 2)] == [[90], [90]]
    drawn = [await db.read(deck.draw, me_id, Search(), None, DEFAULT, boosting) for me_id in (3, 4)]
    assert [find_boosted(page.people) for page in drawn] == [[90], [90]]
    settled = [await db.write(deck.settle, me, page, UNLIMITED, boosting) for me, page in zip((3, 4), drawn, strict=True)]
    assert [find_boosted(page.people) for page in settled] == [[90], []]
    assert [len(page.people) for page in settled] == [20, 19]
    assert settled[1].deck.dealt == 19
    assert 90 not in {card.slot.user_id for card in settled[1].deck.cards[:19]}
    assert find_boosted(await ask(db, Decks(), 5, boosting)) == []
    await db.close()


@pytest.mark.one_process("asks the database, no server")
async def test_a_boost_ends_after_its_time(settings: Settings) -> None:
    """A moment before its end it shows, at its end no more; the sweep drops it."""
    db = await open_town(settings, [90])
    db.clock = lambda: NOW + 30 * MINUTE - 1
    assert find_boosted(await ask(db, Decks(), 1)) == [90]
    db.clock = lambda: NOW + 30 * MINUTE
    assert find_boosted(await ask(db, Decks(), 2)) == []
    assert await db.read(lambda tx: tx.all(int, "SELECT impressions FROM boosts")) == [1]
    await Jobs(settings, db, make_mailer(settings), lambda since: set()).sweep()
    assert await db.read(lambda tx: tx.all(int, "SELECT impressions FROM boosts")) == []
    await db.close()


@pytest.mark.one_process("asks the database, no server")
async def test_a_boost_shows_nobody_against_a_rule(settings: Settings) -> None:
    """Whoever was swiped, passed on me, is blocked, hidden, banned, paused, incognito or looks for others stays away."""
    db = await open_town(settings, BOOSTED)

    async def exclude(tx: Transaction) -> None:
        await matching.swipe(tx, 1, 61, "like")
        await matching.swipe(tx, 1, 62, "dislike")
        await matching.swipe(tx, 63, 1, "dislike")
        await safety.block(tx, 1, 64)
        await safety.block(tx, 65, 1)
        await safety.hide(tx, 1, 66)
        await tx.run("UPDATE users SET banned_at = :now WHERE id = 67", now=tx.now)
        await profiles.change(tx, 68, ProfileFields(settings=SettingChanges(discoverable=False)))
        await profiles.change(tx, 69, ProfileFields(settings=SettingChanges(incognito=True)))
        await tx.run("UPDATE profiles SET max_age = 20 WHERE user_id = 71")
        await tx.run("UPDATE boosts SET impressions = 10 WHERE user_id > 71")  # those who are excluded would come first

    await db.write(exclude)
    decks, last, found = Decks(), None, list[Candidate]()
    while page := await ask(db, decks, 1, last_seen_id=last):
        found += page
        last = page[-1].id
    assert not {one.id for one in found} & {*range(61, 70), 71}
    assert len(find_boosted(found)) >= 5
    await db.close()


@pytest.mark.one_process("asks the database, no server")
async def test_few_people_are_not_outnumbered(settings: Settings) -> None:
    """Where fewer than nine others fit, nobody is shown by a boost; they come as everybody does."""
    db = await open_town(settings, BOOSTED)
    await db.write(lambda tx: tx.run("UPDATE profiles SET max_age = 20 WHERE user_id BETWEEN 2 AND 82"))
    page = await ask(db, Decks(), 1)
    assert (sorted(one.id for one in page), find_boosted(page)) == (list(range(83, 91)), [])
    await db.close()


# --- over HTTP


async def test_a_boost_is_one_a_day_and_one_at_a_time(api: Api) -> None:
    """A repeat by key answers the same; another while it runs is 409; after its end 429 with what is left, until midnight."""
    me, other = await api.people(2)
    db = api.app.state.db
    start = NOW - NOW % (24 * 60 * MINUTE) + 60 * MINUTE
    db.clock = lambda: start
    assert (await me.get("/swipe/limits")).json()["boosts"] == {"per_day": 1, "left": 1}
    key = {"Idempotency-Key": "boost-1"}
    first = await me.post("/boost", headers=key)
    assert (first.status_code, first.json()["status"], first.json()["impressions"]) == (200, "boosted", 50)
    assert '"boosts";r=0' in first.headers["ratelimit"]
    db.clock = lambda: start + MINUTE
    assert (await me.post("/boost", headers=key)).json() == first.json()
    running_still = await me.post("/boost")
    assert (running_still.status_code, running_still.json()["code"]) == (409, "boost_running")
    db.clock = lambda: start + 31 * MINUTE
    refused = await me.post("/boost")
    assert (refused.status_code, refused.json()["code"], refused.json()["left"]) == (429, "boosts_used_up", 0)
    db.clock = lambda: start + 31 * MINUTE + int(refused.headers["retry-after"]) * 1_000_000
    assert (await me.post("/boost")).status_code == 200
    assert (await other.get("/swipe/limits")).json()["boosts"] == {"per_day": 1, "left": 1}
    archive = await db.read(matching.export, me.id)
    assert [msgspec.structs.asdict(row)["impressions"] for row in archive["boosts"]] == [0]


async def test_a_boosted_card_says_so(settings: Settings) -> None:
    """Somebody is on the page by a boost, and the card and its first reason say it; other lists know of no boost."""
    async with running(msgspec.structs.replace(settings, boost_every=2, ranking_newcomer_share=0.0)) as api:
        people = await api.people(6)
        assert (await people[5].post("/boost")).status_code == 200
        page = (await people[0].get("/profiles/search")).json()
        assert [card["boosted"] for card in page].count(True) <= 1
        assert all((card["reasons"][0] == "Boosted.") is card["boosted"] for card in page)
        listed = (await people[0].get("/profiles/search?order=id")).json()
        assert not any(card["boosted"] for card in listed)


async def test_many_boosts_at_once_are_one(api: Api) -> None:
    """Of several requests at the same moment one begins a boost."""
    me = await api.person()
    answers = await asyncio.gather(*(me.post("/boost") for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    for key in ("", "x" * 256):
        assert (await me.post("/boost", headers={"Idempotency-Key": key})).json()["code"] == "invalid_idempotency_key"
