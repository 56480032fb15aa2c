"""Message requests: who may write first, what each side learns, and what strangers and newcomers must not send."""

import asyncio
from typing import Any

import msgspec
import pytest

from dating.chat import limit_queries, receipts
from dating.clock import DAY
from dating.settings import Settings
from tests.api.messenger import do, history, listen, refused
from tests.api.test_export import export
from tests.kit import Api, Person, running

HELLO = "Привет! Увидела, что ты тоже бегаешь."


async def welcome(person: Person, whom: str = "everyone") -> None:
    """Take messages from these people."""
    assert (await person.patch("/me", json={"settings": {"messages_from": whom}})).is_success


async def ask(asker: Person, asked: Person, text: str | None = HELLO) -> int:
    """A request with a first message; the chat's id."""
    await welcome(asked)
    chat_id = int((await do(asker, "/api/chats", 201, member_ids=[asked.id]))["id"])
    if text is not None:
        await asker.say(chat_id, text)
    return chat_id


async def listed(person: Person, path: str = "/chats") -> list[tuple[int, Any, int]]:
    """The chats of a list: id, what kind of request, unread."""
    return [(one["id"], one["request"], one["unread_count"]) for one in (await person.get(path)).json()]


async def unread(person: Person) -> tuple[int, int, int]:
    """Messages, chats, requests."""
    counts = (await person.get("/api/chats/unread-count")).json()
    return counts["messages"], counts["chats"], counts["requests"]


async def test_a_first_message_is_a_request(api: Api) -> None:
    """It stands in the list of requests, is counted apart, and says so; in the asker's own list it is a chat that was sent."""
    anna, boris = await api.people(2)
    ears = await listen(anna, boris)
    chat_id = await ask(anna, boris, None)
    assert await ears.heard() == [[{"type": "chat", "chat_id": chat_id, "user_id": anna.id}], []]
    assert (await listed(boris), await listed(boris, "/chats/requests")) == ([], [])
    sent = await anna.say(chat_id, HELLO)
    event = {
        "type": "message", "id": sent["id"], "chat_id": chat_id, "user_id": anna.id, "content": HELLO,
        "created_at": sent["created_at"], "request": True,
    }  # fmt: skip
    assert await ears.heard() == [[event], [event]]
    assert (await listed(boris), await listed(boris, "/api/chats/requests")) == ([], [(chat_id, "received", 1)])
    assert (await listed(anna), await listed(anna, "/chats/requests")) == ([(chat_id, "sent", 0)], [])
    assert (await unread(anna), await unread(boris)) == ((0, 0, 0), (0, 0, 1))


async def test_the_asker_learns_nothing_until_it_is_accepted(api: Api) -> None:
    """Neither what was delivered nor read shows or is told; accepting tells both, and the asker how far it has come."""
    anna, boris = await api.people(2)
    chat_id = await ask(anna, boris)
    (first,) = await history(boris, chat_id)
    ears = await listen(anna, boris)
    assert (await boris.post("/chat/read", json={"chat_id": chat_id})).json() is True
    read = {"type": "read_chat", "chat_id": chat_id, "user_id": boris.id, "message_id": first["id"]}
    assert await ears.heard() == [[], [read]]
    other = next(m for m in (await anna.get(f"/api/chats/{chat_id}")).json()["members"] if m["user_id"] == boris.id)
    assert (other["read_id"], other["delivered_id"]) == (0, 0)
    assert [one["is_read"] for one in await history(anna, chat_id)] == [False]
    assert (await listed(boris, "/chats/requests"), await unread(boris)) == ([(chat_id, "received", 0)], (0, 0, 0))

    assert await do(boris, f"/api/chats/{chat_id}/accept") == {"status": "ok"}
    accepted = {"type": "chat", "chat_id": chat_id, "user_id": boris.id, "change": "accepted"}
    assert await ears.heard() == [[accepted, read], [accepted]]
    assert [one["is_read"] for one in await history(anna, chat_id)] == [True]
    assert (await listed(anna), await listed(boris)) == ([(chat_id, None, 0)], [(chat_id, None, 0)])
    assert await refused(boris, f"/api/chats/{chat_id}/accept") == (409, "not_a_request")
    await anna.say(chat_id, "https://example.org/ run with me " + "x" * 600)
    assert await unread(boris) == (1, 1, 0)


@pytest.mark.parametrize("receipts_on", [True, False])
async def test_what_an_acceptance_tells_the_asker(api: Api, receipts_on: bool) -> None:
    """How far the message was delivered by now, and how far it was read if the other sends receipts; nothing of that before."""
    anna, boris = await api.people(2)
    await boris.patch("/me", json={"settings": {"read_receipts": receipts_on}})
    chat_id = await ask(anna, boris)
    (first,) = await history(boris, chat_id)
    ears = await listen(anna, boris)
    await api.app.state.db.write(receipts.mark_delivered, boris.id, chat_id, first["id"])
    await boris.post("/chat/read", json={"chat_id": chat_id})
    assert (await ears.heard())[0] == []
    await do(boris, f"/api/chats/{chat_id}/accept")
    mine, _ = await ears.heard()
    assert [event["type"] for event in mine] == ["chat", "delivered", *(["read_chat"] if receipts_on else [])]
    assert {event["message_id"] for event in mine[1:]} == {first["id"]}


async def test_an_answer_accepts(api: Api) -> None:
    """Whoever answers has accepted: both hear that first, then the answer, and the asker may go on."""
    anna, boris = await api.people(2)
    chat_id = await ask(anna, boris)
    ears = await listen(anna, boris)
    await boris.say(chat_id, "И тебе привет")
    told = await ears.heard()
    assert [[event["type"] for event in events] for events in told] == [["chat", "message"]] * 2
    assert all("request" not in events[1] for events in told)
    await anna.say(chat_id, "one")
    await anna.say(chat_id, "two")
    assert await listed(boris) == [(chat_id, None, 3)]


async def test_a_match_accepts(api: Api) -> None:
    """Who like each other have a chat like any other, whoever asked before."""
    anna, boris = await api.people(2)
    chat_id = await ask(anna, boris)
    assert await anna.match(boris) == chat_id
    assert [one[:2] for one in await listed(boris)] == [one[:2] for one in await listed(anna)] == [(chat_id, None)]


async def test_a_declined_request(api: Api) -> None:
    """It is gone for the one who declined; the asker sees, hears and is answered nothing else. Opening the chat takes it back."""
    anna, boris = await api.people(2)
    chat_id = await ask(anna, boris)
    ears = await listen(anna, boris)
    before = (await anna.get(f"/api/chats/{chat_id}")).json(), await listed(anna)
    await do(boris, f"/api/chats/{chat_id}/decline")
    declined = {"type": "chat", "chat_id": chat_id, "user_id": boris.id, "change": "declined"}
    assert await ears.heard() == [[], [declined]]
    assert ((await anna.get(f"/api/chats/{chat_id}")).json(), await listed(anna)) == before
    assert (await listed(boris), await listed(boris, "/chats/requests"), await unread(boris)) == ([], [], (0, 0, 0))
    for path in (f"/api/chats/{chat_id}/accept", f"/api/chats/{chat_id}/decline"):
        assert await refused(boris, path) == (404, "chat_not_found")
    assert await refused(boris, "/messages/send", chat_id=chat_id, content="x") == (404, "chat_not_found")
    assert await refused(anna, "/messages/send", chat_id=chat_id, content="x") == (403, "answer_awaited")
    assert (await do(anna, "/api/chats", member_ids=[boris.id]))["id"] == chat_id
    assert await ears.heard() == [[], []]
    assert (await do(boris, "/api/chats", member_ids=[anna.id]))["request"] is None
    assert await listed(boris) == [(chat_id, None, 1)]


async def test_edits_and_deletions_in_a_declined_request(api: Api) -> None:
    """The asker may edit and delete what they sent, and sees that; whoever declined hears nothing but numbers."""
    anna, boris = await api.people(2)
    chat_id = await ask(anna, boris)
    (message,) = await history(anna, chat_id)
    await do(boris, f"/api/chats/{chat_id}/decline")
    ears = await listen(anna, boris)
    await do(anna, f"/api/messages/{message['id']}/edit", content="Ответь!")
    await do(anna, f"/api/messages/{message['id']}/delete")
    mine, theirs = await ears.heard()
    assert [event["type"] for event in mine] == ["message_edited", "message_deleted"]
    assert theirs == [{"type": "hidden"}, {"type": "hidden"}]


async def test_only_the_one_who_was_asked_answers(api: Api) -> None:
    """The asker, a match, a stranger and somebody blocked accept and decline nothing."""
    anna, boris, clara = await api.people(3)
    chat_id = await ask(anna, boris)
    matched = await anna.match(clara)
    for what in ("accept", "decline"):
        assert await refused(anna, f"/api/chats/{chat_id}/{what}") == (409, "not_a_request")
        assert await refused(anna, f"/api/chats/{matched}/{what}") == (409, "not_a_request")
        assert await refused(clara, f"/api/chats/{chat_id}/{what}") == (404, "chat_not_found")
    await anna.post(f"/api/users/{boris.id}/block")
    assert await listed(boris, "/chats/requests") == []
    assert await refused(boris, f"/api/chats/{chat_id}/accept") == (404, "chat_not_found")
    assert await unread(boris) == (0, 0, 0)


async def test_a_request_is_for_words_only(api: Api) -> None:
    """Nobody reacts, pins, votes or calls before the answer, and a request brings nobody into a group."""
    anna, boris = await api.people(2)
    chat_id = await ask(anna, boris)
    (message,) = await history(boris, chat_id)
    for person in (anna, boris):
        assert await refused(person, f"/api/messages/{message['id']}/react", emoji="❤️") == (409, "request_waiting")
        assert await refused(person, f"/api/messages/{message['id']}/pin", on=True) == (409, "request_waiting")
        assert await refused(person, f"/api/messages/{message['id']}/vote", choices=[0]) == (409, "request_waiting")
        assert await refused(person, "/api/calls", chat_id=chat_id, sdp="v=0") == (409, "request_waiting")
    await welcome(boris, "matches")
    group = {"kind": "group", "name": "x", "member_ids": [boris.id]}
    assert await refused(anna, "/api/chats", **group) == (403, "invite_link_needed")


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"content": "look: https://example.org/me"}, 400, "first_message_link"),
        ({"content": "найди меня на пример.рф"}, 400, "first_message_link"),
        ({"content": "я" * 501}, 400, "first_message_too_long"),
        ({"content": "?", "poll": {"options": ["a", "b"]}}, 400, "first_message_plain"),
        ({"content": "x", "media_ids": ["m1"]}, 400, "media_not_available"),
    ],
    ids=str,
)
async def test_what_a_first_message_must_not_be(api: Api, fields: dict[str, Any], status: int, code: str) -> None:
    """Links, length, polls, media: refused, and nothing is told."""
    anna, boris = await api.people(2)
    chat_id = await ask(anna, boris, None)
    assert await refused(anna, "/messages/send", chat_id=chat_id, **fields) == (status, code)
    assert await boris.told() == []
    sent = await anna.say(chat_id, "я" * 500, client_id="first")
    if "poll" not in fields and "media_ids" not in fields:
        assert await refused(anna, f"/api/messages/{sent['id']}/edit", content=fields["content"]) == (status, code)
    again = await anna.post("/messages/send", json={"chat_id": chat_id, "content": "я" * 500, "client_id": "first"})
    assert again.status_code == 200


async def test_one_message_until_the_answer(api: Api) -> None:
    """Also when several come at once, on two processes; one that was taken back counts."""
    anna, boris, clara = await api.people(3)
    chat_id = await ask(anna, boris, None)
    answers = await asyncio.gather(
        *[anna.post("/messages/send", json={"chat_id": chat_id, "content": f"{HELLO} {n}"}) for n in range(6)]
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [403] * 5
    assert await unread(boris) == (0, 0, 1)
    other = await ask(anna, clara)
    (message,) = await history(anna, other)
    await do(anna, f"/api/messages/{message['id']}/delete")
    assert await refused(anna, "/messages/send", chat_id=other, content="x") == (403, "answer_awaited")


async def test_whom_somebody_likes_may_write(api: Api) -> None:
    """`followed` opens to those whom the person likes, not to those who like them, and no more when that is taken back."""
    anna, boris, clara = await api.people(3)
    await welcome(boris, "followed")
    await anna.like(boris)
    await boris.like(clara)
    assert await refused(anna, "/api/chats", member_ids=[boris.id]) == (403, "match_needed")
    chat_id = (await do(clara, "/api/chats", 201, member_ids=[boris.id]))["id"]
    await clara.say(chat_id, HELLO)
    assert await listed(boris, "/chats/requests") == [(chat_id, "received", 1)]
    dmitri = await api.person()
    await boris.like(dmitri)
    assert (await boris.post("/swipe/undo")).is_success
    assert await refused(dmitri, "/api/chats", member_ids=[boris.id]) == (403, "match_needed")


def limited(settings: Settings, **changes: Any) -> Settings:
    """The same server with its limits on."""
    return msgspec.structs.replace(settings, rate_limits=True, limit_register="1000/minute", **changes)


async def test_new_chats_of_a_day(settings: Settings) -> None:
    """The third is 429 with a time to come back; matches and chats that are there do not count; a day later there is room."""
    async with running(limited(settings, new_chats_per_day=2)) as api:
        anna, *others = await api.people(5)
        for other in others[:2]:
            await ask(anna, other)
        await welcome(others[2])
        answer = await anna.post("/api/chats", json={"member_ids": [others[2].id]})
        assert (answer.status_code, answer.json()["code"]) == (429, "too_many_new_chats")
        assert 86_000 < int(answer.headers["retry-after"]) <= 86_400
        assert (await anna.post("/api/chats", json={"member_ids": [others[0].id]})).status_code == 200
        await anna.match(others[3])
        assert (await anna.post("/api/chats", json={"member_ids": [others[3].id]})).status_code == 200

        async def age(tx: Any) -> None:
            await tx.run("UPDATE chats SET created_at = created_at - :day", day=DAY)

        await api.app.state.db.write(age)
        await do(anna, "/api/chats", 201, member_ids=[others[2].id])


async def test_the_same_text_again_to_the_same_chat(settings: Settings) -> None:
    """Whoever says something twice to one person says it to one: that is no third chat."""
    async with running(limited(settings, newcomer_same_text=2)) as api:
        anna, *others = await api.people(4)
        chats = [await anna.match(other) for other in others]
        text = "Заходи ко мне в гости, расскажу про заработок!"
        for chat_id in (chats[0], chats[1], chats[1], chats[0]):
            await anna.say(chat_id, text)
        assert await refused(anna, "/messages/send", chat_id=chats[2], content=text) == (429, "same_text")


async def test_newcomers_at_once(settings: Settings) -> None:
    """Twenty at one moment, into five chats, on two processes: not one more than is allowed."""
    async with running(limited(settings, newcomer_messages_per_hour=6)) as api:
        anna, *others = await api.people(6)
        chats = [await anna.match(other) for other in others]
        sends = [anna.post("/messages/send", json={"chat_id": chats[n % 5], "content": f"{n}"}) for n in range(20)]
        statuses = [answer.status_code for answer in await asyncio.gather(*sends)]
        assert sorted(statuses) == [201] * 6 + [429] * 14
        assert await api.count("newcomer_sends") == 6
        await api.app.state.db.write(limit_queries.forget, api.app.state.db.clock())
        assert (await api.count("newcomer_sends"), await api.count("newcomers")) == (0, 0)


async def test_newcomers_do_not_flood(settings: Settings) -> None:
    """So many messages an hour, links and chats with one text a day; then 429 with a code and a time, until they are old."""
    rules = {"newcomer_messages_per_hour": 6, "newcomer_links_per_day": 2, "newcomer_same_text": 2}
    async with running(limited(settings, **rules)) as api:
        anna, *others = await api.people(4)
        chats = [await anna.match(other) for other in others]
        text = "Заходи ко мне в гости, расскажу про заработок!"
        for chat_id in (chats[0], chats[0], chats[1]):
            await anna.say(chat_id, text)
        same = await anna.post("/messages/send", json={"chat_id": chats[2], "content": text.upper().replace("ё", "е") + "!!"})
        assert (same.status_code, same.json()["code"]) == (429, "same_text")
        assert 86_000 < int(same.headers["retry-after"]) <= 86_400
        assert await others[2].told() == ["match"]
        said = await anna.say(chats[2], "http://example.org http://example.com")
        assert await refused(anna, "/messages/send", chat_id=chats[2], content="http://example.net") == (429, "newcomer_links")
        edited = {"content": "http://example.net"}
        assert (await anna.post(f"/api/messages/{said['id']}/edit", json=edited)).json()["code"] == "newcomer_links"
        answers = [await anna.post("/messages/send", json={"chat_id": chats[2], "content": f"{n}"}) for n in range(3)]
        assert [answer.status_code for answer in answers] == [201, 201, 429]
        assert answers[2].json()["code"] == "newcomer_messages"
        assert 3_500 < int(answers[2].headers["retry-after"]) <= 3_600
        await others[0].say(chats[0], "he may")
        assert len((await export(anna))["newcomer_sends"]) == 6

        async def grow_old(tx: Any) -> None:
            await tx.run("UPDATE users SET created_at = created_at - :days", days=2 * DAY)

        await api.app.state.db.write(grow_old)
        await anna.say(chats[2], text)
        assert await api.count("newcomer_sends") == 7
        await api.app.state.db.write(limit_queries.forget, api.app.state.db.clock())
        assert await api.count("newcomer_sends") == 0
