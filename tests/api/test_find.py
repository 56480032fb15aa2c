"""The search: what is found, by whom, and that nothing else is."""

import asyncio
import random
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from dating.chat import posts
from dating.chat.post_models import Post
from dating.clock import SECOND
from dating.search import index_queries, indexing, service
from dating.settings import Settings
from tests.api.messenger import do, make_group
from tests.kit import PASSWORD, Api, Person


async def index(api: Api) -> None:
    """Let the search know what was said: until nothing is noted, for other processes index, too."""
    async with asyncio.timeout(30):
        await indexing.keep_up(api.app.state.db, "a test")
        while await api.count("lots") or await api.count("unindexed") or await api.count("backfills"):
            await indexing.keep_up(api.app.state.db, "a test")


async def find(person: Person, question: str, kind: str = "messages", **more: Any) -> dict[str, Any]:
    """What the person finds."""
    answer = await person.get("/api/search", params={"q": question, "type": kind, **more})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def found(person: Person, question: str) -> list[str]:
    """The texts of the messages that the person finds."""
    return [one["message"]["content"] for one in (await find(person, question))["messages"]]


async def people(person: Person, question: str) -> list[str | None]:
    """The names of the people whom the person finds."""
    answer = await person.get("/api/users/search", params={"q": question})
    assert answer.status_code == 200, answer.text
    return [user["name"] for user in answer.json()["users"]]


async def words_of(api: Api, message_id: int) -> list[str]:
    """What the index keeps of a message."""

    async def look(tx: Any) -> list[str]:
        return list(await tx.all(str, "SELECT words FROM message_words WHERE message_id = :id", id=message_id))

    return list(await api.app.state.db.read(look))


# --- messages ---------------------------------------------------------------------------------------------------------------


async def test_words_are_found(api: Api) -> None:
    """By beginnings and forms, in both languages, without case and accents; all the words must be there; the newest first."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    for text in ("Пойдём гулять с собаками?", "Ёлка и café", "Running with dogs 👍🏽", "Собака, кот"):
        await anna.say(chat_id, text)
    await index(api)
    for question, texts in {
        "собака": ["Собака, кот", "Пойдём гулять с собаками?"],
        "СОБАК": ["Собака, кот", "Пойдём гулять с собаками?"],
        "собака пойдем": ["Пойдём гулять с собаками?"],
        "елка": ["Ёлка и café"],
        "CAFE": ["Ёлка и café"],
        "run dog": ["Running with dogs 👍🏽"],
        "👍": ["Running with dogs 👍🏽"],
        "собачий": [],
        "ёлка кот": [],
    }.items():
        assert await found(anna, question) == texts, question
        assert await found(boris, question) == texts, question
    finding = (await find(anna, "елка"))["messages"][0]
    assert finding["snippet"] == [{"text": "Ёлка", "hit": True}, {"text": " и café", "hit": False}]
    assert finding["message"]["chat_id"] == chat_id


@pytest.fixture(params=["index", "look back"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How messages are found: by the index alone, or by looking through my latest ones first."""
    monkeypatch.setattr("dating.search.lookback.ENOUGH", 1 if request.param == "look back" else 1_000_000)
    return str(request.param)


async def test_only_what_i_may_read_is_found(api: Api, way: str) -> None:
    """Nothing of others' chats, from before I came, after I left, deleted, expired, or by somebody hidden."""
    anna, boris, clara, dmitri = await api.people(4)
    pair = await anna.match(boris)
    group = await make_group(anna, boris, clara)
    await anna.match(dmitri)
    await anna.say(pair, "тайна вдвоём")
    ids = {text: (await boris.say(group, text))["id"] for text in ("тайна всех", "тайна удалённая", "тайна не для Анны")}
    await anna.say(group, "тайна исчезнет", expires_in=60)
    await index(api)
    await do(anna, f"/api/chats/{group}/members", user_ids=[dmitri.id])
    assert await found(dmitri, "тайна") == []
    assert await found(clara, "тайна") == ["тайна исчезнет", "тайна не для Анны", "тайна удалённая", "тайна всех"]

    await do(boris, f"/api/messages/{ids['тайна удалённая']}/delete")
    await do(anna, f"/api/messages/{ids['тайна не для Анны']}/delete", for_all=False)
    later = api.app.state.db.clock() + 61 * SECOND
    api.app.state.db.clock = lambda: later
    assert await found(anna, "тайна") == ["тайна всех", "тайна вдвоём"]

    await do(anna, f"/api/users/{boris.id}/block")
    assert await found(anna, "тайна") == []
    assert await found(boris, "тайна") == ["тайна не для Анны", "тайна всех"]
    assert (await clara.delete(f"/api/chats/{group}")).status_code == 200
    assert await found(clara, "тайна") == []


async def test_nothing_is_found_where_i_am_not_any_more(api: Api, way: str) -> None:
    """Nothing of a chat that was ended, of somebody whose account is gone, nor of a group that I was removed from."""
    anna, boris, clara, dmitri = await api.people(4)
    for other in (boris, clara, dmitri):
        await anna.say(await anna.match(other), f"тайна {other.id}")
    group = await make_group(anna, dmitri)
    await anna.say(group, "тайна в группе")
    await index(api)
    assert len(await found(anna, "тайна")) == 4
    assert (await anna.delete(f"/matches/{boris.id}")).status_code == 200
    assert (await clara.delete("/me", json={"password": PASSWORD})).status_code == 200
    assert (await anna.delete(f"/api/chats/{group}/members/{dmitri.id}")).status_code == 200
    assert await found(anna, "тайна") == ["тайна в группе", f"тайна {dmitri.id}"]
    assert await found(boris, "тайна") == []
    assert await found(dmitri, "тайна") == [f"тайна {dmitri.id}"]


async def test_looking_back_finds_what_the_index_finds(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked, and however far back is looked: the same messages, in the same order, on every page."""
    dice, words = (
        random.Random(3),
        ["собака", "собаки", "кот", "dogs", "dog", "run", "running", "соб", "happy", "happiness", "😀"],
    )
    anna, boris, clara = await api.people(3)
    rooms = [await anna.match(boris), await anna.match(clara), await make_group(anna, boris, clara)]
    for _ in range(40):
        await dice.choice([anna, anna, boris]).say(dice.choice(rooms[::2]), " ".join(dice.choices(words, k=dice.randrange(1, 5))))
    await index(api)
    questions = [*words, *(" ".join(dice.sample(words, 2)) for _ in range(6)), "с", "so", "ha"]

    async def ask(question: str) -> list[int]:
        ids, cursor = [], None
        while True:
            page = await service.find(api.app.state.db, anna.id, "messages", question, 3, cursor)
            ids += [one.message.id for one in page.messages]
            cursor = page.next_cursor
            if cursor is None:
                return ids

    monkeypatch.setattr("dating.search.service.SPARE", 1)
    expected = {question: await ask(question) for question in questions}
    monkeypatch.setattr("dating.search.lookback.ENOUGH", 1)
    for few, more in ((5, 20), (1, 1), (1000, 1)):
        monkeypatch.setattr("dating.search.lookback.FEW", few)
        monkeypatch.setattr("dating.search.lookback.MORE", more)
        for question in questions:
            assert await ask(question) == expected[question], (few, more, question)
    assert len(expected["собака"]) > 3


async def test_half_a_page_is_answered(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the rest is far, a page holds half of what it may, and the next one goes on behind it."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    for n in range(24):
        await anna.say(chat_id, f"слово {n}" if n % 3 == 0 else "иное")
    await index(api)
    monkeypatch.setattr("dating.search.lookback.ENOUGH", 1)
    monkeypatch.setattr("dating.search.lookback.FEW", 9)
    monkeypatch.setattr("dating.search.lookback.MORE", 9)
    db = api.app.state.db
    first = await service.find(db, anna.id, "messages", "слово", 8, None)
    rest = await service.find(db, anna.id, "messages", "слово", 8, first.next_cursor)
    texts = [[one.message.content for one in page.messages] for page in (first, rest)]
    assert texts == [[f"слово {n}" for n in (21, 18, 15, 12, 9, 6)], ["слово 3", "слово 0"]]
    assert rest.next_cursor is None


async def test_an_edit_is_found_by_its_new_words(api: Api) -> None:
    """The old words leave the index with the edit, the new ones come."""
    anna, boris = await api.people(2)
    message_id = (await anna.say(await anna.match(boris), "старое слово"))["id"]
    await index(api)
    await do(anna, f"/api/messages/{message_id}/edit", content="новое слово")
    assert await words_of(api, message_id) == []
    await index(api)
    assert await found(boris, "старое") == []
    assert await found(boris, "новое") == ["новое слово"]


async def test_an_edit_meanwhile_is_not_lost(api: Api) -> None:
    """What was read for the index before an edit is not written after it; the edit stays noted."""
    anna, boris = await api.people(2)
    message_id = (await anna.say(await anna.match(boris), "старое"))["id"]
    db = api.app.state.db
    noted, texts = await db.read(indexing.read_messages)
    await do(anna, f"/api/messages/{message_id}/edit", content="новое")
    await db.write(indexing.write_messages, noted, indexing.write_all_terms(texts))
    assert await words_of(api, message_id) == []
    await index(api)
    assert await found(boris, "новое") == ["новое"]


async def test_what_is_deleted_leaves_the_index(api: Api, settings: Settings) -> None:
    """Deleted for all, expired, or with an account: no word of it is in the index, nor in the storage under it."""
    anna, boris, clara = await api.people(3)
    chat_id, other_id = await anna.match(boris), await anna.match(clara)
    deleted = (await anna.say(chat_id, "маркерудалён"))["id"]
    brief = (await anna.say(chat_id, "маркеристёк", expires_in=60))["id"]
    orphan = (await clara.say(other_id, "маркерсирота"))["id"]
    kept = (await anna.say(chat_id, "маркеростался"))["id"]
    await index(api)
    assert all([await words_of(api, id_) for id_ in (deleted, brief, orphan, kept)])
    await do(anna, f"/api/messages/{deleted}/delete")
    assert (await clara.delete("/me", json={"password": PASSWORD})).status_code == 200
    db = api.app.state.db
    later = db.clock() + 61 * SECOND
    db.clock = lambda: later
    await api.app.state.jobs.expire()
    assert [await words_of(api, id_) for id_ in (deleted, brief, orphan)] == [[], [], []]
    await indexing.merge(db)
    assert await found(boris, "маркер") == ["маркеростался"]
    assert await db.read(index_queries.count_pages) == 0
    if db.dialect == "sqlite":
        assert read_storage(settings) == {"маркеростался"}


def read_storage(settings: Settings) -> set[str]:
    """Which of the marked words FTS5 still has, in any form."""
    with closing(sqlite3.connect(settings.database_path)) as connection:
        blocks = b"".join(row[0] for row in connection.execute("SELECT block FROM message_fts_data"))
    endings = ("удален", "истек", "сирот", "остался")
    return {f"маркер{ending}" for ending in endings if ending.encode() in blocks}


async def test_pages_hold_everything_once(api: Api) -> None:
    """Following `next_cursor` gives every message once, the newest first, though most candidates may not be seen."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    ids = [(await anna.say(chat_id, f"слово {n}"))["id"] for n in range(7)]
    await index(api)
    for gone in ids[1:3]:
        await do(anna, f"/api/messages/{gone}/delete", for_all=False)
    pages, cursor = [], None
    while True:
        page = await find(anna, "слово", limit=2, **({} if cursor is None else {"cursor": cursor}))
        pages.append([one["message"]["id"] for one in page["messages"]])
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [id_ for page in pages for id_ in page] == [ids[6], ids[5], ids[4], ids[3], ids[0]]
    assert all(len(page) <= 2 for page in pages)


async def test_many_scopes_are_one_page(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many queries my groups take, the newest come first, and each once."""
    monkeypatch.setattr("dating.search.service.MOST_ASKED", 2)
    anna, boris = await api.people(2)
    rooms = [await anna.match(boris), *[await make_group(anna, boris) for _ in range(3)]]
    texts = [f"общее слово {n}" for n in range(8)]
    for n, text in enumerate(texts):
        await anna.say(rooms[n % len(rooms)], text)
    await index(api)
    findings = await service.find(api.app.state.db, boris.id, "messages", "общее слово", 5, None)
    assert [one.message.content for one in findings.messages] == texts[:2:-1]
    rest = await service.find(api.app.state.db, boris.id, "messages", "общее слово", 5, findings.next_cursor)
    assert [one.message.content for one in rest.messages] == texts[2::-1]


async def test_many_parts_of_the_index_become_few(api: Api) -> None:
    """The hourly merge is due when there are many parts, leaves what is found as it was, and is not due again."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    db = api.app.state.db
    due = []
    for n in range(7):
        await anna.say(chat_id, f"часть {n}")
        await index(api)
        due.append(await db.read(index_queries.count_pages) > 0)
    assert any(due) is (db.dialect == "sqlite")
    await indexing.merge(db)
    assert await db.read(index_queries.count_pages) == 0
    assert await found(boris, "часть") == [f"часть {n}" for n in range(6, -1, -1)]


async def test_what_was_there_before_is_indexed(api: Api) -> None:
    """A job notes what an older version left, downwards, and is done with it once."""
    anna, boris = await api.people(2, name="Ирина")
    chat_id = await anna.match(boris)
    last = [await anna.say(chat_id, f"давно {n}") for n in range(3)][-1]["id"]
    db = api.app.state.db

    async def forget(tx: Any) -> None:
        await tx.run("DELETE FROM lots")
        await tx.run("DELETE FROM unindexed")
        await tx.run("INSERT INTO backfills (kind, before_id) VALUES ('message', :id)", id=last + 1)
        await tx.run("INSERT INTO backfills (kind, before_id) VALUES ('person', :id)", id=max(anna.id, boris.id) + 1)

    await db.write(forget)
    await index(api)
    assert len(await found(boris, "давно")) == 3
    assert await people(boris, "ирина") == ["Ирина"]
    assert await api.count("backfills") == 0


async def test_two_processes_index_at_once(api: Api) -> None:
    """What both have read is written once, and nothing is lost."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    for n in range(5):
        await anna.say(chat_id, f"вместе {n}")
    await asyncio.gather(*[index(api) for _ in range(3)])
    assert len(await found(anna, "вместе")) == 5
    assert await api.count("lots") == await api.count("unindexed") == 0


async def test_one_process_indexes(api: Api) -> None:
    """While one has the lease the others leave the work to it; when it is silent, the next one takes over."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    db = api.app.state.db
    await indexing.keep_up(db, "first")
    await anna.say(chat_id, "аренда")
    await indexing.keep_up(db, "second")
    assert await found(boris, "аренда") == []
    await indexing.keep_up(db, "first")
    assert await found(boris, "аренда") == ["аренда"]
    await anna.say(chat_id, "аренда кончилась")
    later = db.clock() + 2 * indexing.LEASE
    db.clock = lambda: later
    await indexing.keep_up(db, "second")
    assert await found(boris, "аренда") == ["аренда кончилась", "аренда"]


async def test_nothing_that_commits_late_is_skipped(api: Api) -> None:
    """A message that was written first and is committed last, after later ones have been indexed, is found as well."""
    db = api.app.state.db
    if db.dialect == "sqlite":  # writers take turns there: nothing commits out of turn
        return
    anna, boris, clara, dmitri = await api.people(4)
    slow, quick = await anna.match(boris), await clara.match(dmitri)
    written, indexed = asyncio.Event(), asyncio.Event()

    async def dawdle(tx: Any) -> None:
        await posts.post(tx, [Post(anna.id, slow, "черепаха", None, None)])
        written.set()
        await indexed.wait()

    late = asyncio.create_task(db.write(dawdle))
    await written.wait()
    await clara.say(quick, "заяц")
    await index(api)
    assert (await found(dmitri, "заяц"), await found(boris, "черепаха")) == (["заяц"], [])
    indexed.set()
    await late
    await index(api)
    assert await found(boris, "черепаха") == ["черепаха"]


async def test_a_race_with_the_index_leaves_no_word(api: Api) -> None:
    """Messages are sent, edited and deleted by many while several index them: what is kept is what stands there in the end."""
    people = await api.people(6)
    rooms = [await one.match(other) for one, other in zip(people[::2], people[1::2], strict=True)]
    db = api.app.state.db
    talking = True

    async def talk(person: Person, chat_id: int) -> None:
        for n in range(8):
            id_ = (await person.say(chat_id, f"гонка до{n}"))["id"]
            await asyncio.sleep(0)
            if n % 2:
                await do(person, f"/api/messages/{id_}/edit", content=f"гонка после{n}")
            else:
                await do(person, f"/api/messages/{id_}/delete")

    async def keep_indexing() -> None:
        while talking:
            await indexing.keep_up(db, "one of them")

    indexers = [asyncio.create_task(keep_indexing()) for _ in range(3)]
    await asyncio.gather(*[talk(one, room) for one, room in zip(people[::2], rooms, strict=True)])
    talking = False
    await asyncio.gather(*indexers)

    async def stray(tx: Any) -> list[int]:
        """Words that were there in the moment after the last change and are not those of the message."""
        return list(await tx.all(int, "SELECT message_id FROM message_words WHERE words LIKE '%до%'"))

    assert await db.read(stray) == []
    await index(api)
    assert await db.read(stray) == []
    for person in people:
        assert await found(person, "гонка") == [f"гонка после{n}" for n in (7, 5, 3, 1)]


# --- people and chats -------------------------------------------------------------------------------------------------------


async def test_people_are_found_by_their_names(api: Api) -> None:
    """By beginnings of three letters and whole words, of name and username; the shortest word first."""
    me = await api.person()
    anna = await api.person("anna_77", name="Анна-Мария Ёлкина")
    await api.person(name="Аннабель Ли")
    await index(api)
    for question, names in {
        "анн": ["Анна-Мария Ёлкина", "Аннабель Ли"],
        "АННА елкина": ["Анна-Мария Ёлкина"],
        "мария": ["Анна-Мария Ёлкина"],
        "anna 77": ["Анна-Мария Ёлкина"],
        "ан": [],
        "ли": ["Аннабель Ли"],
        "лиза": [],
    }.items():
        assert await people(me, question) == names, question
    assert await people(anna, "анна") == ["Аннабель Ли"], "nobody finds themselves"
    await anna.patch("/me", json={"name": "Вера"})
    await index(api)
    assert (await people(me, "анна"), await people(me, "вера")) == (["Аннабель Ли"], ["Вера"])


async def test_who_is_not_to_be_found_is_not(api: Api) -> None:
    """Paused, incognito, blocked either way, hidden from lists, banned, gone; a chat with me finds who is paused."""
    me, *others = await api.people(8, name="Вероника")
    for n, person in enumerate(others):
        await person.patch("/me", json={"name": f"Вероника {n}"})
    paused, incognito, blocked, blocker, hidden, gone, partner = others
    await index(api)
    assert len(await people(me, "вероника")) == 7
    await me.match(partner)
    for person, setting in ((paused, "discoverable"), (partner, "discoverable")):
        await person.patch("/me", json={"settings": {setting: False}})
    await incognito.patch("/me", json={"settings": {"incognito": True}})
    await do(me, f"/api/users/{blocked.id}/block")
    await do(blocker, f"/api/users/{me.id}/block")
    assert (await me.post(f"/api/users/{hidden.id}/hide")).status_code in (200, 201, 204)
    assert (await gone.delete("/me", json={"password": PASSWORD})).status_code == 200
    assert await people(me, "вероника") == ["Вероника 6"]
    assert await people(blocked, "вероника 6") == [], "who is paused is not found by strangers"


async def test_people_come_in_pages_with_an_end(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each once by word and id; one question brings no more people than it may."""
    monkeypatch.setattr("dating.search.service.MOST_PEOPLE", 5)
    me, *others = await api.people(8)
    for person in others:
        await person.patch("/me", json={"name": "Света Светлая"})
    await index(api)
    seen: list[int] = []
    cursor: str | None = None
    for _ in range(3):
        page = await service.find_people(api.app.state.db, me.id, "свет", 2, cursor)
        seen += [user.id for user in page.users]
        cursor = page.next_cursor
    assert seen == sorted(person.id for person in others)[:5]
    assert cursor is None


async def test_chats_are_found_by_their_names(api: Api) -> None:
    """My groups by their names, direct chats by the other's; nobody else's."""
    anna, boris, clara = await api.people(3)
    await boris.patch("/me", json={"name": "Боря Горный"})
    group = await make_group(anna, boris, name="Поход в горы")
    await index(api)
    direct = await anna.match(boris)
    chats = (await find(anna, "гор", "chats"))["chats"]
    assert {chat["id"] for chat in chats} == {group, direct}
    assert [chat["id"] for chat in (await find(anna, "в го", "chats"))["chats"]] == [group]
    first = await find(anna, "гор", "chats", limit=1)
    second = await find(anna, "гор", "chats", limit=1, cursor=first["next_cursor"])
    assert [first["chats"][0]["id"], second["chats"][0]["id"]] == [chat["id"] for chat in chats]
    assert (await find(clara, "гор", "chats"))["chats"] == []
    await anna.patch(f"/api/chats/{group}", json={"name": "Море"})
    await index(api)
    assert [chat["id"] for chat in (await find(anna, "гор", "chats"))["chats"]] == [direct]


async def test_all_is_the_first_page_of_each(api: Api) -> None:
    """Messages, chats and people together."""
    anna, boris, _ = await api.people(3, name="Гоша")
    await anna.say(await anna.match(boris), "Гоша, привет")
    await index(api)
    page = await find(anna, "гоша", "all")
    assert (len(page["messages"]), len(page["chats"]), len(page["users"]), page["next_cursor"]) == (1, 1, 2, None)


# --- bad input --------------------------------------------------------------------------------------------------------------

WEIRD = [
    '" OR "a',
    "NEAR(a b, 2)",
    "a* NOT b",
    "words : a",
    "{a} AND",
    "'; DROP TABLE users; --",
    "a & b | !c",
    "\\'a",
    "-a ^b",
]


async def test_operators_mean_nothing(api: Api) -> None:
    """What databases read as more than words is words here: answered, and nothing found by accident."""
    anna, boris = await api.people(2)
    await anna.say(await anna.match(boris), "сообщение")
    await index(api)
    for question in WEIRD:
        page = await find(anna, question, "all")
        assert (page["messages"], page["chats"], page["users"]) == ([], [], []), question


BAD = [
    ("q=", "invalid"),
    ("", "invalid"),
    ("q=" + "a" * 10_000, "invalid"),
    ("q=%20%20", "nothing_to_find"),
    ("q=%3F%21%22%2A", "nothing_to_find"),
    ("q=%00", "nul_character"),
    ("q=%ED%A0%80", "nothing_to_find"),
    ("q=%FF", "nothing_to_find"),
    ("q=" + "+".join(str(n) for n in range(11)), "too_many_words"),
    ("q=a&type=posts", "invalid"),
    ("q=a&limit=101", "invalid"),
    ("q=a&type=messages&cursor=x", "bad_cursor"),
    ("q=a&type=messages&cursor=0", "bad_cursor"),
    ("q=a&type=chats&cursor=99999999999999999999", "bad_cursor"),
    ("q=a&type=users&cursor=%D1%8F", "bad_cursor"),
    ("q=a&type=users&cursor=W10", "bad_cursor"),
    ("q=a&type=users&cursor=WyJhIiwtMSwwXQ==", "bad_cursor"),
]


async def test_bad_questions_are_refused(api: Api) -> None:
    """With 400 and a code that says what is wrong."""
    me = await api.person()
    for query, code in BAD:
        answer = await me.get(f"/api/search?{query}")
        assert (answer.status_code, answer.json()["code"]) == (400, code), (query, answer.text)
