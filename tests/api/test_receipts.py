"""Receipts: read, delivered and typing; what is unread; and who hears of it."""

import asyncio
import random
from typing import Any

import pytest

from dating.chat import receipts as rules
from dating.chat.access import ChatNotFound, MessageNotFound
from dating.errors import NotFound
from tests.kit import Api, Person, Server


async def unread(person: Person) -> int:
    """How many messages the list says are unread, over all chats."""
    return sum(chat["unread_count"] for chat in (await person.get("/chats")).json())


async def read_flags(person: Person, chat_id: int) -> dict[int, bool]:
    """Each message of the chat: whether it is read, as this person sees it."""
    return {m["id"]: m["is_read"] for m in (await person.get(f"/chat/messages/{chat_id}")).json()}


async def receipts(person: Person) -> list[dict[str, Any]]:
    """The receipts that the person was told of, without their numbers."""
    kinds = ("read_chat", "read_messages", "delivered")
    events = [event for event in await person.inbox() if event["type"] in kinds]
    return [{key: value for key, value in event.items() if key != "seq"} for event in events]


async def read(person: Person, chat_id: int, ids: list[int] | None = None) -> None:
    """Read some messages, or the whole chat."""
    if ids is None:
        answer = await person.post("/chat/read", json={"chat_id": chat_id, "receiver_id": 1})
        assert (answer.status_code, answer.json()) == (200, True)
    else:
        answer = await person.post("/messages/read", json={"chat_id": chat_id, "receiver_id": 1, "message_ids": ids})
        assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


async def deliver(person: Person, chat_id: int, message_id: int) -> None:
    """A device of the person has received the chat up to a message."""
    await person.api.app.state.db.write(rules.mark_delivered, person.id, chat_id, message_id)


# --- read -------------------------------------------------------------------------------------------------------------------


async def test_reading_a_chat_is_told_once(api: Api) -> None:
    """Both sides hear `read_chat` with the last message; reading again with nothing new answers true and tells nobody."""
    anna, boris, clara = await api.people(3)
    chat = await anna.match(boris)
    await anna.say(chat, "one")
    last = await anna.say(chat, "two")
    assert await unread(boris) == 2
    for _ in range(3):
        await read(boris, chat)
    event = {"type": "read_chat", "chat_id": chat, "user_id": boris.id, "message_id": last["id"]}
    assert await receipts(anna) == await receipts(boris) == [event]
    assert await clara.told() == []
    assert await unread(boris) == await unread(anna) == 0
    assert all((await read_flags(anna, chat)).values())


async def test_there_is_nothing_to_read_in_a_fresh_chat(api: Api) -> None:
    """The greeting counts as read, and so does what I said myself: no event."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    await read(anna, chat)
    await anna.say(chat, "mine")
    await read(anna, chat)
    assert await receipts(anna) == await receipts(boris) == []


async def test_reading_messages_names_what_was_new(api: Api) -> None:
    """The event carries the ids that were unread until now, ascending; the rest changes nothing, and nothing new is not told."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    one, two, three, four = [(await anna.say(chat, f"{n}"))["id"] for n in range(4)]
    mine = (await boris.say(chat, "mine"))["id"]
    await read(boris, chat, [three, one, three])
    await read(boris, chat, [one, three])
    await read(boris, chat, [mine, 10**9])
    await read(boris, chat, [])
    await read(boris, chat, [four, three, two])
    seen = [event["message_ids"] for event in await receipts(anna)]
    assert seen == [[one, three], [two, four]]
    assert await receipts(anna) == await receipts(boris)
    assert await unread(boris) == 0


async def test_each_message_shows_whether_it_is_read(api: Api) -> None:
    """Mine when the other has read it, theirs when I have; read out of order, both sides see the same."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    one, two, three = [(await anna.say(chat, f"{n}"))["id"] for n in range(3)]
    mine = (await boris.say(chat, "mine"))["id"]
    await read(boris, chat, [two])
    expected = {one: False, two: True, three: False, mine: False}
    for person in (anna, boris):
        flags = await read_flags(person, chat)
        assert {key: flags[key] for key in expected} == expected
    assert (await unread(anna), await unread(boris)) == (1, 2)


async def test_foreign_messages_stay_unread(api: Api) -> None:
    """Ids of another chat, mine or not, are no part of this one: nothing changes there, and nobody is told."""
    anna, boris, clara = await api.people(3)
    chat, other, foreign = await anna.match(boris), await anna.match(clara), await boris.match(clara)
    ids = [(await boris.say(foreign, "theirs"))["id"], (await clara.say(other, "elsewhere"))["id"]]
    await read(anna, chat, ids)
    assert (await unread(anna), await unread(clara)) == (1, 1)
    assert await receipts(anna) == await receipts(boris) == await receipts(clara) == []


@pytest.mark.parametrize(
    "body",
    [
        {"message_ids": [1]},
        {"chat_id": 1},
        {"chat_id": 1, "message_ids": list(range(1, 502))},
        {"chat_id": 1, "message_ids": [0]},
        {"chat_id": 1, "message_ids": [2**53]},
        {"chat_id": 1, "message_ids": 1},
        {"chat_id": -1, "message_ids": [1]},
    ],
)
async def test_what_cannot_be_read(api: Api, body: dict[str, Any]) -> None:
    """A body that makes no sense is 400."""
    anna = await api.person()
    assert (await anna.post("/messages/read", json=body)).status_code == 400


async def test_five_hundred_at_once(api: Api) -> None:
    """The most ids that a call takes."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    message = await anna.say(chat, "x")
    await read(boris, chat, list(range(1, 501)))
    assert [event["message_ids"] for event in await receipts(anna)] == [[message["id"]]]


async def test_explicit_reads_melt_into_the_mark(api: Api) -> None:
    """What is read without a hole is one number; rows are kept only above the first hole."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    ids = [(await anna.say(chat, f"{n}"))["id"] for n in range(6)]
    await read(boris, chat, ids[3:5])
    assert await api.count("reads") == 2
    await read(boris, chat, ids[0:2])
    assert await api.count("reads") == 2
    await read(boris, chat, [ids[2]])
    assert await api.count("reads") == 0
    await read(boris, chat, [ids[5]])
    members = {m["user_id"]: m for m in (await anna.get(f"/api/chats/{chat}")).json()["members"]}
    assert members[boris.id]["read_id"] == ids[5]


@pytest.mark.parametrize("seed", range(5))
async def test_counts_are_exact_whatever_happens(api: Api, seed: int) -> None:
    """Sends and reads of both sides in any order: every unread count and every flag is what a plain set says."""
    dice = random.Random(seed)
    anna, boris = people = await api.people(2)
    chat = await anna.match(boris)
    sent: list[tuple[int, Person]] = []
    seen: dict[int, set[int]] = {anna.id: set(), boris.id: set()}
    for _ in range(40):
        me = dice.choice(people)
        theirs = [message_id for message_id, sender in sent if sender is not me]
        act = dice.random()
        if act < 0.5:
            sent.append(((await me.say(chat, "x"))["id"], me))
        elif act < 0.9:
            picked = dice.sample([message_id for message_id, _ in sent], min(len(sent), dice.randrange(4)))
            await read(me, chat, picked)
            seen[me.id] |= set(picked) & set(theirs)
        else:
            await read(me, chat)
            seen[me.id] |= set(theirs)
        for person in people:
            waiting = {message_id for message_id, sender in sent if sender is not person} - seen[person.id]
            assert await unread(person) == len(waiting)
    expected = {message_id: message_id in seen[anna.id if sender is boris else boris.id] for message_id, sender in sent}
    for person in people:
        flags = await read_flags(person, chat)
        assert {message_id: flags[message_id] for message_id in expected} == expected


async def test_reading_and_sending_at_once_keep_the_count(api: Api) -> None:
    """Both sides send and read at the same moment; in the end, reading leaves nothing unread and nothing below zero."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)

    async def talk(person: Person) -> None:
        for n in range(10):
            message, _ = await asyncio.gather(person.say(chat, f"{n}"), read(person, chat))
            await read(person, chat, [message["id"], message["id"] - 1])

    await asyncio.gather(*[talk(person) for person in (anna, boris) for _ in range(2)])
    for person in (anna, boris):
        await read(person, chat)
        assert await unread(person) == 0
    assert len(await read_flags(anna, chat)) == 41
    assert all((await read_flags(anna, chat)).values())
    assert await api.count("reads") == 0


async def test_an_idempotency_key_reads_once(api: Api) -> None:
    """A repeat under the same key answers the same and does not read what came meanwhile."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    await anna.say(chat, "one")
    headers = {"Idempotency-Key": "read-1"}
    assert (await boris.post("/chat/read", json={"chat_id": chat}, headers=headers)).json() is True
    await anna.say(chat, "two")
    assert (await boris.post("/chat/read", json={"chat_id": chat}, headers=headers)).json() is True
    assert await unread(boris) == 1


# --- delivered --------------------------------------------------------------------------------------------------------------


async def test_delivered_goes_forward_only(api: Api) -> None:
    """Only the other hears of it, only when the mark advances; it never goes back."""
    anna, boris, clara = await api.people(3)
    chat = await anna.match(boris)
    one, two, three = [(await anna.say(chat, f"{n}"))["id"] for n in range(3)]
    for message_id in (one, one, three, two, three):
        await deliver(boris, chat, message_id)
    marks = [{"type": "delivered", "chat_id": chat, "user_id": boris.id, "message_id": mark} for mark in (one, three)]
    assert await receipts(anna) == marks
    assert await receipts(boris) == await clara.told() == []
    members = {m["user_id"]: m for m in (await boris.get(f"/api/chats/{chat}")).json()["members"]}
    assert (members[boris.id]["delivered_id"], members[anna.id]["delivered_id"]) == (three, 0)


async def test_delivered_is_for_others_messages_of_the_chat(api: Api) -> None:
    """My own message and the greeting say nothing; another chat's message, or none, is not found and does not move the mark."""
    anna, boris, clara = await api.people(3)
    chat, other = await anna.match(boris), await anna.match(clara)
    greeting = (await boris.get(f"/chat/messages/{chat}")).json()[0]["id"]
    mine, foreign = (await boris.say(chat, "mine"))["id"], (await anna.say(other, "elsewhere"))["id"]
    for message_id in (greeting, mine):
        await deliver(boris, chat, message_id)
    for message_id in (foreign, 10**9):
        with pytest.raises(MessageNotFound):
            await deliver(boris, chat, message_id)
    assert await receipts(anna) == []


@pytest.mark.parametrize("end", ["stranger", "block", "blocked", "unmatch"])
async def test_receipts_end_with_the_chat(api: Api, end: str) -> None:
    """A stranger, and both sides after a block or an unmatch, can neither deliver, type nor read."""
    anna, boris, clara = await api.people(3)
    chat = await anna.match(boris)
    message = await anna.say(chat, "x")
    match end:
        case "block":
            await anna.post(f"/api/users/{boris.id}/block")
        case "blocked":
            await boris.post(f"/api/users/{anna.id}/block")
        case "unmatch":
            await anna.delete(f"/matches/{boris.id}")
    person = clara if end == "stranger" else boris
    with pytest.raises(ChatNotFound):
        await deliver(person, chat, message["id"])
    with pytest.raises(NotFound):
        await api.app.state.db.read(rules.announce_typing, person.id, chat)
    for path, body in (("/chat/read", {}), ("/messages/read", {"message_ids": [message["id"]]})):
        assert (await person.post(path, json={"chat_id": chat} | body)).status_code == 404
    assert await receipts(anna) == await receipts(boris) == []


async def test_receipts_need_a_token(api: Api) -> None:
    """401 without one."""
    for path in ("/chat/read", "/messages/read", "/chats", "/api/chats/1", "/chat/messages/1"):
        method = "POST" if path.endswith("read") else "GET"
        assert (await api.http.request(method, path, json={"chat_id": 1})).status_code == 401


# --- on the socket ----------------------------------------------------------------------------------------------------------


async def test_the_socket_carries_message_typing_and_receipts(server: Server) -> None:
    """Two people on sockets: each hears what the other does, in order, and a stranger's socket stays silent."""
    anna, boris, clara = await server.people(3)
    chat = await anna.match(boris)
    async with server.socket(anna) as hers, server.socket(boris) as his, server.socket(clara) as strangers:
        await hers.send(type="typing", chat_id=chat)
        assert await his.next() == {"type": "typing", "chat_id": chat, "user_id": anna.id}
        message = await anna.say(chat, "Привет")
        assert (await his.next())["id"] == (await hers.next())["id"] == message["id"]
        await his.send(type="delivered", chat_id=chat, message_id=message["id"], receiver_id=clara.id)
        assert (await hers.next())["type"] == "delivered"
        await read(boris, chat, [message["id"]])
        assert (await hers.next())["message_ids"] == (await his.next())["message_ids"] == [message["id"]]
        assert await strangers.quiet() == await hers.quiet() == await his.quiet() == []


@pytest.mark.parametrize("frame", [{"type": "typing"}, {"type": "delivered", "message_id": 1}], ids=lambda frame: frame["type"])
async def test_foreign_frames_are_refused(server: Server, frame: dict[str, Any]) -> None:
    """A frame for a chat that is not mine gets an error frame, the members hear nothing, and my socket goes on."""
    anna, boris, clara = await server.people(3)
    chat = await anna.match(boris)
    async with server.socket(anna) as hers, server.socket(clara) as strangers:
        await strangers.send(**frame, chat_id=chat)
        answer = await strangers.next()
        assert (answer["type"], answer["code"]) == ("error", "chat_not_found")
        await strangers.send(type="ping")
        assert (await strangers.next())["type"] == "pong"
        assert await hers.quiet() == []


async def test_every_device_of_mine_hears_what_i_do(server: Server) -> None:
    """My other devices get my message and my reading, but not my own typing or delivered."""
    anna, boris = await server.people(2)
    chat = await anna.match(boris)
    async with server.socket(boris) as phone, server.socket(boris) as tablet:
        mine = await boris.say(chat, "from the phone")
        theirs = await anna.say(chat, "hello")
        await phone.send(type="typing", chat_id=chat)
        await phone.send(type="delivered", chat_id=chat, message_id=theirs["id"])
        await read(boris, chat)
        for device in (phone, tablet):
            frames = await device.quiet()
            assert [frame["type"] for frame in frames] == ["message", "message", "read_chat"]
            assert [frame["id"] for frame in frames[:2]] == [mine["id"], theirs["id"]]
