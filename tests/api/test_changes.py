"""What is done with messages that are there: who may, what is left, and exactly who is told what."""

import time
from typing import Any

import pytest

from dating.chat.changes import NotAnEmoji, read_emoji
from dating.chat.links import find_links
from dating.clock import SECOND
from dating.database import Transaction
from tests.api.messenger import chat, do, history, listen, make_group, refused, shown
from tests.kit import Api, Person


async def ask(api: Api, sql: str) -> list[str]:
    """The first column of a statement."""

    async def look(tx: Transaction) -> list[str]:
        return await tx.all(str, sql)

    return list(await api.app.state.db.read(look))


# --- reactions --------------------------------------------------------------------------------------------------------------

ONE_EMOJI = ["👍", "👍🏽", "❤️", "👨‍👩‍👧‍👦", "🏳️‍🌈", "1️⃣", "🇩🇪", "👩🏽‍❤️‍💋‍👨🏿", "🏴‍☠️", "👨‍🐙", "🫶🏿"]


@pytest.mark.parametrize("text", ONE_EMOJI)
def test_one_emoji_is_one(text: str) -> None:
    """Skin tones, joined sequences, flags and keycaps are one emoji each, kept as they came."""
    assert read_emoji(text) == text


def test_an_emoji_has_one_spelling() -> None:
    """The same picture with and without the variation selector is the same reaction."""
    assert read_emoji("❤") == read_emoji("❤️") == "❤️"


@pytest.mark.parametrize("text", ["", " ", "a", "1", "#", "👍👍", " 👍", "👍 ", ":thumbs_up:", "👍a", "🇩", "\u200d", "\ufe0f"])
def test_what_is_no_emoji(text: str) -> None:
    """Letters, digits, blanks, names and two at once are refused."""
    with pytest.raises(NotAnEmoji):
        read_emoji(text)


async def test_a_reaction_is_one_for_each_person(api: Api) -> None:
    """Another emoji replaces mine, the same takes it back; both sides hear each change, a stranger nothing."""
    anna, boris, clara = await api.people(3)
    room = await anna.match(boris)
    message = (await anna.say(room, "Привет"))["id"]
    ears = await listen(anna, boris, clara)
    event = {"type": "reaction", "chat_id": room, "message_id": message, "user_id": boris.id}

    answer = await do(boris, f"/api/messages/{message}/react", emoji="👍🏽")
    assert answer["reactions"] == [{"emoji": "👍🏽", "user_ids": [boris.id]}]
    told = [event | {"emoji": "👍🏽"}]
    assert await ears.heard() == [told, told, []]
    await do(boris, f"/api/messages/{message}/react", emoji="❤")
    await do(anna, f"/api/messages/{message}/react", emoji="❤️")
    found = await shown(anna, message, room)
    assert found is not None
    assert found["reactions"] == [{"emoji": "❤️", "user_ids": [boris.id, anna.id]}]
    await ears.heard()
    await do(boris, f"/api/messages/{message}/react", emoji="❤️")
    assert await ears.heard() == [[event], [event], []]
    found = await shown(boris, message, room)
    assert found is not None
    assert found["reactions"] == [{"emoji": "❤️", "user_ids": [anna.id]}]


# --- edits ------------------------------------------------------------------------------------------------------------------


async def test_an_edit_keeps_what_was_said(api: Api) -> None:
    """Both read the new text and every version before it; both are told; the same text again is nothing."""
    anna, boris, clara = await api.people(3)
    room = await anna.match(boris)
    message = await anna.say(room, "Превет", client_id="a-1")
    ears = await listen(anna, boris, clara)
    answer = await do(anna, f"/api/messages/{message['id']}/edit", content="Привет, см. example.org")
    event = {
        "type": "message_edited",
        "message_id": message["id"],
        "chat_id": room,
        "user_id": anna.id,
        "content": "Привет, см. example.org",
        "edited_at": answer["edited_at"],
        "links": ["http://example.org"],
    }
    assert await ears.heard() == [[event], [event], []]
    assert (await chat(boris, room))["last_message"] == "Привет, см. example.org"
    await do(anna, f"/api/messages/{message['id']}/edit", content="Привет, см. example.org")
    assert await ears.heard() == [[], [], []]
    for person in (anna, boris):
        versions = (await person.get(f"/api/messages/{message['id']}/versions")).json()
        assert versions == [
            {"content": "Превет", "written_at": message["created_at"]},
            {"content": "Привет, см. example.org", "written_at": answer["edited_at"]},
        ]
        found = await shown(person, message["id"], room)
        assert found is not None
        assert (found["content"], found["links"]) == ("Привет, см. example.org", ["http://example.org"])


async def test_only_texts_of_mine_are_edited(api: Api) -> None:
    """Another's message, the system's, a deleted one, and blanks are refused, and nobody is told."""
    anna, boris = await api.people(2)
    room = await anna.match(boris)
    greeting = (await history(anna, room))[0]["id"]
    theirs, gone = (await boris.say(room, "моё"))["id"], (await anna.say(room, "x"))["id"]
    await do(anna, f"/api/messages/{gone}/delete")
    ears = await listen(anna, boris)
    assert await refused(anna, f"/api/messages/{theirs}/edit", content="x") == (403, "not_your_message")
    assert await refused(anna, f"/api/messages/{greeting}/edit", content="x") == (403, "not_your_message")
    assert await refused(anna, f"/api/messages/{gone}/edit", content="x") == (409, "message_deleted")
    assert await refused(anna, f"/api/messages/{gone}/react", emoji="👍") == (409, "message_deleted")
    assert await refused(anna, f"/api/messages/{gone}/pin", on=True) == (409, "message_deleted")
    assert await refused(boris, f"/api/messages/{theirs}/edit", content=" \n") == (400, "empty_message")
    assert await refused(boris, f"/api/messages/{theirs}/edit", content="x" * 4001) == (400, "invalid")
    assert await refused(boris, f"/api/messages/{theirs}/react", emoji="нет") == (400, "not_an_emoji")
    assert await ears.heard() == [[], []]


# --- deletions --------------------------------------------------------------------------------------------------------------


async def test_deleted_for_all_is_gone_everywhere(api: Api) -> None:
    """No table holds the words any more, the inboxes neither; that there was a message stays, for both."""
    anna, boris, clara = await api.people(3)
    room = await anna.match(boris)
    message = (await anna.say(room, "маркер один", client_id="a-1"))["id"]
    await do(anna, f"/api/messages/{message}/edit", content="маркер два www.example.org")
    await do(anna, f"/api/messages/{message}/edit", content="маркер три")
    await do(boris, f"/api/messages/{message}/react", emoji="👍")
    await do(boris, f"/api/messages/{message}/pin", on=True)
    ears = await listen(anna, boris, clara)
    for _ in range(2):
        assert await do(anna, f"/api/messages/{message}/delete", for_all=True) == {"status": "ok"}
    event = {"type": "message_deleted", "chat_id": room, "message_id": message, "user_id": anna.id, "for_all": True}
    assert await ears.heard() == [[event], [event], []]
    for person in (anna, boris):
        found = await shown(person, message, room)
        assert found is not None
        assert (found["content"], found["deleted"], found["reactions"], found["edited_at"]) == ("", True, [], None)
        assert (await person.get(f"/api/messages/{message}/versions")).json() == [
            {"content": "", "written_at": found["created_at"]}
        ]
        assert (await person.get(f"/api/chats/{room}/pins")).json() == []
    for text in ("SELECT event FROM inbox", "SELECT content FROM messages", "SELECT content FROM edits"):
        assert not any("маркер" in row or "example.org" in row for row in await ask(api, text)), text
    assert await api.count("reactions") == await api.count("pins") == await api.count("edits") == 0
    assert [event["seq"] for event in await boris.inbox()] == list(range(1, len(await boris.inbox()) + 1))


async def test_words_are_gone_however_the_clock_went(api: Api) -> None:
    """An edit that waited for another has an earlier clock; what it told is found by the deletion all the same."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    db = api.app.state.db
    message_id = (await anna.say(chat_id, "тайна 0"))["id"]
    start = db.clock()
    for number, hours in enumerate((2, 1, 1, 3), 1):
        db.clock = lambda: start + hours * 3600 * SECOND  # noqa: B023  the loop is over it when it changes
        await do(anna, f"/api/messages/{message_id}/edit", content=f"тайна {number}")
    assert len(await ask(api, "SELECT event FROM inbox WHERE event LIKE '%тайна%'")) == 10
    await do(anna, f"/api/messages/{message_id}/delete", for_all=True)
    assert await ask(api, "SELECT event FROM inbox WHERE event LIKE '%тайна%'") == []


async def test_a_deletion_without_a_body_is_for_all(api: Api) -> None:
    """As the messenger's clients send it; what stands in a body must still fit."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    message = await anna.say(chat_id, "привет")
    assert await refused(anna, f"/api/messages/{message['id']}/delete", for_all="yes") == (400, "invalid")
    assert (await anna.post(f"/api/messages/{message['id']}/delete")).status_code == 200
    assert (await history(boris, chat_id))[-1]["deleted"] is True


async def test_deleted_for_me_is_gone_for_me(api: Api) -> None:
    """The other keeps it; my devices hear of it; what I had not read counts as read, and its author hears that."""
    anna, boris = await api.people(2)
    room = await anna.match(boris)
    first, second = (await anna.say(room, "раз"))["id"], (await anna.say(room, "два"))["id"]
    ears = await listen(anna, boris)
    await do(boris, f"/api/messages/{second}/delete", for_all=False)
    read = {"type": "read_messages", "chat_id": room, "user_id": boris.id, "message_ids": [second]}
    gone = {"type": "message_deleted", "chat_id": room, "message_id": second, "user_id": boris.id, "for_all": False}
    assert await ears.heard() == [[read], [read, gone]]
    assert await shown(boris, second, room) is None
    assert await shown(anna, second, room) is not None
    mine = await chat(boris, room)
    assert (mine["last_message"], mine["last_message_id"], mine["unread_count"]) == ("раз", first, 1)
    assert (await boris.get(f"/api/messages/{second}/versions")).status_code == 404
    assert await refused(boris, f"/api/messages/{second}/react", emoji="👍") == (404, "message_not_found")
    assert await ears.heard() == [[], []]


async def test_others_messages_are_not_deleted_for_all(api: Api) -> None:
    """In a direct chat by nobody but the sender; in a group by those who manage it, who are not named."""
    anna, boris, clara = await api.people(3)
    room = await anna.match(boris)
    message = (await anna.say(room, "моё"))["id"]
    assert await refused(boris, f"/api/messages/{message}/delete") == (403, "not_your_message")
    group = await make_group(anna, boris, clara)
    theirs = (await post_in(boris, group))["id"]
    assert await refused(clara, f"/api/messages/{theirs}/delete") == (403, "not_your_message")
    ears = await listen(anna, boris, clara)
    await do(anna, f"/api/messages/{theirs}/delete")
    event = {"type": "message_deleted", "chat_id": group, "message_id": theirs, "user_id": None, "for_all": True}
    assert await ears.heard() == [[event]] * 3


async def post_in(person: Person, group: int, text: str = "в группе") -> dict[str, Any]:
    """A message to a group."""
    return await person.say(group, text)


# --- pins -------------------------------------------------------------------------------------------------------------------


async def test_pins_are_for_both(api: Api) -> None:
    """Either side of a direct chat pins and takes down; each change is told once."""
    anna, boris, clara = await api.people(3)
    room = await anna.match(boris)
    one, two = (await anna.say(room, "раз"))["id"], (await boris.say(room, "два"))["id"]
    ears = await listen(anna, boris, clara)
    for person, message in ((anna, one), (boris, two), (boris, two)):
        await do(person, f"/api/messages/{message}/pin", on=True)
    told = [
        {"type": "pinned", "chat_id": room, "message_id": message, "user_id": person.id, "on": True}
        for person, message in ((anna, one), (boris, two))
    ]
    assert await ears.heard() == [told, told, []]
    assert [message["id"] for message in (await anna.get(f"/api/chats/{room}/pins")).json()] == [two, one]
    await do(boris, f"/api/messages/{one}/pin", on=False)
    assert [message["id"] for message in (await boris.get(f"/api/chats/{room}/pins")).json()] == [two]
    assert [len(events) for events in await ears.heard()] == [1, 1, 0]


# --- mine alone -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "field"), [("mute", "muted"), ("archive", "archived"), ("pin", "pinned"), ("unread", "marked_unread")]
)
async def test_switches_are_mine_alone(api: Api, path: str, field: str) -> None:
    """On and off, told to my own devices only, and once each."""
    anna, boris = await api.people(2)
    room = await anna.match(boris)
    ears = await listen(anna, boris)
    for on in (True, True, False):
        await do(anna, f"/api/chats/{room}/{path}", on=on)
        assert ((await chat(anna, room))[field], (await chat(boris, room))[field]) == (on, False)
    event = {"type": "chat", "chat_id": room, "user_id": anna.id, "change": "settings"}
    assert await ears.heard() == [[event | {field: True}, event | {field: False}], []]


async def test_reading_takes_the_mark_off(api: Api) -> None:
    """A chat marked as unread is read by reading it, although nothing was new; nobody else hears of it."""
    anna, boris = await api.people(2)
    room = await anna.match(boris)
    await do(anna, f"/api/chats/{room}/unread", on=True)
    ears = await listen(anna, boris)
    assert await do(anna, "/chat/read", chat_id=room) is True
    assert not (await chat(anna, room))["marked_unread"]
    event = {"type": "chat", "chat_id": room, "user_id": anna.id, "change": "settings", "marked_unread": False}
    assert await ears.heard() == [[event], []]


# --- links ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "links"),
    [
        ("no links", []),
        ("a.b, и т.д. 3.14", []),
        ("https://example.org/путь?q=1, и http://example.org.", ["https://example.org/путь?q=1", "http://example.org"]),
        ("example.org example.org", ["http://example.org"]),
        ("javascript:alert(1) //x mailto:a@example.org ftp://example.org first.last@mail.ru x.com@evil", []),
        ("(см. example.org/a_(b)) и [x](https://y.org/z).", ["http://example.org/a_(b)", "https://y.org/z"]),
        ("www.пример.рф! 🙂t.me🙂 **example.org**", ["http://www.пример.рф", "http://t.me", "http://example.org"]),
        ("HTTPS://Example.ORG/A http://localhost:8080/x", ["HTTPS://Example.ORG/A", "http://localhost:8080/x"]),
        ("https://user:word@host.org/ example.org:80?q#w", ["https://user:word@host.org/", "http://example.org:80?q#w"]),
        ("https://a.b/<script> x|example.org", ["https://a.b/", "http://example.org"]),
        ("example.com.text _example.org_ 1.2.3.4/x https:// http:///x https://_", []),
        ("https://xn--e1afmkfd.xn--p1ai/ " + "a." * 30 + "org", ["https://xn--e1afmkfd.xn--p1ai/", f"http://{'a.' * 30}org"]),
    ],
)
def test_links_are_found_without_asking(text: str, links: list[str]) -> None:
    """Web addresses only, each once, in their order."""
    assert find_links(text) == links


@pytest.mark.parametrize(
    "text",
    ["https://" + "com.xn--" * 30, "a.|" * 1333, "http://" * 571, "http://a.b/" + "a.=" * 1300, "https://" + "u" * 3990,
     "a." * 2000, "www." * 1000, "a-" * 1999 + ".", "https://a.b/" + "(" * 1990 + ")" * 1990, "https://x.org/" + "!" * 3980],
    ids=lambda text: text[:20],
)  # fmt: skip
def test_no_text_keeps_the_finder_busy(text: str) -> None:
    """Whatever somebody writes: with a pattern that can match in two ways, some of these took minutes."""
    began = time.process_time()
    find_links(text)
    assert time.process_time() - began < 0.5


def test_many_links_are_bounded() -> None:
    """A text full of addresses yields the first ones."""
    assert len(find_links(" ".join(f"https://e{n}.org" for n in range(200)))) == 20
