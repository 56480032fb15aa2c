"""What a message may carry: replies, forwards, links, an end, a poll; and exactly who is told what."""

from typing import Any

import pytest

from dating.clock import SECOND, now_microseconds
from dating.database import Transaction
from dating.jobs import Jobs
from tests.api.messenger import chat, do, history, listen, make_group, refused, shown
from tests.kit import Api


async def ask(api: Api, sql: str) -> list[str]:
    """The first column of a statement."""

    async def look(tx: Transaction) -> list[str]:
        return await tx.all(str, sql)

    return list(await api.app.state.db.read(look))


# --- forwards ---------------------------------------------------------------------------------------------------------------


async def test_a_forward_says_the_words_alone(api: Api) -> None:
    """What was said in one chat of mine comes into another: no name, no chat, no id of where it is from."""
    anna, boris, clara = await api.people(3)
    room, other = await anna.match(boris), await anna.match(clara)
    source = (await boris.say(room, "слова, см. example.org"))["id"]
    ears = await listen(anna, boris, clara)
    sent = await do(anna, "/messages/send", 201, chat_id=other, forward_of_id=source, client_id="f-1")
    assert (sent["content"], sent["forwarded"], sent["links"]) == ("слова, см. example.org", True, ["http://example.org"])
    event = {
        "type": "message",
        "id": sent["id"],
        "chat_id": other,
        "user_id": anna.id,
        "content": "слова, см. example.org",
        "created_at": sent["created_at"],
        "client_id": "f-1",
        "forwarded": True,
        "links": ["http://example.org"],
    }
    assert await ears.heard() == [[event], [], [event]]
    assert await do(anna, "/messages/send", 200, chat_id=other, forward_of_id=source, client_id="f-1") == sent
    assert (await shown(clara, sent["id"], other) or {})["forwarded"] is True
    assert await refused(anna, f"/api/messages/{sent['id']}/edit", content="x") == (409, "not_editable")


async def test_forwards_stay_between_chats_of_mine(api: Api) -> None:
    """From a chat that I may not read, or into one that I may not write to: absent. Nothing is written, nobody is told."""
    anna, boris, clara, dmitri = await api.people(4)
    room, foreign = await anna.match(boris), await clara.match(dmitri)
    mine, theirs = (await anna.say(room, "моё"))["id"], (await clara.say(foreign, "чужое"))["id"]
    ears = await listen(anna, boris, clara, dmitri)
    assert await refused(anna, "/messages/send", chat_id=room, forward_of_id=theirs) == (404, "message_not_found")
    assert await refused(anna, "/messages/send", chat_id=room, forward_of_id=10**9) == (404, "message_not_found")
    assert await refused(anna, "/messages/send", chat_id=foreign, forward_of_id=mine) == (404, "chat_not_found")
    await boris.post(f"/api/users/{anna.id}/block")
    assert await refused(anna, "/messages/send", chat_id=room, forward_of_id=mine) == (404, "message_not_found")
    assert await ears.heard() == [[]] * 4


async def test_what_is_not_forwarded(api: Api) -> None:
    """Notes of the system, what was deleted or will disappear, polls; and a forward takes nothing along."""
    anna, boris = await api.people(2)
    room = await anna.match(boris)
    greeting = (await history(anna, room))[0]["id"]
    gone = (await anna.say(room, "x"))["id"]
    await do(anna, f"/api/messages/{gone}/delete")
    brief = (await anna.say(room, "x", expires_in=60))["id"]
    poll = (await anna.say(room, "Куда?", poll={"options": ["a", "b"]}))["id"]
    for message in (greeting, gone, brief, poll):
        assert await refused(anna, "/messages/send", chat_id=room, forward_of_id=message) == (400, "not_forwardable")
    whole = (await anna.say(room, "x"))["id"]
    body = {"chat_id": room, "forward_of_id": whole}
    assert await refused(anna, "/messages/send", **body, content="y") == (400, "not_forwardable")
    assert await refused(anna, "/messages/send", **body, media_ids=["m"]) == (400, "media_not_available")


# --- replies ----------------------------------------------------------------------------------------------------------------


async def test_replies_stay_in_their_chat(api: Api) -> None:
    """A message of another chat of mine is not answered here."""
    anna, boris, clara = await api.people(3)
    room, group = await anna.match(boris), await make_group(anna, clara)
    elsewhere = (await clara.say(group, "x"))["id"]
    assert await refused(anna, "/messages/send", chat_id=room, content="y", reply_to_id=elsewhere) == (404, "message_not_found")
    answered = await anna.say(group, "y", reply_to_id=elsewhere)
    assert answered["reply_to_id"] == elsewhere


async def test_a_repeat_is_one_after_an_edit_too(api: Api) -> None:
    """A client that did not hear the answer may repeat, though the message was edited, or deleted, meanwhile."""
    anna, boris = await api.people(2)
    room = await anna.match(boris)
    body = {"chat_id": room, "content": "раз", "client_id": "a-1"}
    message = (await do(anna, "/messages/send", 201, **body))["id"]
    await do(anna, f"/api/messages/{message}/edit", content="два")
    assert (await do(anna, "/messages/send", 200, **body))["id"] == message
    assert await refused(anna, "/messages/send", **body | {"content": "два"}) == (409, "client_id_reused")
    await do(anna, f"/api/messages/{message}/delete")
    assert (await do(anna, "/messages/send", 200, **body))["id"] == message


# --- an end -----------------------------------------------------------------------------------------------------------------


async def test_what_disappears_is_gone_everywhere(api: Api) -> None:
    """At its moment from history, list and archive; after the job from every table and inbox, and counts stay exact."""
    anna, boris = await api.people(2)
    room = await anna.match(boris)
    first = await anna.say(room, "остаётся")
    read = await anna.say(room, "маркер прочитан", expires_in=60)
    await do(boris, "/chat/read", chat_id=room)
    brief = await anna.say(room, "маркер", expires_in=60)
    await do(boris, f"/api/messages/{brief['id']}/react", emoji="👍")
    await do(anna, f"/api/messages/{brief['id']}/edit", content="маркер исправлен")
    last = await boris.say(room, "ответ", reply_to_id=brief["id"])
    assert (await boris.inbox())[-4]["expires_at"] == brief["expires_at"]
    assert brief["expires_at"] > brief["created_at"]
    assert (await chat(boris, room))["unread_count"] == 1

    api.app.state.db.clock = lambda: now_microseconds() + 61 * SECOND
    for person in (anna, boris):
        assert [one["id"] for one in (await history(person, room))[1:]] == [first["id"], last["id"]]
        assert (await person.get(f"/api/messages/{read['id']}/versions")).status_code == 404
    assert await refused(boris, f"/api/messages/{brief['id']}/react", emoji="👎") == (404, "message_not_found")
    jobs: Jobs = api.app.state.jobs
    await jobs.expire()
    assert await api.count("messages") == 3
    assert await api.count("reactions") == await api.count("edits") == 0
    for text in ("SELECT event FROM inbox", "SELECT content FROM messages"):
        assert not any("маркер" in row for row in await ask(api, text)), text
    told = (await boris.inbox())[-4]
    assert (told["content"], told["expires_at"]) == ("", brief["expires_at"])  # who hears it now lets go of it
    assert [(await chat(person, room))["unread_count"] for person in (anna, boris)] == [1, 0]
    assert (await history(boris, room))[-1]["reply_to_id"] is None
    await do(anna, "/chat/read", chat_id=room)
    await anna.say(room, "дальше")
    assert [(await chat(person, room))["unread_count"] for person in (anna, boris)] == [0, 1]


@pytest.mark.parametrize("seconds", [0, -1, 365 * 86_400 + 1, "60", 1.5])
async def test_a_life_has_bounds(api: Api, seconds: Any) -> None:
    """From a second to a year."""
    anna, boris = await api.people(2)
    room = await anna.match(boris)
    assert await refused(anna, "/messages/send", chat_id=room, content="x", expires_in=seconds) == (400, "invalid")


# --- polls ------------------------------------------------------------------------------------------------------------------


async def test_a_poll_takes_one_vote_of_each(api: Api) -> None:
    """A new vote replaces the old one; the same again is not told; everybody sees who chose what, a stranger nothing."""
    anna, boris, clara = await api.people(3)
    room = await anna.match(boris)
    sent = await anna.say(room, "Куда?", poll={"options": ["Горы", "Море"]})
    assert (sent["kind"], sent["poll"]["multiple"]) == ("poll", False)
    assert (await boris.inbox())[-1]["poll"] == {"options": ["Горы", "Море"]}
    ears = await listen(anna, boris, clara)
    for choices in ([0], [0], [1]):
        answer = await do(boris, f"/api/messages/{sent['id']}/vote", choices=choices)
    event = {"type": "vote", "chat_id": room, "message_id": sent["id"], "user_id": boris.id}
    told = [event | {"choices": [0]}, event | {"choices": [1]}]
    assert await ears.heard() == [told, told, []]
    votes = [{"text": "Горы", "user_ids": []}, {"text": "Море", "user_ids": [boris.id]}]
    assert answer["poll"] == (await shown(anna, sent["id"], room) or {})["poll"] == {"options": votes, "multiple": False}
    await do(boris, f"/api/messages/{sent['id']}/vote", choices=[])
    assert await api.count("votes") == 0


async def test_what_is_no_vote(api: Api) -> None:
    """An option that is not there, several of a poll for one, a message that asks nothing; and the stranger's."""
    anna, boris, clara = await api.people(3)
    room = await anna.match(boris)
    one = (await anna.say(room, "?", poll={"options": ["a", "b"]}))["id"]
    many = (await anna.say(room, "?", poll={"options": ["a", "b", "c"], "multiple": True}))["id"]
    plain = (await anna.say(room, "x"))["id"]
    assert await refused(boris, f"/api/messages/{one}/vote", choices=[2]) == (400, "invalid_vote")
    assert await refused(boris, f"/api/messages/{one}/vote", choices=[0, 1]) == (400, "invalid_vote")
    assert await refused(boris, f"/api/messages/{one}/vote", choices=[-1]) == (400, "invalid")
    assert await refused(boris, f"/api/messages/{plain}/vote", choices=[0]) == (409, "not_a_poll")
    assert await refused(clara, f"/api/messages/{one}/vote", choices=[0]) == (404, "message_not_found")
    await do(boris, f"/api/messages/{many}/vote", choices=[2, 0, 2])
    assert await api.count("votes") == 2
    await do(anna, f"/api/messages/{many}/delete")
    assert await api.count("votes") == 0
    assert await refused(boris, f"/api/messages/{many}/vote", choices=[0]) == (409, "not_a_poll")


@pytest.mark.parametrize(
    ("poll", "code"),
    [
        ({"options": ["a"]}, "invalid"),
        ({"options": [str(n) for n in range(13)]}, "invalid"),
        ({"options": ["a", ""]}, "invalid"),
        ({"options": ["a", " "]}, "invalid_poll"),
        ({"options": ["a", "a "]}, "invalid_poll"),
        ({}, "invalid"),
        ([], "invalid"),
    ],
)
async def test_what_is_no_poll(api: Api, poll: Any, code: str) -> None:
    """Two to twelve different texts."""
    anna, boris = await api.people(2)
    room = await anna.match(boris)
    assert await refused(anna, "/messages/send", chat_id=room, content="?", poll=poll) == (400, code)
    assert await api.count("polls") == 0


# --- receipts ---------------------------------------------------------------------------------------------------------------


async def test_receipts_can_be_switched_off(api: Api) -> None:
    """Whoever switches them off is not seen to read, and does not see who reads; their own counts go on."""
    anna, boris = await api.people(2)
    room = await anna.match(boris)
    await boris.patch("/me", json={"settings": {"read_receipts": False}})
    theirs, mine = (await boris.say(room, "раз"))["id"], (await anna.say(room, "два"))["id"]
    ears = await listen(anna, boris)
    await do(boris, "/chat/read", chat_id=room)
    await do(anna, "/messages/read", chat_id=room, message_ids=[theirs])
    by_boris = {"type": "read_chat", "chat_id": room, "user_id": boris.id, "message_id": mine}
    by_anna = {"type": "read_messages", "chat_id": room, "user_id": anna.id, "message_ids": [theirs]}
    assert await ears.heard() == [[by_anna], [by_boris]]
    assert (await shown(anna, mine, room) or {})["is_read"] is False
    assert (await shown(boris, theirs, room) or {})["is_read"] is False
    assert [(await chat(person, room))["unread_count"] for person in (anna, boris)] == [0, 0]
    for person, other in ((anna, boris), (boris, anna)):
        marks = {member["user_id"]: member["read_id"] for member in (await chat(person, room))["members"]}
        assert (marks[other.id], marks[person.id] > 0) == (0, True)
