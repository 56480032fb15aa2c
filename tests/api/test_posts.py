"""A batch of messages: judged and written together, answered one by one."""

import asyncio
from typing import Any

import msgspec
import pytest

from dating.chat import posts
from dating.chat.access import ChatNotFound, MessageNotFound
from dating.chat.post_models import Post
from dating.chat.posts import Answer, ClientIdReused, post
from dating.database import Oversized, Transaction
from dating.errors import Refusal
from tests.api.test_requests import ask
from tests.kit import Api, Person


async def write(api: Api, *drafts: Post) -> list[Answer | Refusal]:
    """One batch in one transaction."""
    return list(await api.app.state.db.write(post, list(drafts)))


def draft(sender: Person, chat_id: int, content: str, client_id: str | None = None, reply_to_id: int | None = None) -> Post:
    """A message on its way."""
    return Post(sender.id, chat_id, content, reply_to_id, client_id)


def tell(outcome: Answer | Refusal) -> Any:
    """An outcome in short: the content and whether it is new, or what kind of refusal."""
    return type(outcome) if isinstance(outcome, Refusal) else (outcome[0].content, outcome[1])


async def test_each_post_has_its_own_answer(api: Api) -> None:
    """Refused are: no chat, not mine, blocked, unmatched, a reply to nothing, a client id used for something else."""
    anna, boris, clara, dora, erik = await api.people(5)
    chat, blocked, ended = await anna.match(boris), await anna.match(clara), await anna.match(dora)
    foreign = await boris.match(erik)
    first = await anna.say(chat, "first", client_id="k-1")
    await clara.post(f"/api/users/{anna.id}/block")
    assert (await dora.delete(f"/matches/{anna.id}")).is_success
    before = {person.id: len(await person.inbox()) for person in (anna, boris, clara, dora, erik)}
    outcomes = await write(
        api,
        draft(anna, chat, "one"),
        draft(anna, 10**9, "x"),
        draft(anna, foreign, "x"),
        draft(anna, blocked, "x"),
        draft(anna, ended, "x"),
        draft(anna, chat, "x", reply_to_id=10**9),
        draft(anna, chat, "first", "k-1"),
        draft(anna, chat, "not the first", "k-1"),
        draft(boris, chat, "two", reply_to_id=first["id"]),
        draft(anna, chat, "three", "k-2"),
        draft(anna, chat, "three", "k-2"),
        draft(anna, chat, "four", "k-2"),
        draft(boris, foreign, "five 👋", "k-2"),
    )
    assert [tell(outcome) for outcome in outcomes] == [
        ("one", True), ChatNotFound, ChatNotFound, ChatNotFound, ChatNotFound, MessageNotFound, ("first", False), ClientIdReused,
        ("two", True), ("three", True), ("three", False), ClientIdReused, ("five 👋", True),
    ]  # fmt: skip
    written = [outcome[0] for outcome in outcomes if not isinstance(outcome, Refusal) and outcome[1]]
    assert [message.id for message in written] == sorted(message.id for message in written)
    after = {person: (await person.inbox())[before[person.id] :] for person in (anna, boris, clara, dora, erik)}
    assert [[event["content"] for event in events] for events in after.values()] == [
        ["one", "two", "three"], ["one", "two", "three", "five 👋"], [], [], ["five 👋"]
    ]  # fmt: skip
    assert [event["id"] for event in after[boris]] == [message.id for message in written]
    unread = {one["id"]: one["unread_count"] for one in (await boris.get("/chats")).json()}
    assert unread == {chat: 3, foreign: 0}


async def test_the_answer_is_that_of_a_lone_send(api: Api) -> None:
    """What a batch gives is what HTTP answers, and what the history shows."""
    anna, boris = await api.people(2)
    chat = await anna.match(boris)
    ((message, new),) = [one for one in await write(api, draft(anna, chat, "Привет", "k-1")) if not isinstance(one, Refusal)]
    assert new
    again = await anna.post("/messages/send", json={"chat_id": chat, "content": "Привет", "client_id": "k-1"})
    assert (again.status_code, again.json()) == (200, msgspec.to_builtins(message))
    assert (await anna.get(f"/chat/messages/{chat}")).json()[-1] == again.json()


async def test_numbers_have_no_gaps_under_a_crowd(api: Api) -> None:
    """Everybody writes to everybody at once: each inbox counts 1, 2, 3 …, and has a chat's messages in the order of their ids."""
    people = await api.people(5)
    chats = {(one, other): await one.match(other) for one in people for other in people if one.id < other.id}
    sends = [
        sender.say(chat, f"{number}", client_id=f"{chat}-{number}")
        for number in range(8)
        for pair, chat in chats.items()
        for sender in pair
    ]
    await asyncio.gather(*sends)
    for person in people:
        events = await person.inbox()
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        for chat in chats.values():
            ids = [event["id"] for event in events if event["type"] == "message" and event["chat_id"] == chat]
            assert ids == sorted(set(ids))
            assert len(ids) in (0, 16)


GROUP = "INSERT INTO chats (kind, last_at, created_at) VALUES ('group', :now, :now) RETURNING id"
SEAT = "INSERT INTO members (chat_id, user_id, joined_at, left_at) VALUES (:chat_id, :user_id, :now, CAST(:left_at AS BIGINT))"


async def seat(tx: Transaction, people: list[int], gone: list[int]) -> int:
    """A group, until there is another way to make one."""
    chat_id = await tx.one(int, GROUP, now=tx.now)
    assert chat_id is not None
    for user_id in people + gone:
        left_at = tx.now if user_id in gone else None
        await tx.run(SEAT, chat_id=chat_id, user_id=user_id, now=tx.now, left_at=left_at)
    return chat_id


async def test_every_member_is_told(api: Api) -> None:
    """A message reaches all members, under the next number of each; who has left hears and says nothing, a block hides."""
    people = await api.people(12)
    sender, blocker, gone = people[0], people[1], people[11]
    await blocker.post(f"/api/users/{sender.id}/block")
    chat = await api.app.state.db.write(seat, [person.id for person in people[:11]], [gone.id])
    notices: list[Any] = []
    db = api.app.state.db
    publish = db.committed
    db.committed = lambda these: (notices.extend(these), publish(these))
    outcomes = await write(api, draft(sender, chat, "hello"), draft(gone, chat, "?"), draft(people[2], chat, "hi"))
    assert [tell(outcome) for outcome in outcomes] == [("hello", True), ChatNotFound, ("hi", True)]
    told = [[event.get("content") for event in await person.inbox()] for person in people]
    assert told == [["hello", "hi"], [None, "hi"], *[["hello", "hi"]] * 9, []]
    live = {(one.user_id, one.seq): msgspec.json.decode(one.event)["type"] for one in notices}
    expected = {(person.id, seq): "message" for person in people[:11] for seq in (1, 2)}
    assert live == expected | {(blocker.id, 1): "hidden"}


class Counting(Transaction):
    """A transaction that keeps what it is asked to do."""

    def __init__(self, tx: Transaction) -> None:
        self.tx, self.now, self.notices = tx, tx.now, tx.notices
        self.statements: list[str] = []

    async def all(self, row: type[Any], sql: str, /, **parameters: object) -> list[Any]:
        self.statements.append(sql)
        return await self.tx.all(row, sql, **parameters)

    async def run(self, sql: str, /, **parameters: object) -> int:
        self.statements.append(sql)
        return await self.tx.run(sql, **parameters)

    async def many(self, sql: str, rows: Any, /) -> None:
        self.statements.append(sql)
        await self.tx.many(sql, rows)

    async def script(self, sql: str, /) -> None:
        raise AssertionError(sql)

    async def think(self, fn: Any, /, *args: Any, **options: Any) -> Any:
        raise AssertionError(fn)

    async def lock(self) -> None:
        raise AssertionError


async def count_statements(api: Api, *drafts: Post) -> int:
    """How many statements write a batch of messages that are all new."""

    async def count(tx: Transaction) -> int:
        counting = Counting(tx)
        assert all(not isinstance(one, Refusal) and one[1] for one in await post(counting, list(drafts)))
        tx.notices = counting.notices
        return len(counting.statements)

    return await api.app.state.db.write(count)


async def test_plain_messages_are_five_statements(api: Api) -> None:
    """One or many, in pairs or in groups: each statement is a round trip. What is special costs more."""
    anna, boris, clara = await api.people(3)
    chat, other = await anna.match(boris), await anna.match(clara)
    group = await api.app.state.db.write(seat, [anna.id, boris.id, clara.id], [])
    first = await anna.say(chat, "first", client_id="k-1")
    assert await count_statements(api, draft(anna, chat, "a reply", "k-2", first["id"])) == 5
    pairs = [draft(sender, chat, str(n), f"n-{n}") for n in range(3) for sender in (anna, boris)]
    assert await count_statements(api, *pairs, draft(clara, other, "three")) == 5
    assert await count_statements(api, draft(anna, group, "all of you")) == 5
    assert await count_statements(api, draft(anna, group, "one"), draft(boris, chat, "two")) == 5
    told = [[event["seq"] for event in await person.inbox()] for person in (anna, boris, clara)]
    assert told == [list(range(1, len(seqs) + 1)) for seqs in told]
    asked = await ask(boris, clara, None)
    assert await count_statements(api, draft(boris, asked, "a request")) > 5


async def test_a_batch_tells_so_many_people_at_most(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is too much for one transaction is written by several, each post once; one post is never too much."""
    people = await api.people(6)
    chat = await api.app.state.db.write(seat, [person.id for person in people], [])
    monkeypatch.setattr(posts, "MOST_ROWS", 13)
    drafts = [draft(people[0], chat, str(number)) for number in range(9)]
    with pytest.raises(Oversized):
        await write(api, *drafts)
    answers = await asyncio.gather(*[api.app.state.db.write_together(post, one) for one in drafts])
    assert [tell(answer) for answer in answers] == [(str(number), True) for number in range(9)]
    assert sorted(event["content"] for event in await people[5].inbox()) == [str(number) for number in range(9)]

    async def look(tx: Transaction) -> list[int]:
        return await tx.all(int, "SELECT COUNT(*) FROM inbox GROUP BY created_at")

    assert max(await api.app.state.db.read(look)) <= 12
    monkeypatch.setattr(posts, "MOST_ROWS", 1)
    assert [tell(outcome) for outcome in await write(api, draft(people[1], chat, "ten"))] == [("ten", True)]
