"""Old state + events = new state: whatever people do in chats, a client that applies what it is told shows what the server shows.

A state machine acts at random over HTTP as the members of a direct chat and of a group, who come and go, block each other, and
let messages disappear. Each of them has a client that loaded the list and the histories once, and has followed its inbox since.
After every step, what each client shows must be what the server answers. Hypothesis throws the dice and tells the story when it
fails.

Two things are not told, so a client reads them: a block, after which the two begin anew (nobody is told of one, and what comes
afterwards must fit all the same), and what a group is called for somebody who has just come.
"""

import asyncio
import contextlib
import random
from typing import Any

import hypothesis
from hypothesis import note
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from dating.clock import SECOND, now_microseconds, rfc3339
from dating.settings import Settings
from tests.api.messenger import do, make_group
from tests.kit import Api, Person, running

ACTIONS = 4  # between two comparisons
BOUNDED = hypothesis.settings(
    max_examples=6,
    stateful_step_count=10,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[hypothesis.Phase.generate],  # a story is short enough to read as it is
    suppress_health_check=list(hypothesis.HealthCheck),
)
EMOJI = ["👍", "❤️", "👩🏽‍🚀"]
LIFE = 5  # seconds of a message that disappears; few, for a token of somebody has to outlive them all
Action = tuple[str, str, dict[str, Any]]
SHOWN = (
    "id",
    "sender_id",
    "content",
    "is_read",
    "edited_at",
    "deleted",
    "reactions",
    "poll",
    "reply_to_id",
    "links",
    "forwarded",
    "expires_at",
)
LISTED = (
    "name",
    "last_message",
    "last_message_id",
    "last_message_user",
    "unread_count",
    "muted",
    "archived",
    "pinned",
    "marked_unread",
)


class Client:
    """What one person's application shows: loaded once, then changed by events alone."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self._seq = 0

    async def load(self) -> "Client":
        """Everything, as at the first start."""
        self._seq = len(await self.person.inbox())
        self.chats: dict[int, dict[str, Any]] = {}
        self.messages: dict[int, dict[int, dict[str, Any]]] = {}
        self.roles: dict[int, dict[int, str]] = {}
        self.order: list[int] = []
        self.new: set[int] = set()  # groups that I have just come into
        self.forgetful: set[int] = set()  # groups that somebody has left, and their reading with them
        for chat in await self.ask_list():
            self.chats[chat["id"]] = {name: chat[name] for name in LISTED}
            self.order.append(chat["id"])
            self.messages[chat["id"]] = {one["id"]: one for one in await self.ask_history(chat["id"])}
            self.roles[chat["id"]] = await self.ask_roles(chat["id"])
        return self

    async def ask_roles(self, chat_id: int) -> dict[int, str]:
        """Who is in a chat, from the server."""
        answer = await self.person.get(f"/api/chats/{chat_id}")
        return {member["user_id"]: member["role"] for member in answer.json()["members"]}

    async def read_new(self) -> None:
        """How a group shows itself that I have come into, and where it stands in the list."""
        listed = await self.ask_list()
        for chat in listed:
            if chat["id"] in self.new:
                self.chats[chat["id"]] = {name: chat[name] for name in LISTED}
                self.roles[chat["id"]] = await self.ask_roles(chat["id"])
        if self.new:
            self.order = [chat["id"] for chat in listed]
        self.new.clear()

    async def ask_list(self) -> list[dict[str, Any]]:
        """The list, from the server."""
        return list((await self.person.get("/chats?limit=100")).json())

    async def ask_history(self, chat_id: int) -> list[dict[str, Any]]:
        """A history, from the server."""
        answer = await self.person.get(f"/chat/messages/{chat_id}?limit=200")
        return [{name: one[name] for name in SHOWN} for one in answer.json()]

    async def follow(self) -> None:
        """Apply what is new in the inbox, and let go of what has disappeared."""
        events = (await self.person.inbox())[self._seq :]
        self._seq += len(events)
        for event in events:
            if event["type"] == "member_joined" or event.get("chat_id") in self.chats:
                getattr(self, f"on_{event['type']}")(event)
        await self.read_new()
        now = rfc3339(self.person.api.app.state.db.clock())
        for chat_id, chat in self.chats.items():
            for gone in [one for one, message in self.messages[chat_id].items() if (message["expires_at"] or "~") <= now]:
                del self.messages[chat_id][gone]
            last = max(self.messages[chat_id].values(), key=lambda one: int(one["id"]), default=None)
            chat["last_message_id"] = last and last["id"]
            chat["last_message"] = last and last["content"]
            chat["last_message_user"] = last and last["sender_id"]
            chat["unread_count"] = sum(
                one["sender_id"] not in (None, self.person.id) and not one["is_read"] for one in self.messages[chat_id].values()
            )

    def of(self, event: dict[str, Any]) -> dict[str, Any] | None:
        """The message that an event is about; None when it is not shown to this person."""
        return self.messages[event["chat_id"]].get(event["message_id"])

    def on_message(self, event: dict[str, Any]) -> None:
        asked = event.get("poll")
        options = asked and [{"text": text, "user_ids": []} for text in asked["options"]]
        self.messages[event["chat_id"]][event["id"]] = {
            "id": event["id"],
            "sender_id": event["user_id"],
            "content": event["content"],
            "is_read": False,
            "edited_at": None,
            "deleted": False,
            "reactions": [],
            "poll": asked and {"options": options, "multiple": asked.get("multiple", False)},
            "reply_to_id": event.get("reply_to_id"),
            "links": event.get("links", []),
            "forwarded": event.get("forwarded", False),
            "expires_at": event.get("expires_at"),
        }
        self.order.remove(event["chat_id"])
        self.order.insert(0, event["chat_id"])

    def on_message_edited(self, event: dict[str, Any]) -> None:
        if (message := self.of(event)) is not None:
            message |= {"content": event["content"], "edited_at": event["edited_at"], "links": event.get("links", [])}

    def on_message_deleted(self, event: dict[str, Any]) -> None:
        if not event["for_all"]:
            self.messages[event["chat_id"]].pop(event["message_id"], None)
        elif (message := self.of(event)) is not None:
            empty = {"content": "", "deleted": True, "links": [], "reactions": [], "poll": None, "edited_at": None}
            message |= empty | {"forwarded": False}

    def on_reaction(self, event: dict[str, Any]) -> None:
        if (message := self.of(event)) is not None:
            for reaction in message["reactions"]:
                reaction["user_ids"] = [one for one in reaction["user_ids"] if one != event["user_id"]]
            if emoji := event.get("emoji"):
                place = next((one for one in message["reactions"] if one["emoji"] == emoji), None)
                if place is None:
                    message["reactions"].append(place := {"emoji": emoji, "user_ids": []})
                place["user_ids"].append(event["user_id"])
            message["reactions"] = [one for one in message["reactions"] if one["user_ids"]]

    def on_vote(self, event: dict[str, Any]) -> None:
        if (message := self.of(event)) is not None:
            for place, option in enumerate(message["poll"]["options"]):
                others = [one for one in option["user_ids"] if one != event["user_id"]]
                option["user_ids"] = sorted([*others, *([event["user_id"]] if place in event["choices"] else [])])

    def on_read_chat(self, event: dict[str, Any]) -> None:
        self.read(event, [one for one in self.messages[event["chat_id"]] if one <= event["message_id"]])

    def on_read_messages(self, event: dict[str, Any]) -> None:
        self.read(event, event["message_ids"])

    def read(self, event: dict[str, Any], ids: list[int]) -> None:
        """Mine are read by others, others' by me."""
        for message in (self.messages[event["chat_id"]].get(one) for one in ids):
            if (
                message
                and message["sender_id"]
                and (message["sender_id"] == self.person.id) != (event["user_id"] == self.person.id)
            ):
                message["is_read"] = True

    def on_chat(self, event: dict[str, Any]) -> None:
        change = {name: value for name, value in event.items() if name in LISTED}
        self.chats[event["chat_id"]] |= change
        if event["change"] == "role":
            self.roles[event["chat_id"]][event["user_id"]] = event["role"]

    def on_member_joined(self, event: dict[str, Any]) -> None:
        chat_id = event["chat_id"]
        if event["user_id"] == self.person.id:
            self.new.add(chat_id)
            self.chats[chat_id], self.messages[chat_id], self.roles[chat_id] = {}, {}, {}
            self.order.insert(0, chat_id)
        elif chat_id in self.chats:
            self.roles[chat_id][event["user_id"]] = "member"

    def on_member_left(self, event: dict[str, Any]) -> None:
        chat_id = event["chat_id"]
        if event["user_id"] == self.person.id:
            self.new.discard(chat_id)
            self.order.remove(chat_id)
            del self.chats[chat_id], self.messages[chat_id], self.roles[chat_id]
        else:
            self.roles[chat_id].pop(event["user_id"])
            self.forgetful.add(chat_id)

    def on_pinned(self, event: dict[str, Any]) -> None:
        """Not in the list, not in the history."""

    on_delivered = on_hidden = on_match = on_pinned

    def reduce(self, chat_id: int, message: dict[str, Any]) -> dict[str, Any]:
        """A message without what is not told: which reaction came first, whose reading went with them, what a reply was to."""
        known: dict[str, Any] = {"reactions": sorted(message["reactions"], key=lambda one: str(one["emoji"]))}
        if message["reply_to_id"] not in self.messages[chat_id]:
            known["reply_to_id"] = None
        if chat_id in self.forgetful and message["sender_id"] == self.person.id:
            known["is_read"] = None
        return message | known


class World:
    """A direct chat and a group, with everybody's client."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def make(self) -> "World":
        """Three people in two chats, and a fourth who is let into the group by a link or by those who manage it."""
        self.late = 0
        self.pass_time(0)
        self.people = await self.api.people(4, settings={"messages_from": "everyone"})
        anna, boris, clara, _ = self.people
        self.group = await make_group(anna, boris, clara)
        self.token = (await do(anna, f"/api/chats/{self.group}/invites", 201))["token"]
        self.room = (await do(anna, "/api/chats", 200, member_ids=[boris.id]))["id"]
        self.clients = [await Client(person).load() for person in self.people]
        return self

    def pass_time(self, seconds: int) -> None:
        """It is later."""
        self.late += seconds
        self.api.app.state.db.clock = lambda: now_microseconds() + self.late * SECOND

    async def act(self, dice: random.Random) -> str:
        """Somebody does something that a client offers, whether or not it is allowed; what it was."""
        client = dice.choice(self.clients)
        chat_id = dice.choice(list(client.chats) or [self.room])
        kind = dice.random()
        if kind < 0.1:
            self.pass_time(LIFE + 1)
            swept = dice.random() < 0.5  # they are out of sight and of counts before they are out of storage
            if swept:
                await self.api.app.state.jobs.expire()
            return f"some time passes; swept: {swept}"
        if kind < 0.7:
            method, path, body = self.talk(dice, client, chat_id)
        else:
            other = dice.choice([person for person in self.people if person is not client.person])
            method, path, body = self.move(dice, other) if kind < 0.95 else self.hide(dice, other)
        answer = await client.person.request(method, path, json=body)
        assert answer.status_code < 500, (path, body, answer.text)
        if path.endswith("/block"):
            for one in (client, self.clients[self.people.index(other)]):
                await one.load()
        return f"{client.person.username} {method} {path} {body}: {answer.status_code}"

    def talk(self, dice: random.Random, client: Client, chat_id: int) -> Action:
        """What is said in a chat, and done with what was said."""
        known = list(client.messages.get(chat_id, ())) or [1]
        message = dice.choice(known[-6:])
        on = dice.random() < 0.6
        actions: list[tuple[str, dict[str, Any]]] = [
            ("/messages/send", {"chat_id": chat_id, "content": dice.choice(["Привет 👋", "см. example.org"])}),
            ("/messages/send", {"chat_id": chat_id, "content": "да", "reply_to_id": message}),
            ("/messages/send", {"chat_id": chat_id, "content": "на минуту", "expires_in": LIFE}),
            ("/messages/send", {"chat_id": chat_id, "forward_of_id": message}),
            ("/messages/send", {"chat_id": chat_id, "content": "Куда?", "poll": {"options": ["a", "b"], "multiple": on}}),
            (f"/api/messages/{message}/react", {"emoji": dice.choice(EMOJI)}),
            (f"/api/messages/{message}/react", {"emoji": dice.choice(EMOJI)}),
            (f"/api/messages/{message}/edit", {"content": dice.choice(["иначе", "и так, www.example.org"])}),
            (f"/api/messages/{message}/delete", {"for_all": on}),
            (f"/api/messages/{message}/vote", {"choices": dice.choice([[], [0], [1], [0, 1]])}),
            (f"/api/messages/{message}/pin", {"on": on}),
            ("/messages/read", {"chat_id": chat_id, "message_ids": dice.sample(known, min(2, len(known)))}),
            ("/chat/read", {"chat_id": chat_id}),
            (f"/api/chats/{chat_id}/{dice.choice(['mute', 'archive', 'pin', 'unread'])}", {"on": on}),
        ]
        return "POST", *dice.choice(actions)

    def move(self, dice: random.Random, other: Person) -> Action:
        """Somebody comes into the group, goes, is put out, or is to be something else there."""
        members = f"/api/chats/{self.group}/members"
        role = dice.choice(["owner", "admin", "admin", "member"])
        actions: list[Action] = [
            ("POST", members, {"user_ids": [other.id]}),
            ("POST", members, {"user_ids": [other.id]}),
            ("DELETE", f"{members}/{other.id}", {}),
            ("PATCH", f"{members}/{other.id}", {"role": role}),
            ("PATCH", f"{members}/{other.id}", {"role": role}),
            ("POST", "/api/chats/join", {"token": self.token}),
            ("POST", "/api/chats/join", {"token": self.token}),
            ("DELETE", f"/api/chats/{self.group}", {}),
        ]
        return dice.choice(actions)

    def hide(self, dice: random.Random, other: Person) -> Action:
        """Somebody blocks somebody, or takes it back."""
        return dice.choice(["POST", "DELETE"]), f"/api/users/{other.id}/block", {}

    async def compare(self) -> None:
        """Every client shows what the server would."""
        for client in self.clients:
            await client.follow()
            listed = await client.ask_list()
            order = [chat["id"] for chat in listed]
            assert client.order == order, client.person.username
            for chat in listed:
                assert client.chats[chat["id"]] == {name: chat[name] for name in LISTED}, client.person.username
                assert client.roles[chat["id"]] == await client.ask_roles(chat["id"]), client.person.username
                theirs = await client.ask_history(chat["id"])
                mine = [message for _, message in sorted(client.messages[chat["id"]].items())]
                assert [client.reduce(chat["id"], one) for one in mine] == [client.reduce(chat["id"], one) for one in theirs], (
                    client.person.username
                )


def test_old_state_and_events_are_the_new_state(settings: Settings) -> None:
    """For the chat list and the histories of everybody, whatever they do."""
    with asyncio.Runner() as runner:
        stack = contextlib.AsyncExitStack()
        api = runner.run(stack.enter_async_context(running(settings)))

        class Machine(RuleBasedStateMachine):
            @initialize()
            def make(self) -> None:
                self.world = runner.run(World(api).make())

            @rule(dice=st.randoms(use_true_random=False))
            def act(self, dice: random.Random) -> None:
                for _ in range(ACTIONS):
                    note(runner.run(self.world.act(dice)))

            @invariant()
            def agree(self) -> None:
                runner.run(self.world.compare())

        try:
            run_state_machine_as_test(Machine, settings=BOUNDED)
        finally:
            runner.run(stack.aclose())
