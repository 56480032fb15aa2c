"""An archive: the whole of what is mine, in a ZIP, and nothing of others that I may not see."""

import asyncio
import io
import zipfile
from typing import Any

import msgspec

from dating.accounts import exports
from dating.documentation import document
from dating.safety import reports
from dating.settings import Settings
from tests.kit import PASSWORD, Api, Person, running

KINDS = {
    "account": "users WHERE id = :me",
    "profile": "profiles WHERE user_id = :me",
    "sessions": "sessions WHERE user_id = :me",
    "swipes": "swipes WHERE user_id = :me AND action IS NOT NULL",
    "superlikes": "superlikes WHERE sender_id = :me",
    "boosts": "boosts WHERE user_id = :me",
    "spent": "spent WHERE user_id = :me",
    "likes_used": "likes_used WHERE user_id = :me",
    "chat_memberships": "members WHERE user_id = :me",
    "read_marks": "reads WHERE user_id = :me",
    "message_versions": "edits WHERE message_id IN (SELECT id FROM messages WHERE sender_id = :me)",
    "reactions": "reactions WHERE user_id = :me",
    "dismissals": "dismissals WHERE user_id = :me",
    "votes": "votes WHERE user_id = :me",
    "pins": "pins WHERE user_id = :me",
    "invites": "invites WHERE creator_id = :me",
    "blocks": "blocks WHERE blocker_id = :me",
    "hides": "hides WHERE hider_id = :me",
    "hidden_words": "hidden_words WHERE user_id = :me",
    "reports": "reports WHERE reporter_id = :me",
    "statements": "statements WHERE user_id = :me",
    "inbox": """inbox WHERE user_id = :me AND event NOT LIKE '{"type":"export",%'""",
    "idempotency_keys": "answers WHERE user_id = :me",
}
"""Each kind that has every row of a table that is mine."""

SEEN = {"calls", "matches", "chats", "messages", "messages_in_closed_chats", "newcomer_sends", "held_messages"}
"""Kinds that hold what I may see at this moment, or what is kept only at times."""

ELSEWHERE = {
    "polls": "with the messages that ask",
    "pairs": "in the view `swipes`",
    "chats": "as far as they are open",
    "messages": "as far as their chats are open, and all of mine",
    "newcomer_sends": "there, for the day that it is kept",
    "newcomers": "names whose sending is counted, which is there",
    "screenings": "mine are there while they are held",
    "inbox_heads": "the greatest number in the inbox",
    "calls": "as far as their chats are open",
    "call_seats": "who was called on which device: the calls are there",
    "call_signals": "secret: where devices are in the network, for the length of a call",
    "cells": "names nobody",
    "picks": "suggestions of the server, shown for a day",
    "pick_rounds": "names nobody",
    "statistics": "names nobody",
    "facts": "names nobody",
    "codes": "secret",
    "exports": "the archive itself",
    "message_words": "the words of messages, which are there",
    "names": "for the search: names that are there",
    "unindexed": "names nobody",
    "lots": "names nobody",
    "leases": "names nobody",
    "backfills": "names nobody",
    "contacts": "keyed hashes that say nothing to anybody; how many there are is asked elsewhere",
    "handles": "a keyed hash of the address, which is there",
    "mailboxes": "a keyed hash of the address, which is there",
    "tickets": "secret",
    "migrations": "names nobody",
    "floors": "names nobody",
    "audit": "what moderators did, by numbers",
    "audit_head": "names nobody",
    "standings": "what the ranking reckons of a person, which nobody is shown",
    "lessons": "the same of a day's swipes, which are there",
    "exposures": "whom the server showed to whom",
    "reveals": "counts for a limit",
}
"""Why a table is not a kind."""


async def order(person: Person) -> str:
    """Have an archive made, here or by whichever process is first; its link."""
    async with asyncio.timeout(30):
        while (answer := await person.post("/me/export", json={"password": PASSWORD})).status_code != 200:
            assert (answer.status_code, answer.json()) == (202, {"status": "preparing", "url": None, "expires_at": None}), (
                answer.text
            )
            await exports.make_next(person.api.app.state.db, person.api.app.state.mailer)
    return str(answer.json()["url"])


async def export(person: Person) -> dict[str, list[Any]]:
    """The person's archive, read."""
    answer = await person.get(await order(person))
    assert answer.status_code == 200, answer.text
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert archive.testzip() is None
        return {name.removesuffix(".json"): msgspec.json.decode(archive.read(name)) for name in archive.namelist()}


REPORT = {"target_kind": "person", "reason": "spam"}


async def state(api: Api, user_id: int, explanation: str) -> None:
    """A decision of a moderator about somebody, who is their own here."""
    await api.app.state.db.write(reports.state, user_id, user_id, "warn", "spam", explanation, None)


def write(archive: dict[str, list[Any]]) -> str:
    """An archive as one text."""
    return msgspec.json.encode(archive).decode()


async def ask(api: Api, sql: str, **parameters: Any) -> list[str]:
    """The first column of a statement, as texts."""

    async def look(tx: Any) -> list[str]:
        return list(await tx.all(str, sql, **parameters))

    return list(await api.app.state.db.read(look))


async def test_every_row_and_text_of_mine_is_there(settings: Settings) -> None:
    """As many rows as the tables hold of me, and each text that I gave, Cyrillic and emoji unharmed."""
    async with running(msgspec.structs.replace(settings, likes_per_day=50)) as api:
        fields = {name: f"мой {name} 🗝" for name in ("name", "bio", "location")}
        place = {"latitude": 52.5, "longitude": 13.4, "birthday": "1994-05-17", "gender": "female"}
        prompts = [{"question": "мой вопрос", "answer": "мой ответ"}]
        links = {"photo_url": "https://example.org/моя.jpg", "website": "https://моя.example.org"}
        texts = {"interests": ["мой интерес"], "prompts": prompts}
        anna = await api.person("моё_имя", email="my@example.org", device_id="phone", **fields, **place, **links, **texts)
        people = await api.people(4)
        open_id, closed_id, hidden_id = [await anna.match(other) for other in people[:3]]
        await anna.post("/swipe", json={"target_id": people[3].id, "action": "dislike"})
        fan = await api.person()
        await anna.post("/swipe", json={"target_id": fan.id, "action": "superlike", "note": "моя записка"})
        assert (await anna.post("/boost")).status_code in (200, 201)
        for chat_id, other in zip((open_id, closed_id, hidden_id), people, strict=False):
            await anna.say(chat_id, f"мои слова {other.username}", client_id=f"мой-{other.username}")
        replies = [await people[0].say(open_id, f"ответ {number}") for number in range(3)]
        await anna.post("/messages/read", json={"chat_id": open_id, "message_ids": [replies[2]["id"]]})
        await anna.delete(f"/matches/{people[1].id}", headers={"Idempotency-Key": "my-key"})
        await anna.post(f"/api/users/{people[2].id}/block")
        await anna.post(f"/api/users/{people[3].id}/hide")
        mine_there = (await anna.say(open_id, "моё, ещё не исправлено"))["id"]
        await anna.post(f"/api/messages/{mine_there}/edit", json={"content": "моё исправленное"})
        poll = await anna.say(open_id, "мой вопрос?", poll={"options": ["мой ответ", "иной"]})
        await anna.post(f"/api/messages/{poll['id']}/vote", json={"choices": [0]})
        await anna.post(f"/api/messages/{mine_there}/pin", json={"on": True})
        await anna.post(f"/api/messages/{replies[0]['id']}/react", json={"emoji": "🗝️"})
        await anna.post(f"/api/messages/{replies[1]['id']}/delete", json={"for_all": False})
        group = await anna.post("/api/chats", json={"kind": "group", "name": "моя группа", "member_ids": [people[0].id]})
        await anna.post(f"/api/chats/{group.json()['id']}/invites", json={})
        await anna.post("/api/reports", json={**REPORT, "target_id": fan.id, "comment": "моё замечание"})
        await anna.put("/me/hidden-words", json={"words": ["моё скрытое"]})
        await state(api, anna.id, "нам не понравилось")
        archive = await export(anna)

        assert set(archive) == set(KINDS) | SEEN
        for kind, rows in KINDS.items():
            assert [str(len(archive[kind]))] == await ask(api, f"SELECT CAST(COUNT(*) AS TEXT) FROM {rows}", me=anna.id), kind
            assert archive[kind], kind
        written = write(archive)
        mine = [*fields.values(), *links.values(), *texts["interests"], *prompts[0].values(), "моё_имя", "my@example.org"]
        mine += [f"мои слова {other.username}" for other in people[:3]] + [f"мой-{other.username}" for other in people[:3]]
        mine += ["моё, ещё не исправлено", "моё исправленное", "🗝️", "моя группа", "моё скрытое"]
        for text in [*mine, "my-key", "1994-05-17", "ответ 0", "моя записка", "моё замечание", "нам не понравилось"]:
            assert f'"{text}"' in written, text
        assert [chat["id"] for chat in archive["chats"]] == [group.json()["id"], open_id]
        assert [match["user_id"] for match in archive["matches"]] == [people[0].id]
        assert {row["content"] for row in archive["messages_in_closed_chats"]} == {
            f"мои слова {other.username}" for other in people[1:3]
        }
        assert {row["action"] for row in archive["swipes"]} == {"like", "dislike", "superlike", "unmatch"}
        assert all(row["acted_at"].endswith("Z") for row in archive["swipes"])
        assert [(row["used"], len(row["day"])) for row in archive["likes_used"]] == [(4, 10)]


async def test_every_table_is_thought_of(api: Api) -> None:
    """A new table must either be in the archive or have a reason not to be."""
    tables = "information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'"
    names = {
        "sqlite": """
            SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'""",
        "postgres": f"SELECT table_name FROM {tables}",
    }
    exported = {rows.split()[0] for rows in KINDS.values()} - {"swipes"}
    assert set(await ask(api, names[api.app.state.db.dialect])) == exported | set(ELSEWHERE)


async def test_nothing_hidden_of_others(api: Api) -> None:
    """Who has blocked me, was banned or left, whom I blocked, who likes me or passed on me: no id, no name, no word of theirs."""
    anna = await api.person("anna")
    secret = {"name": "чужое имя", "bio": "чужое био", "birthday": "1990-01-02", "email": "other@example.org"}
    blocker, blocked = await api.person("чужой_1", **secret), await api.person("чужой_2")
    banned, admirer, cold = [await api.person(f"чужой_{number}") for number in (3, 4, 5)]
    for other in (blocker, blocked, banned):
        await anna.post("/swipe", json={"target_id": other.id, "action": "superlike"})
    chats = [await anna.match(other) for other in (blocker, blocked, banned)]
    for chat_id, other in zip(chats, (blocker, blocked, banned), strict=True):
        await anna.say(chat_id, "моё слово")
        await other.say(chat_id, "чужое слово")
    await admirer.like(anna)
    await cold.post("/swipe", json={"target_id": anna.id, "action": "dislike"})
    await blocker.post(f"/api/users/{anna.id}/block")
    await anna.post(f"/api/users/{blocked.id}/block")

    async def ban(tx: Any) -> None:
        await tx.run("UPDATE users SET banned_at = :now WHERE id = :id", now=tx.now, id=banned.id)

    await api.app.state.db.write(ban)
    archive = await export(anna)
    assert archive["chats"] == archive["messages"] == archive["matches"] == []
    assert {row["chat_id"] for row in archive["chat_memberships"]} == {None}
    assert [row["user_id"] for row in archive["swipes"] + archive["superlikes"]] == [None] * 6
    assert all(row["event"] is None for row in archive["inbox"])
    assert [row["id"] for row in archive.pop("blocks")] == [blocked.id]  # as GET /api/users/blocked shows
    assert "чуж" not in write(archive)
    assert "1990-01-02" not in write(archive)
    hidden = [blocker.id, blocked.id, banned.id, admirer.id, cold.id]
    named = [row.get("user_id") for rows in archive.values() for row in rows]
    named += [(row["event"] or {}).get("user_id") for row in archive["inbox"]]
    assert not set(named) & set(hidden)

    await anna.delete(f"/api/users/{blocked.id}/block")
    again = await export(anna)
    assert [chat["id"] for chat in again["chats"]] == [chats[1]]
    assert "чужое слово" in write(again)


async def test_of_others_there_is_what_the_lists_show(api: Api) -> None:
    """Matches, chats and messages are those that GET answers, field for field; no birthday, e-mail address or place of others."""
    anna = await api.person("anna")
    private: dict[str, Any] = {"birthday": "1990-01-02", "email": "boris@example.org", "latitude": 48.1, "longitude": 11.5}
    private["website"] = "https://тайный.example.org"
    boris = await api.person("boris", **private)
    chat_id = await anna.match(boris)
    await boris.say(chat_id, "привет")
    archive = await export(anna)
    assert archive["matches"] == (await anna.get("/matches")).json()
    assert archive["chats"] == (await anna.get("/chats")).json()
    assert archive["messages"] == (await anna.get(f"/chat/messages/{chat_id}")).json()
    assert archive["profile"] == [(await anna.get("/me")).json()]
    for text in ("1990-01-02", "boris@example.org", "тайный"):
        assert text not in write(archive)


async def test_no_secrets(api: Api) -> None:
    """No password, hash, token or code, and no column of theirs."""
    anna = await api.person("anna", email="anna@example.org", device_id="my-phone")
    await anna.post("/ws/start")
    written = write(await export(anna))
    secrets = await ask(api, "SELECT password FROM users")
    for column in ("family", "refresh", "device"):
        secrets += await ask(api, f"SELECT {column} FROM sessions")
    secrets += await ask(api, "SELECT code FROM codes") + await ask(api, "SELECT subject FROM codes")
    assert len(secrets) == 6
    for secret in [*secrets, PASSWORD, anna.token, anna.refresh_token, "$argon2", '"password"', '"refresh"', '"family"']:
        assert secret not in written


async def test_the_answer_is_a_download(api: Api) -> None:
    """A ZIP to be saved and never cached; without a token, or after signing out, 401."""
    anna = await api.person()
    url = await order(anna)
    answer = await anna.get(url)
    assert answer.headers["content-type"] == "application/zip"
    assert answer.headers["content-disposition"] == 'attachment; filename="dating-export.zip"'
    assert answer.headers["cache-control"] == "no-store"
    paths = document(api.app)["paths"]
    assert {"200", "202", "429"} <= set(paths["/me/export"]["get"]["responses"])
    said = paths["/me/export/{token}"]["get"]["responses"]["200"]["content"]
    assert list(said) == ["application/zip"]
    assert said["application/zip"]["schema"]["format"] == "binary"
    assert "contentEncoding" not in said["application/zip"]["schema"]
    assert (await api.http.get("/me/export")).status_code == (await api.http.get(url)).status_code == 401
    await anna.post("/logout", json={})
    assert (await anna.get("/me/export")).status_code == (await anna.get(url)).status_code == 401


async def test_archives_are_limited(settings: Settings) -> None:
    """So many an hour for each person, however often they ask how one stands; others are not kept waiting by it."""
    async with running(msgspec.structs.replace(settings, rate_limits=True, limit_export="2/hour")) as api:
        anna, berta = await api.people(2)
        for _ in range(2):
            await anna.get("/me/export")
            await order(anna)
            await export(anna)
        refused = await anna.get("/me/export")
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert int(refused.headers["retry-after"]) > 0
        await export(berta)
