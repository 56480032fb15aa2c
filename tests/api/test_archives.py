"""The way of an archive: asked for, made by any process, told to its owner alone, fetched once, gone whatever happens."""

import asyncio
import io
from typing import Any
from zipfile import ZipFile

import msgspec
import pytest

from dating.accounts import export, export_queries, exports, guessing
from dating.chat import archive
from dating.clock import DAY
from dating.idempotency import UsedKey
from dating.jobs import Jobs
from dating.settings import Settings
from tests.api.messenger import do, history, listen
from tests.api.test_export import order
from tests.kit import PASSWORD, Api
from tests.post import mailing


async def count(api: Api) -> int:
    """How many archives the database holds, ready or not."""

    async def look(tx: Any) -> int:
        return int(await tx.one(int, "SELECT COUNT(*) FROM exports"))

    return int(await api.app.state.db.read(look))


def shift(api: Api, microseconds: int) -> None:
    """Move the clock."""
    real = api.app.state.db.clock
    api.app.state.db.clock = lambda: real() + microseconds


async def refuse(status: int, code: str, *asked: Any) -> None:
    """All of these are answered like that."""
    for answer in await asyncio.gather(*asked):
        assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_link_is_good_once_for_its_owner_alone(api: Api) -> None:
    """A stranger, a made-up link and one that a newer has replaced: 404. After the one download nothing is left."""
    anna, clara = await api.people(2)
    old = await order(anna)
    url = await order(anna)
    assert url != old
    await refuse(404, "export_not_found", clara.get(url), anna.get(old), anna.get(f"{url[:-1]}~"), anna.get("/me/export/0"))
    answers = await asyncio.gather(*[anna.get(url) for _ in range(4)])
    assert sorted(answer.status_code for answer in answers) == [200, 404, 404, 404]
    assert await count(api) == 0


@pytest.mark.parametrize("many", [0, 1, 2, 3, 4, 5])
def test_parts_make_one_list(many: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many records there are, and however many are encoded at once."""
    monkeypatch.setattr(export, "AT_ONCE", 2)
    records = [UsedKey(f"key-{n}", n) for n in range(many)]
    with ZipFile(io.BytesIO(export.pack({"keys": records}))) as files:
        text = files.read("keys.json")
    assert text == msgspec.json.format(msgspec.json.encode([export.spell(record) for record in records]), indent=2)


async def test_an_inbox_is_read_in_parts(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it is there, once, in its order."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    for n in range(4):
        await boris.say(chat_id, f"{n}")
    whole = (await api.app.state.db.read(export.collect, anna.id))["inbox"]
    for many in (2, len(whole), 1):
        monkeypatch.setattr(export, "AT_ONCE", many)
        assert (await api.app.state.db.read(export.collect, anna.id))["inbox"] == whole
    assert len(whole) == 5


async def test_messages_are_read_in_parts(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them are there, once, in their order, and a poll with its answers."""
    monkeypatch.setattr(archive, "AT_ONCE", 2)
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    for n in range(4):
        await (anna, boris)[n % 2].say(chat_id, f"{n}")
    poll = {"chat_id": chat_id, "content": "Куда?", "poll": {"options": ["Горы", "Море"]}}
    await do(anna, "/messages/send", 201, **poll)
    collected = await api.app.state.db.read(export.collect, anna.id)
    messages = msgspec.json.decode(msgspec.json.encode(collected["messages"]))
    assert messages == await history(anna, chat_id)
    assert [option["text"] for option in messages[-1]["poll"]["options"]] == ["Горы", "Море"]


async def test_its_owner_is_told_and_nobody_else(api: Api) -> None:
    """One event, without the link, however often one asks meanwhile; and one archive."""
    anna, clara = await api.people(2)
    await anna.match(clara)
    listening = await listen(anna, clara)
    asked = await asyncio.gather(*[anna.get("/me/export") for _ in range(4)])
    assert {answer.status_code for answer in asked} <= {200, 202}
    assert await count(api) == 1
    url = await order(anna)
    mine, hers = await listening.heard()
    assert ([event["type"] for event in mine], hers) == (["export"], [])
    assert set(mine[0]) == {"type", "expires_at"}
    assert (await anna.get(url)).status_code == 200


async def test_a_day_later_it_is_gone(api: Api) -> None:
    """Nobody has fetched it: the link leads nowhere and the sweep removes it. One who asks again gets another."""
    anna, berta = await api.people(2)
    url = await order(anna)
    shift(api, DAY // 2)
    hers = await order(berta)
    shift(api, DAY // 2)
    await refuse(404, "export_not_found", anna.get(url))
    jobs: Jobs = api.app.state.jobs
    await jobs.sweep()
    assert await count(api) == 1
    assert (await berta.get(hers)).status_code == 200
    assert (await anna.get(await order(anna))).status_code == 200


async def test_whoever_made_it_may_die(api: Api) -> None:
    """What was claimed is left alone until the claim lapses; then another makes it, and the first one's comes to nothing."""
    anna = await api.person()
    db = api.app.state.db
    await db.write(exports.enqueue, anna.id)
    claimed_at = await db.write(export_queries.claim, anna.id, db.clock() - exports.CLAIMED)
    if claimed_at is None:  # another process was quicker
        await order(anna)
        return
    assert not await exports.make_next(db, api.app.state.mailer)
    assert (await anna.get("/me/export")).status_code == 202
    shift(api, exports.CLAIMED)
    url = await order(anna)
    await db.write(exports.keep, anna.id, claimed_at, "AAAA")
    answer = await anna.get(url)
    assert answer.content.startswith(b"PK")


async def test_deleting_the_account_deletes_it(api: Api) -> None:
    """One that is ready goes; one that is being made is not kept."""
    anna, berta = await api.people(2)
    db = api.app.state.db
    await order(anna)
    await db.write(exports.enqueue, berta.id)
    claimed_at = await db.write(export_queries.claim, berta.id, db.clock() - exports.CLAIMED)
    archive = exports.encode(await db.read(export.collect, berta.id))
    for person in (anna, berta):
        assert (await person.request("DELETE", "/me", json={"password": PASSWORD})).status_code == 200
    await db.write(exports.keep, berta.id, claimed_at or db.clock(), archive)
    assert await count(api) == 0


async def test_the_password_is_asked_for(api: Api) -> None:
    """Ten minutes after signing in only the password opens it; a wrong one never does."""
    anna = await api.person()
    await refuse(403, "wrong_password", anna.post("/me/export", json={"password": "wrong horse battery"}))
    url = await order(anna)
    assert (await anna.get("/me/export")).status_code == 200
    shift(api, guessing.RECENT)
    await refuse(403, "password_needed", *[anna.get("/me/export") for _ in range(3)])
    assert await order(anna) != url


async def test_wrong_passwords_are_counted(settings: Settings) -> None:
    """Whoever holds a session of somebody else cannot guess by asking for an archive; neither answer nor letter says more."""
    async with mailing(settings, rate_limits=True, limit_login="3/minute") as (api, office):
        anna = await api.person(email="anna@example.org")
        statuses = [(await anna.post("/me/export", json={"password": f"wrong {n} battery"})).status_code for n in range(5)]
        assert (statuses[0], statuses[-1]) == (403, 429)
        assert "A copy of your data was asked for" not in [letter["Subject"] for letter in await office.wait(1)]


async def test_its_owner_is_mailed_without_a_link(settings: Settings) -> None:
    """One letter when it is asked for, one when it is ready, however often one asks meanwhile; no letter has what opens it."""
    async with mailing(settings) as (api, office):
        anna = await api.person(email="anna@example.org")
        await office.wait(1)
        url = await order(anna)
        assert (await anna.get("/me/export")).status_code == 200
        letters = (await office.wait(3))[1:]
        subjects = ["A copy of your data was asked for", "The copy of your data is ready"]
        assert [(letter["To"], letter["Subject"]) for letter in letters] == [("anna@example.org", one) for one in subjects]
        assert not [
            letter for letter in letters if url.rsplit("/", 1)[1] in letter.as_string() or "/me/export" in letter.as_string()
        ]
        assert (await anna.get(await order(anna))).status_code == 200
        assert len(office.letters) == 3
