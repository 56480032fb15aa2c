"""Messages: who may send what where, each once and in order, and the pages of a chat."""

import asyncio
from typing import Any

import msgspec
import pytest

from dating.settings import Settings
from tests.kit import PASSWORD, Api, Person, running


async def history(person: Person, chat_id: int, **query: int) -> list[dict[str, Any]]:
    """A page of a chat."""
    answer = await person.get(f"/chat/messages/{chat_id}", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def ids(person: Person, chat_id: int, **query: int) -> list[int]:
    """The ids of that page."""
    return [message["id"] for message in await history(person, chat_id, **query)]


async def heard(person: Person) -> list[dict[str, Any]]:
    """Every message that the person was told of."""
    return [event for event in await person.inbox() if event["type"] == "message"]


async def test_a_message_reaches_both_and_nobody_else(api: Api) -> None:
    """The answer is the whole message; the other and my own devices are told once, a stranger is told nothing."""
    anna, boris, clara = await api.people(3)
    chat = await anna.match(boris)
    answer = await anna.post("/messages/send", json={"chat_id": chat, "content": "Привет! 👋", "client_id": "a-1"})
    assert answer.status_code == 201
    message = answer.json()
    assert message == {
        "id": message["id"],
        "chat_id": chat,
        "sender_id": anna.id,
        "receiver_id": boris.id,
        "content": "Привет! 👋",
        "kind": "text",
        "is_read": False,
        "created_at": message["created_at"],
        "client_id": "a-1",
        "reply_to_id": None,
        "edited_at": None,
        "deleted": False,
        "forwarded": False,
        "expires_at": None,
        "links": [],
        "reactions": [],
        "poll": None,
        "waiting_content": None,
    }
    event = {
        "type": "message",
        "id": message["id"],
        "chat_id": chat,
        "user_id": anna.id,
        "content": "Привет! 👋",
        "created_at": message["created_at"],
        "client_id": "a-1",
        "seq": 2,
    }
    assert await heard(anna) == await heard(boris) == [event]
    assert await anna.told() == await boris.told() == ["match", "message"]
    assert await clara.told() == []


async def test_both_paths_send(api: Api) -> None:
    """`/api/messages` is the same operation."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    answer = await anna.post("/api/messages", json={"chat_id": chat, "content": "x"})
    assert (answer.status_code, answer.json()["receiver_id"]) == (201, boris.id)


@pytest.mark.parametrize("path", ["/messages/send", "/messages/send/"])
async def test_the_short_way_and_the_long_one_agree(api: Api, path: str) -> None:
    """A trailing slash leads past the shortcut, through the framework: the same answers, errors and headers."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    body = {"chat_id": chat, "content": "x", "client_id": "a-1"}
    statuses = []
    for sent in (body, body, body | {"content": "y"}, body | {"content": ""}, body | {"chat_id": "1"}, {}):
        answer = await anna.post(path, json=sent)
        statuses.append(answer.status_code)
        kind = "application/json" if answer.is_success else "application/problem+json"
        assert answer.headers["content-type"].partition(";")[0] == kind
        assert {"x-request-id", "cache-control", "x-content-type-options"} <= answer.headers.keys()
        assert int(answer.headers["content-length"]) == len(answer.content)
    assert statuses == [201, 200, 409, 400, 400, 400]
    for content, media, status in ((b"", None, 400), (b"x", "text/plain", 415), (b"[" * 100, "application/json", 400)):
        headers = {"content-type": media} if media else {}
        assert (await anna.post(path, content=content, headers=headers)).status_code == status
    assert (await anna.post(path, json=body | {"content": "x" * 70_000})).status_code == 413
    assert (await api.http.post(path, json=body)).status_code == 401
    assert (await anna.get(path)).status_code == 405


async def test_pages_of_listed_origins_may_send(settings: Settings) -> None:
    """The answer tells the browser so, on the busiest path too."""
    async with running(msgspec.structs.replace(settings, cors_origins=("https://app.example",))) as api:
        anna, boris = await api.people(2)
        body = {"chat_id": await anna.match(boris), "content": "x"}
        answer = await anna.post("/messages/send", json=body, headers={"Origin": "https://app.example"})
        assert answer.headers["access-control-allow-origin"] == "https://app.example"


async def test_the_receiver_is_never_trusted(api: Api) -> None:
    """A `receiver_id`, whatever it holds, changes nothing: the chat says who receives."""
    anna, boris, clara = await api.people(3)
    chat = await anna.match(boris)
    for receiver in (clara.id, "nobody", None, [1]):
        assert (await anna.say(chat, "x", receiver_id=receiver))["receiver_id"] == boris.id
    assert len(await heard(boris)) == 4
    assert await clara.told() == []


async def test_content_comes_back_as_it_was(api: Api) -> None:
    """Blanks, line ends, scripts, Cyrillic and emoji survive, up to 4,000 characters."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    texts = ["  two\n lines\t", "Ёлка 👩🏽‍🚀 𝄞", "<script>alert(1)</script>", "'; DROP TABLE messages; --", "🎄" * 4000]
    for text in texts:
        assert (await anna.say(chat, text))["content"] == text
    assert [m["content"] for m in await history(boris, chat)][1:] == texts
    assert [event["content"] for event in await heard(boris)] == texts


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"content": ""}, "empty_message"),
        ({"content": " \n\t\u2003"}, "empty_message"),
        ({"content": None}, "empty_message"),
        ({"content": "x" * 4001}, "invalid"),
        ({"content": 5}, "invalid"),
        ({"content": "x", "client_id": ""}, "invalid"),
        ({"content": "x", "client_id": "c" * 101}, "invalid"),
        ({"content": "x", "reply_to_id": -1}, "invalid"),
        ({"content": "x", "chat_id": 2**63}, "invalid"),
        ({"content": "x", "chat_id": "1"}, "invalid"),
        ({"content": "x", "chat_id": None}, "invalid"),
        ({"content": "x", "media_ids": ["m1"]}, "media_not_available"),
        ({"media_ids": ["m1"]}, "media_not_available"),
        ({"content": "nul \0"}, "nul_character"),
    ],
)
async def test_what_cannot_be_sent(api: Api, fields: dict[str, Any], code: str) -> None:
    """What makes no sense answers 400 with its code, and neither the chat nor anybody's inbox changes."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    answer = await anna.post("/messages/send", json={"chat_id": chat} | fields)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert answer.headers["content-type"] == "application/problem+json"
    assert await api.count("messages") == 1
    assert await boris.told() == ["match"]


async def test_a_lone_surrogate_is_refused(api: Api) -> None:
    """Half a character is not text: 400, never a 500."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    body = b'{"chat_id": %d, "content": "\\ud800"}' % chat
    answer = await anna.post("/messages/send", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert await api.count("messages") == 1


async def test_without_a_token_nothing_is_sent(api: Api) -> None:
    """401 before anything else."""
    answer = await api.http.post("/messages/send", json={"chat_id": 1, "content": "x"})
    assert answer.status_code == 401


async def test_strangers_see_no_chat(api: Api) -> None:
    """A foreign chat answers exactly like one that does not exist, whatever is asked of it, and nothing changes."""
    anna, boris, clara = await api.people(3)
    chat = await anna.match(boris)
    message = await anna.say(chat, "secret")
    for body, path in [
        ({"content": "x"}, "/messages/send"),
        ({}, "/chat/read"),
        ({"message_ids": [message["id"]]}, "/messages/read"),
    ]:
        foreign = await clara.post(path, json={"chat_id": chat} | body)
        absent = await clara.post(path, json={"chat_id": 10**9} | body)
        assert (foreign.status_code, foreign.content) == (absent.status_code, absent.content) == (404, foreign.content)
    for path in ("/chat/messages/{}", "/api/chats/{}/messages", "/api/chats/{}"):
        foreign, absent = await clara.get(path.format(chat)), await clara.get(path.format(10**9))
        assert (foreign.status_code, foreign.content) == (absent.status_code, absent.content) == (404, foreign.content)
    assert await api.count("messages") == 2
    assert await anna.told() == await boris.told() == ["match", "message"]


@pytest.mark.parametrize("blocker", ["anna", "boris"])
async def test_a_block_ends_the_talk_both_ways(api: Api, blocker: str) -> None:
    """Whoever blocks, both sides get 404 at once, a repeat of an earlier send too; after the unblock everything is back."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    await anna.say(chat, "before", client_id="a-1")
    one, other = (anna, boris) if blocker == "anna" else (boris, anna)
    assert (await one.post(f"/api/users/{other.id}/block")).is_success
    for person in (anna, boris):
        assert (await person.post("/messages/send", json={"chat_id": chat, "content": "x"})).status_code == 404
        assert (await person.post("/chat/read", json={"chat_id": chat})).status_code == 404
        assert (await person.get(f"/chat/messages/{chat}")).status_code == 404
    repeat = await anna.post("/messages/send", json={"chat_id": chat, "content": "before", "client_id": "a-1"})
    assert repeat.status_code == 404
    assert await api.count("messages") == 2
    assert (await one.delete(f"/api/users/{other.id}/block")).is_success
    await boris.say(chat, "after")
    assert [m["content"] for m in await history(anna, chat)][1:] == ["before", "after"]


async def test_an_unmatch_closes_the_chat(api: Api) -> None:
    """Afterwards neither side can send or read there."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    assert (await anna.delete(f"/matches/{boris.id}")).is_success
    for person in (anna, boris):
        assert (await person.post("/messages/send", json={"chat_id": chat, "content": "x"})).status_code == 404
        assert (await person.get(f"/chat/messages/{chat}")).status_code == 404
    assert "message" not in await boris.told()


async def test_a_deleted_account_takes_its_chats_along(api: Api) -> None:
    """The other side's chat is gone like one that never was, and no row of it is left."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    await boris.say(chat, "before")
    assert (await anna.request("DELETE", "/me", json={"password": PASSWORD})).is_success
    assert (await boris.post("/messages/send", json={"chat_id": chat, "content": "x"})).status_code == 404
    assert (await boris.get(f"/chat/messages/{chat}")).status_code == 404
    assert [await api.count(table) for table in ("chats", "members", "messages", "reads")] == [0, 0, 0, 0]


# --- once -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["client_id", "Idempotency-Key"])
async def test_a_repeat_answers_with_the_first_message(api: Api, by: str) -> None:
    """The same body again, even after it was read: 200 with the first answer, one row, one event, no count moves."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    body = {"chat_id": chat, "content": "once"} | ({"client_id": "k-1"} if by == "client_id" else {})
    headers = {"Idempotency-Key": "k-1"} if by == "Idempotency-Key" else {}
    first = await anna.post("/messages/send", json=body, headers=headers)
    await boris.post("/chat/read", json={"chat_id": chat})
    again = await anna.post("/messages/send", json=body, headers=headers)
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.content == first.content
    assert await api.count("messages") == 2
    assert len(await heard(anna)) == len(await heard(boris)) == 1
    listed = (await boris.get("/chats")).json()[0]
    assert (listed["unread_count"], listed["last_message_id"]) == (0, first.json()["id"])


async def test_another_body_under_the_same_id_is_a_conflict(api: Api) -> None:
    """409 for another text, chat or reply; the same id in another person's hands is free."""
    anna, boris, clara = await api.people(3)
    chat, other = await anna.match(boris), await anna.match(clara)
    first = await anna.say(chat, "once", client_id="a-1")
    for body in (
        {"chat_id": chat, "content": "twice"},
        {"chat_id": other, "content": "once"},
        {"chat_id": chat, "content": "once", "reply_to_id": first["id"]},
    ):
        answer = await anna.post("/messages/send", json=body | {"client_id": "a-1"})
        assert (answer.status_code, answer.json()["code"]) == (409, "client_id_reused")
    assert (await boris.say(chat, "mine", client_id="a-1"))["sender_id"] == boris.id
    assert await api.count("messages") == 4
    assert (await clara.get("/chats")).json()[0]["unread_count"] == 0


async def test_racing_repeats_make_one_message(api: Api) -> None:
    """Eight at once with one client id, in ten rounds: one 201, seven 200, one row and one event each."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    for round_ in range(10):
        body = {"chat_id": chat, "content": f"round {round_}", "client_id": f"r-{round_}"}
        answers = await asyncio.gather(*[anna.post("/messages/send", json=body) for _ in range(8)])
        assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
        assert len({answer.content for answer in answers}) == 1
    assert await api.count("messages") == 11
    assert [event["content"] for event in await heard(boris)] == [f"round {n}" for n in range(10)]
    assert (await boris.get("/chats")).json()[0]["unread_count"] == 10


async def test_one_id_raced_into_two_chats_makes_one_message(api: Api) -> None:
    """The id is the sender's, not the chat's: one chat gets the message, the other a conflict."""
    anna, boris, clara = await api.people(3)
    chats = [await anna.match(boris), await anna.match(clara)]
    for round_ in range(10):
        bodies = [{"chat_id": chat, "content": "x", "client_id": f"r-{round_}"} for chat in chats]
        answers = await asyncio.gather(*[anna.post("/messages/send", json=body) for body in bodies])
        assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert await api.count("messages") == 12


async def test_a_reply_stays_in_its_chat(api: Api) -> None:
    """A reply names a message of the same chat; another chat's message, or none, is 404 and sends nothing."""
    anna, boris, clara = await api.people(3)
    chat, other = await anna.match(boris), await anna.match(clara)
    mine, foreign = await anna.say(chat, "question"), await clara.say(other, "elsewhere")
    answer = await boris.say(chat, "answer", reply_to_id=mine["id"])
    assert answer["reply_to_id"] == mine["id"]
    assert (await history(anna, chat))[-1]["reply_to_id"] == mine["id"]
    for absent in (foreign["id"], 10**9):
        refused = await anna.post("/messages/send", json={"chat_id": chat, "content": "x", "reply_to_id": absent})
        assert (refused.status_code, refused.json()["code"]) == (404, "message_not_found")
    assert len(await history(anna, chat)) == 3


# --- pages ------------------------------------------------------------------------------------------------------------------


async def test_history_comes_in_pages_both_ways(api: Api) -> None:
    """Ascending by id: the newest, the last before an id, the first after one, and between two."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    first = (await history(anna, chat))[0]
    assert (first["kind"], first["sender_id"], first["receiver_id"], first["is_read"]) == ("system", None, None, True)
    sent = [first["id"]] + [(await (anna, boris)[n % 2].say(chat, f"{n}"))["id"] for n in range(9)]
    assert await ids(boris, chat) == sent
    assert await ids(boris, chat, limit=3) == sent[-3:]
    assert await ids(boris, chat, limit=3, before_id=sent[-3]) == sent[-6:-3]
    assert await ids(boris, chat, limit=3, after_id=sent[2]) == sent[3:6]
    assert await ids(boris, chat, after_id=sent[2], before_id=sent[5]) == sent[3:5]
    assert await ids(boris, chat, after_id=sent[-1]) == []
    assert await ids(boris, chat, before_id=sent[0]) == []
    same = await boris.get(f"/api/chats/{chat}/messages", params={"limit": 2})
    assert [message["id"] for message in same.json()] == sent[-2:]


async def test_bounds_of_pages(api: Api) -> None:
    """At most 200 messages, ids in range: else 400; a path id beyond every id is 404."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    for query in ("limit=0", "limit=201", "limit=x", "before_id=0", f"after_id={2**63}", "before_id=-1"):
        assert (await anna.get(f"/chat/messages/{chat}?{query}")).status_code == 400, query
    assert len(await history(anna, chat, limit=200)) == 1
    for beyond in (0, 2**53, 2**63, 10**30):
        assert (await anna.get(f"/chat/messages/{beyond}")).status_code == 404, beyond
        assert (await anna.get(f"/api/chats/{beyond}")).status_code == 404, beyond


async def test_pages_are_complete_while_others_send(api: Api) -> None:
    """Whoever follows `after_id` while both sides send at once sees every message once, in the order of everybody's inbox."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    start = (await ids(anna, chat))[-1]
    sending = asyncio.gather(*[(anna, boris)[n % 2].say(chat, f"{n}") for n in range(80)])
    seen: list[int] = []
    while len(seen) < 80:
        page = await ids(boris, chat, after_id=seen[-1] if seen else start, limit=7)
        assert page or not sending.done()
        seen += page
    sent = [message["id"] for message in await sending]
    assert seen == sorted(sent)
    assert [event["id"] for event in await heard(anna)] == [event["id"] for event in await heard(boris)] == seen


async def test_history_from_the_beginning(api: Api) -> None:
    """after_id 0 begins with the oldest message, so that a client may page forward through the whole chat."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    for number in range(5):
        await anna.say(chat, str(number))
    first = (await boris.get(f"/chat/messages/{chat}?after_id=0&limit=3")).json()
    rest = (await boris.get(f"/chat/messages/{chat}?after_id={first[-1]['id']}&limit=3")).json()
    assert [message["content"] for message in first + rest if message["kind"] == "text"] == ["0", "1", "2", "3", "4"]


async def test_null_is_no_media(api: Api) -> None:
    """Clients that write null for an empty list are understood."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    nothing = {"media_ids": None, "reply_to_id": None, "client_id": None, "expires_in": None}
    assert (await anna.say(chat, "привет", **nothing))["content"] == "привет"
