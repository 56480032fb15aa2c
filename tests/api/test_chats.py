"""Chats: what the list shows, in which order, to whom, and how a direct chat begins."""

import asyncio
from typing import Any

import pytest

from dating.database import Transaction
from tests.kit import PASSWORD, Api, Person


async def chats(person: Person, **query: int) -> list[dict[str, Any]]:
    """My chats."""
    answer = await person.get("/chats", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def ids(person: Person, **query: int) -> list[int]:
    """Their ids."""
    return [chat["id"] for chat in await chats(person, **query)]


async def welcome_everyone(person: Person) -> None:
    """Take messages from everyone."""
    assert (await person.patch("/me", json={"settings": {"messages_from": "everyone"}})).is_success


async def test_a_match_is_a_chat_of_both(api: Api) -> None:
    """Each side sees one chat, called after the other, with the greeting as its last message and nothing unread."""
    anna = await api.person("anna", name="Анна 🌷")
    boris = await api.person("boris")
    clara = await api.person()
    chat_id = await anna.match(boris)
    (mine,), (theirs,) = await chats(anna), await chats(boris)
    members = [
        {"user_id": anna.id, "username": "anna", "name": "Анна 🌷"},
        {"user_id": boris.id, "username": "boris", "name": "boris"},
    ]
    marks = {"photo_url": None, "role": "member", "delivered_id": 0, "read_id": 0}
    assert mine == {
        "id": chat_id,
        "kind": "direct",
        "name": "boris",
        "user1_id": anna.id,
        "user2_id": boris.id,
        "members": [member | marks for member in members],
        "last_message": "It's a match! 🎉",
        "last_message_id": mine["last_message_id"],
        "last_message_time": mine["last_message_time"],
        "last_message_user": None,
        "is_read": True,
        "unread_count": 0,
        "muted": False,
        "archived": False,
        "pinned": False,
        "created_at": mine["created_at"],
        "photo_url": None,
        "role": "member",
        "member_count": 2,
        "marked_unread": False,
        "request": None,
    }
    assert theirs == mine | {"name": "Анна 🌷"}
    assert await chats(clara) == []
    assert (await anna.get("/api/chats")).json() == [mine]
    assert (await anna.get(f"/api/chats/{chat_id}")).json() == mine


async def test_the_newest_activity_comes_first(api: Api) -> None:
    """A message lifts its chat for both sides; the list tells what was said, by whom, and whether it is read."""
    anna, *others = await api.people(4)
    rooms = [await anna.match(other) for other in others]
    assert await ids(anna) == rooms[::-1]
    message = await others[0].say(rooms[0], "Привет")
    await anna.say(rooms[1], "hi")
    assert await ids(anna) == [rooms[1], rooms[0], rooms[2]]
    mine, theirs = (await chats(anna))[:2]
    assert (mine["last_message"], mine["last_message_user"], mine["is_read"], mine["unread_count"]) == ("hi", anna.id, False, 0)
    assert (theirs["last_message"], theirs["last_message_user"]) == ("Привет", others[0].id)
    assert (theirs["last_message_time"], theirs["last_message_id"]) == (message["created_at"], message["id"])
    assert (theirs["is_read"], theirs["unread_count"]) == (False, 1)


async def test_the_list_comes_in_pages(api: Api) -> None:
    """By offset, or after the last chat of the page before, every chat comes once; bounds are checked."""
    anna, *others = await api.people(8)
    rooms = [await anna.match(other) for other in others][::-1]
    assert await ids(anna, limit=3) + await ids(anna, limit=3, offset=3) + await ids(anna, offset=6) == rooms
    seen: list[int] = []
    while page := await ids(anna, limit=2, **({"before_id": seen[-1]} if seen else {})):
        seen += page
    assert seen == rooms
    assert await ids(anna, before_id=10**9) == []
    for query in ("limit=0", "limit=101", "offset=-1", "offset=10001", "before_id=0", f"before_id={2**63}"):
        assert (await anna.get(f"/chats?{query}")).status_code == 400, query


async def test_pages_need_a_place_of_mine(api: Api) -> None:
    """A foreign chat is no place to begin a page from: it answers like an absent one."""
    anna, boris, clara, dmitri = await api.people(4)
    await anna.match(boris)
    foreign = await clara.match(dmitri)
    assert await ids(anna, before_id=foreign) == await ids(anna, before_id=10**9) == []


async def test_hidden_people_are_not_listed(api: Api) -> None:
    """A block by either side, an unmatch and a deletion take the chat out of both lists; an unblock brings it back."""
    anna, boris, clara, dmitri = await api.people(4)
    first, second, third = [await anna.match(other) for other in (boris, clara, dmitri)]
    await anna.post(f"/api/users/{boris.id}/block")
    assert await ids(anna) == [third, second]
    assert await ids(boris) == []
    assert (await boris.get(f"/api/chats/{first}")).status_code == 404
    await clara.delete(f"/matches/{anna.id}")
    assert (await ids(anna), await ids(clara)) == ([third], [])
    await dmitri.request("DELETE", "/me", json={"password": PASSWORD})
    assert await ids(anna) == []
    await anna.delete(f"/api/users/{boris.id}/block")
    assert await ids(anna) == await ids(boris) == [first]


async def test_the_banned_are_not_there(api: Api) -> None:
    """A ban hides the chat from the other at once, and lets neither side write into it."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)

    async def ban(tx: Transaction) -> None:
        await tx.run("UPDATE users SET banned_at = :now WHERE id = :user_id", now=tx.now, user_id=boris.id)

    await api.app.state.db.write(ban)
    assert await ids(anna) == []
    for person in (anna, boris):
        assert (await person.post("/messages/send", json={"chat_id": chat, "content": "x"})).status_code == 404
        assert (await person.get(f"/chat/messages/{chat}")).status_code in (401, 404)
    assert await api.count("messages") == 1


async def test_a_new_match_after_an_unmatch_opens_the_same_chat(api: Api) -> None:
    """Two people have one chat, whatever happened between them."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    await anna.delete(f"/matches/{boris.id}")
    assert await anna.match(boris) == chat
    await boris.say(chat, "again")
    assert [room["unread_count"] for room in await chats(anna)] == [1]
    assert [room["unread_count"] for room in await chats(boris)] == [0]


async def test_a_direct_chat_needs_a_match(api: Api) -> None:
    """A stranger who takes messages from matches only cannot be written to: 403, and no chat."""
    anna, boris = await api.people(2)
    answer = await anna.post("/api/chats", json={"kind": "direct", "member_ids": [boris.id]})
    assert (answer.status_code, answer.json()["code"]) == (403, "match_needed")
    assert await api.count("chats") == 0
    assert await boris.told() == []


async def test_a_match_has_its_chat_already(api: Api) -> None:
    """Asking for the chat with a match finds the one that is there: 200, and nobody is told."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    for person, other in ((anna, boris), (boris, anna)):
        answer = await person.post("/api/chats", json={"member_ids": [other.id]})
        assert (answer.status_code, answer.json()["id"], answer.json()["name"]) == (200, chat, other.username)
    assert await boris.told() == ["match"]


async def test_whoever_takes_messages_from_everyone(api: Api) -> None:
    """201 with an empty chat and the event `chat` for me, 200 the next time, from either side; then both may write."""
    anna, boris = await api.people(2)
    await welcome_everyone(boris)
    answer = await anna.post("/api/chats", json={"kind": "direct", "member_ids": [boris.id, anna.id]})
    assert answer.status_code == 201
    chat = answer.json()
    assert (chat["last_message"], chat["last_message_time"], chat["unread_count"], chat["is_read"]) == (None, None, 0, True)
    for person, other in ((anna, boris), (boris, anna)):
        again = await person.post("/api/chats", json={"member_ids": [other.id]})
        assert (again.status_code, again.json()["id"]) == (200, chat["id"])
    event = {"type": "chat", "chat_id": chat["id"], "user_id": anna.id, "seq": 1}
    assert (await anna.inbox(), await boris.inbox()) == ([event], [])
    await anna.say(chat["id"], "hello")
    await boris.say(chat["id"], "привет")
    assert [room["unread_count"] for room in await chats(boris)] == [1]
    assert [room["unread_count"] for room in await chats(anna)] == [1]


async def test_an_unmatch_is_not_undone_by_opening_a_chat(api: Api) -> None:
    """Whoever ended a match is not written to by that person again, even when taking messages from everyone."""
    anna, boris = await api.people(2)
    await anna.match(boris)
    await welcome_everyone(anna)
    await anna.delete(f"/matches/{boris.id}")
    answer = await boris.post("/api/chats", json={"member_ids": [anna.id]})
    assert (answer.status_code, answer.json()["code"]) == (403, "match_needed")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"kind": "group", "member_ids": [1]}, 400, "group_name_missing"),
        ({"kind": "group", "name": "  ", "member_ids": [1]}, 400, "group_name_missing"),
        ({"kind": "group", "name": "x" * 101, "member_ids": [1]}, 400, "invalid"),
        ({"kind": "group", "name": "Походы", "photo_url": "javascript:x", "member_ids": [1]}, 400, "invalid"),
        ({"kind": "group", "name": "Походы", "member_ids": [10**9]}, 404, "user_not_found"),
        ({"kind": "group", "name": "Походы", "member_ids": list(range(1, 257))}, 400, "invalid"),
        ({"kind": "channel", "member_ids": [1]}, 400, "invalid"),
        ({"member_ids": []}, 400, "invalid"),
        ({"member_ids": [10**9, 10**9 + 1]}, 400, "not_a_pair"),
        ({"member_ids": [2**53]}, 400, "invalid"),
        ({"member_ids": "1"}, 400, "invalid"),
        ({}, 400, "invalid"),
        ({"member_ids": [10**9]}, 404, "user_not_found"),
    ],
)
async def test_what_cannot_be_opened(api: Api, body: dict[str, Any], status: int, code: str) -> None:
    """A group has a name; a direct chat has exactly one other person; everybody exists."""
    anna = await api.person()
    answer = await anna.post("/api/chats", json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert await api.count("chats") == 0


async def test_nobody_chats_with_themselves(api: Api) -> None:
    """A direct chat with me alone is 400."""
    anna = await api.person()
    answer = await anna.post("/api/chats", json={"member_ids": [anna.id]})
    assert (answer.status_code, answer.json()["code"]) == (400, "not_a_pair")


async def test_a_block_hides_who_takes_messages_from_everyone(api: Api) -> None:
    """Blocked either way, the person is as absent as one who never was."""
    anna, boris = await api.people(2)
    await welcome_everyone(boris)
    await boris.post(f"/api/users/{anna.id}/block")
    hidden = await anna.post("/api/chats", json={"member_ids": [boris.id]})
    absent = await anna.post("/api/chats", json={"member_ids": [10**9]})
    assert (hidden.status_code, hidden.content) == (absent.status_code, absent.content) == (404, hidden.content)


async def test_racing_openers_make_one_chat(api: Api) -> None:
    """Eight at once from both sides: one chat, one 201, and whoever was first told exactly once."""
    anna, boris = await api.people(2)
    await welcome_everyone(anna)
    await welcome_everyone(boris)
    pairs = [(anna, boris), (boris, anna)] * 4
    answers = await asyncio.gather(*[me.post("/api/chats", json={"member_ids": [other.id]}) for me, other in pairs])
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert sorted([await anna.told(), await boris.told()]) == [[], ["chat"]]
    assert [await api.count(table) for table in ("chats", "members")] == [1, 2]


async def test_an_idempotency_key_repeats_the_first_answer(api: Api) -> None:
    """The same key and body: the first chat again, with 200 in place of 201."""
    anna, boris = await api.people(2)
    await welcome_everyone(boris)
    first, again = [
        await anna.post("/api/chats", json={"member_ids": [boris.id]}, headers={"Idempotency-Key": "open-1"}) for _ in range(2)
    ]
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.json() == first.json()


async def test_a_kept_answer_keeps_nothing_of_the_other(api: Api) -> None:
    """What the other is called and wrote is not stored with the key: a repeat after a block finds no chat."""
    anna, boris = await api.person(), await api.person(name="Борис Маркер")
    await boris.say(await anna.match(boris), "words of his")
    body, headers = {"member_ids": [boris.id]}, {"Idempotency-Key": "open-1"}
    assert (await anna.post("/api/chats", json=body, headers=headers)).json()["last_message"] == "words of his"

    async def read_kept(tx: Transaction) -> list[str]:
        return await tx.all(str, "SELECT answer FROM answers")

    assert not any("Маркер" in answer or "words" in answer for answer in await api.app.state.db.read(read_kept))
    await boris.post(f"/api/users/{anna.id}/block")
    assert (await anna.post("/api/chats", json=body, headers=headers)).status_code == 404
