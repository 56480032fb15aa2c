"""Who may do what: every operation, asked by nobody, the owner, the other party, a stranger and somebody blocked.

The thing asked for is always Anna's: her profile, her session, her chat with Boris and her message in it. Clara knows neither;
Dmitri once matched Anna and was then blocked by her. What one may not see answers exactly like what does not exist.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import httpx
import pytest

from dating.app import create_app
from dating.documentation import document
from dating.settings import Settings
from tests.kit import PASSWORD, Api, Person

ACTORS = ("nobody", "owner", "party", "stranger", "blocked")


class World:
    """Four people and what is between them."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def make(self) -> "World":
        """Register them, match Anna with Boris and with Dmitri, and let her block Dmitri."""
        self.owner, self.party, self.stranger, self.blocked = await self.api.people(4, birthday="1994-05-17")
        self.people = {"owner": self.owner, "party": self.party, "stranger": self.stranger, "blocked": self.blocked}
        self.chat_id = await self.owner.match(self.party)
        self.message_id = (await self.owner.say(self.chat_id, "Привет!"))["id"]
        self.poll_id = (await self.owner.say(self.chat_id, "Куда?", poll={"options": ["Горы", "Море"]}))["id"]
        self.reply_id = (await self.party.say(self.chat_id, "И тебе 👋"))["id"]
        made = await self.owner.post("/api/chats", json={"kind": "group", "name": "Походы", "member_ids": [self.party.id]})
        self.group_id = made.json()["id"]
        invite = (await self.owner.post(f"/api/chats/{self.group_id}/invites", json={})).json()
        self.invite_id, self.invite_token = invite["id"], invite["token"]
        called = await self.owner.post("/api/calls", json={"chat_id": self.chat_id, "sdp": "v=0"})
        self.call_id = called.json()["id"]
        await self.owner.match(self.blocked)
        assert (await self.owner.post(f"/api/users/{self.blocked.id}/block")).status_code == 200
        self.session_id = (await self.owner.get("/sessions")).json()["sessions"][0]["id"]
        return self

    def names(self, operation: str) -> dict[str, Any]:
        """What is asked for in a path: of groups, the group."""
        return {
            "user_id": self.owner.id,
            "username": self.owner.username,
            "chat_id": self.group_id if operation in OF_GROUPS else self.chat_id,
            "message_id": self.poll_id if operation.endswith("/vote") else self.message_id,
            "invite_id": self.invite_id,
            "session_id": self.session_id,
            "call_id": self.call_id,
            "report_id": 1,
            "statement_id": 1,
            "token": "of-nobody",
        }

    async def ask(self, actor: str, method: str, path: str, body: Any) -> httpx.Response:
        """One request by one of them."""
        options = {} if body is None else {"json": body}
        if actor == "nobody":
            return await self.api.http.request(method, path, **options)
        return await self.people[actor].request(method, path, **options)


class Row(NamedTuple):
    """What is asked, and the status for each of the actors."""

    statuses: tuple[int, int, int, int, int]
    body: Callable[[World], Any] = lambda world: None
    query: str = ""


def everybody(status: int) -> tuple[int, int, int, int, int]:
    """The same for all, nobody included."""
    return (status, status, status, status, status)


def signed_in(status: int) -> tuple[int, int, int, int, int]:
    """The same for whoever is signed in."""
    return (401, status, status, status, status)


def password(world: World) -> dict[str, str]:
    """The body that asks for everybody's password."""
    return {"password": PASSWORD}


REGISTER = Row(everybody(201), lambda world: {"username": f"{world.owner.username}_again", "password": PASSWORD})
LOGIN = Row(everybody(200), lambda world: {"username": world.owner.username, "password": PASSWORD})
REFRESH = Row(everybody(200), lambda world: {"refresh_token": world.owner.refresh_token})
CODE = {"email": "nobody@example.org", "code": "123456"}
SEND = Row((401, 201, 201, 404, 404), lambda world: {"chat_id": world.chat_id, "content": "Hi", "receiver_id": world.owner.id})
PROFILE = Row((200, 200, 200, 200, 404))
CHANGE = Row(signed_in(200), lambda world: {"bio": "Новое"})
MESSAGES = Row((401, 200, 200, 404, 404))
MEMBERS = (401, 200, 200, 404, 404)
OWNERS_MESSAGE = (401, 200, 403, 404, 404)
MANAGERS = (401, 200, 403, 404, 404)  # the party is a plain member of the group
SWITCH = Row(MEMBERS, lambda world: {"on": True})

BOOK = Row(signed_in(200), lambda world: {"hashes": ["0" * 64]})
REPORT = {"target_kind": "person", "reason": "spam"}

MATRIX = {
    "GET /healthz": Row(everybody(200)),
    "GET /health": Row(everybody(200)),
    "GET /ping": Row(everybody(200)),
    "GET /api": Row(everybody(200)),
    "GET /readyz": Row(everybody(200)),
    "GET /metrics": Row(everybody(200)),
    "POST /register": REGISTER,
    "POST /api/auth/register": REGISTER,
    "POST /login": LOGIN,
    "POST /api/auth/login": LOGIN,
    "POST /v1/auth/login": LOGIN,
    "POST /refresh": REFRESH,
    "POST /api/auth/refresh": REFRESH,
    "POST /api/auth/verify-code": Row(everybody(401), lambda world: CODE),
    "POST /api/auth/resend-verify-code": Row(everybody(200), lambda world: {"email": CODE["email"]}),
    "POST /api/auth/password/forgot": Row(everybody(200), lambda world: {"email": CODE["email"]}),
    "POST /api/auth/password/reset": Row(everybody(401), lambda world: CODE | {"password": "another long one"}),
    "POST /api/auth/password": Row(signed_in(200), lambda world: {"old_password": PASSWORD, "new_password": "another long one"}),
    "POST /logout": Row(signed_in(200), lambda world: {}),
    "POST /api/auth/logout": Row(signed_in(200), lambda world: {"all": True}),
    "GET /sessions": Row(signed_in(200)),
    "DELETE /sessions/{session_id}": Row((401, 200, 404, 404, 404)),
    "DELETE /me": Row(signed_in(200), password),
    "GET /me": Row(signed_in(200)),
    "GET /me/export": Row(signed_in(202)),
    "POST /me/export": Row(signed_in(202), password),
    "GET /me/export/{token}": Row(signed_in(404)),
    "PUT /me/contacts": BOOK,
    "POST /me/contacts": BOOK,
    "GET /me/contacts": Row(signed_in(200)),
    "DELETE /me/contacts": Row(signed_in(200)),
    "GET /api/users/me": Row(signed_in(200)),
    "PUT /me": CHANGE,
    "PATCH /me": CHANGE,
    "PUT /api/users/me": CHANGE,
    "PATCH /api/users/me": CHANGE,
    "GET /user/{user_id}": PROFILE,
    "GET /api/users/{user_id}": PROFILE,
    "GET /v1/users/{user_id}": PROFILE,
    "GET /api/users/username/{username}": PROFILE,
    "GET /profiles/search": Row(signed_in(200)),
    "GET /profiles/search/explain": Row(signed_in(200)),
    "GET /v1/statistics/fairness": Row(everybody(200)),
    "GET /v1/statistics/fairness/chart": Row(everybody(200)),
    "GET /me/statistics": Row(signed_in(200)),
    "GET /picks": Row(signed_in(200)),
    "POST /swipe": Row((401, 400, 200, 200, 404), lambda world: {"target_id": world.owner.id, "action": "like"}),
    "POST /swipe/undo": Row((401, 409, 409, 404, 409)),
    "GET /swipe/limits": Row(signed_in(200)),
    "POST /boost": Row(signed_in(200)),
    "GET /followers": Row(signed_in(200)),
    "GET /matches": Row(signed_in(200)),
    "DELETE /matches/{user_id}": Row((401, 404, 200, 404, 404)),
    "DELETE /clear/my/swipes": Row(signed_in(200)),
    "POST /messages/send": SEND,
    "POST /api/messages": SEND,
    "GET /api/search": Row(signed_in(200), query="?q=привет"),
    "GET /api/users/search": Row(signed_in(200), query="?q=anna"),
    "GET /chats": Row(signed_in(200)),
    "GET /api/chats": Row(signed_in(200)),
    "POST /api/chats": Row((401, 400, 200, 403, 404), lambda world: {"kind": "direct", "member_ids": [world.owner.id]}),
    "GET /chats/requests": Row(signed_in(200)),
    "GET /api/chats/requests": Row(signed_in(200)),
    "GET /api/chats/unread-count": Row(signed_in(200)),
    "POST /api/chats/{chat_id}/accept": Row((401, 409, 409, 404, 404)),  # it is a match
    "POST /api/chats/{chat_id}/decline": Row((401, 409, 409, 404, 404)),
    "GET /api/messages/hidden": Row(signed_in(200)),
    "POST /api/messages/{message_id}/unhide": Row(signed_in(404)),  # nobody has hidden words
    "GET /me/hidden-words": Row(signed_in(200)),
    "PUT /me/hidden-words": Row(signed_in(200), lambda world: {"words": ["крипта"]}),
    "GET /api/chats/{chat_id}": Row((401, 200, 200, 404, 404)),
    "GET /chat/messages/{chat_id}": MESSAGES,
    "GET /api/chats/{chat_id}/messages": MESSAGES,
    "POST /chat/read": Row((401, 200, 200, 404, 404), lambda world: {"chat_id": world.chat_id}),
    "POST /messages/read": Row(
        (401, 200, 200, 404, 404), lambda world: {"chat_id": world.chat_id, "message_ids": [world.message_id]}
    ),
    "POST /api/messages/{message_id}/react": Row(MEMBERS, lambda world: {"emoji": "❤️"}),
    "POST /api/messages/{message_id}/edit": Row(OWNERS_MESSAGE, lambda world: {"content": "Привет всем!"}),
    "POST /api/messages/{message_id}/delete": Row(OWNERS_MESSAGE, lambda world: {"for_all": True}),
    "POST /api/messages/{message_id}/pin": SWITCH,
    "POST /api/messages/{message_id}/vote": Row(MEMBERS, lambda world: {"choices": [0]}),
    "GET /api/messages/{message_id}/versions": Row(MEMBERS),
    "GET /api/chats/{chat_id}/pins": Row(MEMBERS),
    "POST /api/chats/{chat_id}/mute": SWITCH,
    "POST /api/chats/{chat_id}/archive": SWITCH,
    "POST /api/chats/{chat_id}/pin": SWITCH,
    "POST /api/chats/{chat_id}/unread": SWITCH,
    "PATCH /api/chats/{chat_id}": Row(MANAGERS, lambda world: {"name": "Горы"}),
    "DELETE /api/chats/{chat_id}": Row(MEMBERS),
    "POST /api/chats/{chat_id}/members": Row(MANAGERS, lambda world: {"user_ids": [world.party.id]}),
    "DELETE /api/chats/{chat_id}/members/{user_id}": Row(MANAGERS),
    "PATCH /api/chats/{chat_id}/members/{user_id}": Row(MANAGERS, lambda world: {"role": "owner"}),
    "POST /api/chats/{chat_id}/invites": Row((401, 201, 403, 404, 404), lambda world: {}),
    "GET /api/chats/{chat_id}/invites": Row(MANAGERS),
    "DELETE /api/chats/{chat_id}/invites/{invite_id}": Row(MANAGERS),
    "POST /api/chats/join": Row((401, 200, 200, 201, 201), lambda world: {"token": world.invite_token}),
    "POST /api/users/{user_id}/block": Row((401, 400, 200, 200, 200)),  # whoever is blocked may block back
    "DELETE /api/users/{user_id}/block": Row((401, 400, 200, 200, 200)),
    "POST /api/users/{user_id}/hide": Row((401, 400, 200, 200, 404)),
    "DELETE /api/users/{user_id}/hide": Row((401, 400, 200, 200, 404)),
    "GET /api/users/hidden": Row(signed_in(200)),
    "GET /api/users/blocked": Row(signed_in(200)),
    "POST /api/reports": Row((401, 400, 201, 201, 404), lambda world: REPORT | {"target_id": world.owner.id}),
    "GET /me/statements": Row(signed_in(200)),
    "POST /me/statements/{statement_id}/appeal": Row(signed_in(404), lambda world: {"text": "Нет."}),
    "POST /api/auth/appeal": Row(everybody(401), lambda world: {"username": world.owner.username, "password": PASSWORD}),
    "GET /api/moderation/reports": Row(signed_in(404)),
    "POST /api/moderation/reports/{report_id}/assign": Row(signed_in(404)),
    "GET /api/moderation/reports/{report_id}": Row(signed_in(404)),
    "POST /api/moderation/reports/{report_id}/resolve": Row(signed_in(404), lambda world: {"action": "dismiss"}),
    "GET /api/moderation/held": Row(signed_in(404)),
    "POST /api/moderation/held/{message_id}/assign": Row(signed_in(404)),
    "POST /api/moderation/held/{message_id}/resolve": Row(signed_in(404), lambda world: {"action": "release"}),
    "GET /api/moderation/appeals": Row(signed_in(404)),
    "POST /api/moderation/appeals/{statement_id}": Row(signed_in(404), lambda world: {"overturned": True, "text": "Да."}),
    "GET /api/moderation/transparency": Row(signed_in(404)),
    "GET /api/moderation/audit": Row(signed_in(404)),
    "PUT /api/moderation/users/{user_id}/role": Row(signed_in(404), lambda world: {"role": "admin", "password": PASSWORD}),
    "POST /ws/start": Row(signed_in(200)),
    "GET /api/calls/servers": Row(signed_in(200)),
    "POST /api/calls": Row((401, 409, 409, 404, 404), lambda world: {"chat_id": world.chat_id, "sdp": "v=0"}),  # they are in one
    "GET /api/calls/{call_id}": Row(MEMBERS),
    "POST /api/calls/{call_id}/answer": Row((401, 409, 200, 404, 404), lambda world: {"sdp": "v=0"}),
    "POST /api/calls/{call_id}/signal": Row(MEMBERS, lambda world: {"kind": "ice", "payload": "candidate:1"}),
    "POST /api/calls/{call_id}/hangup": Row(MEMBERS),
}
OF_GROUPS = {
    *[name for name in MATRIX if "/members" in name or "/invites" in name],
    "PATCH /api/chats/{chat_id}",
    "DELETE /api/chats/{chat_id}",
}
LISTS = [
    "/followers",
    "/matches",
    "/profiles/search?page_size=100",
    "/profiles/search?order=id",
    "/profiles/search?order=recent",
    "/picks",
    "/chats",
    "/api/chats",
    "/chats/requests",
    "/api/messages/hidden",
    "/api/users/blocked",
    "/api/users/hidden",
    "/sessions",
    "/me",
]


def list_names() -> set[str]:
    """Every operation of the server's own document."""
    methods = {"get", "post", "put", "patch", "delete"}
    paths = document(create_app(Settings()))["paths"]
    return {f"{method.upper()} {path}" for path, item in paths.items() for method in item if method in methods}


def test_the_matrix_has_every_operation() -> None:
    """A new operation needs a row, and a row that is no operation any more goes."""
    assert set(MATRIX) == list_names()


def test_no_token_opens_nothing_of_a_person() -> None:
    """Whatever is not public answers 401 to nobody, and no row was filled in otherwise."""
    for path, item in document(create_app(Settings()))["paths"].items():
        for method, operation in item.items():
            if operation.get("security") == [{"bearer": []}]:
                assert MATRIX[f"{method.upper()} {path}"].statuses[0] == 401, path


@pytest.mark.parametrize("actor", ACTORS)
async def test_access(api: Api, actor: str) -> None:
    """Each operation answers this actor with the status of the table; refusals are problems."""
    surprises = []
    world = await World(api).make()
    for name, row in MATRIX.items():
        method, path = name.split()
        response = await world.ask(actor, method, path.format(**world.names(name)) + row.query, row.body(world))
        expected = row.statuses[ACTORS.index(actor)]
        if response.status_code != expected:
            surprises.append(f"{name}: {response.status_code} instead of {expected}: {response.text[:150]}")
        elif response.status_code >= 400:
            assert response.headers["content-type"] == "application/problem+json", name
        if method != "GET" and response.status_code < 400:
            world = await World(api).make()  # the next operation finds everything as it was
    assert surprises == []


@pytest.mark.parametrize("actor", ["stranger", "blocked"])
async def test_hidden_answers_like_absent(api: Api, actor: str) -> None:
    """What one may not see and what does not exist give the same answer, to the byte."""
    world = await World(api).make()
    person = world.people[actor]
    absent = 2**50
    pairs = [
        ("GET", "/api/chats/{}", world.chat_id, None),
        ("GET", "/chat/messages/{}", world.chat_id, None),
        ("DELETE", "/sessions/{}", world.session_id, None),
        ("POST", "/messages/send", None, {"chat_id": world.chat_id, "content": "x"}),
        ("POST", "/chat/read", None, {"chat_id": world.chat_id}),
        ("GET", "/api/chats/{}/pins", world.chat_id, None),
        ("GET", "/api/chats/{}/invites", world.group_id, None),
        ("DELETE", "/api/chats/{}", world.group_id, None),
        ("POST", "/api/chats/{}/mute", world.chat_id, {"on": True}),
        ("POST", "/api/chats/{}/accept", world.chat_id, None),
        ("POST", "/api/chats/{}/decline", world.chat_id, None),
        ("POST", "/api/messages/{}/unhide", world.message_id, None),
        ("POST", "/api/messages/{}/react", world.message_id, {"emoji": "❤️"}),
        ("POST", "/api/messages/{}/edit", world.message_id, {"content": "x"}),
        ("POST", "/api/messages/{}/delete", world.message_id, {"for_all": False}),
        ("POST", "/api/messages/{}/pin", world.message_id, {"on": True}),
        ("GET", "/api/messages/{}/versions", world.message_id, None),
        ("POST", "/messages/read", None, {"chat_id": world.chat_id, "message_ids": [world.message_id]}),
        ("GET", "/api/calls/{}", world.call_id, None),
        ("POST", "/api/calls", None, {"chat_id": world.chat_id, "sdp": "v=0"}),
        ("POST", "/api/calls/{}/answer", world.call_id, {"sdp": "v=0"}),
        ("POST", "/api/calls/{}/signal", world.call_id, {"kind": "ice", "payload": "x"}),
        ("POST", "/api/calls/{}/hangup", world.call_id, None),
    ]
    if actor == "blocked":
        pairs += [
            ("GET", "/user/{}", world.owner.id, None),
            ("POST", "/swipe", None, {"target_id": world.owner.id, "action": "like"}),
            ("DELETE", "/matches/{}", world.owner.id, None),
            ("POST", "/api/chats", None, {"member_ids": [world.owner.id]}),
        ]
    for method, path, number, body in pairs:
        hidden = await person.request(method, path.format(number), **({"json": body} if body else {}))
        missing = await person.request(method, path.format(absent), **({"json": absentee(body)} if body else {}))
        assert hidden.status_code == missing.status_code == 404, (method, path, hidden.text, missing.text)
        assert hidden.content == missing.content, (method, path)


def absentee(body: dict[str, Any]) -> dict[str, Any]:
    """The same body about something that does not exist."""
    changed = {name: 2**50 for name in body if name in ("chat_id", "target_id")}
    return body | changed | ({"member_ids": [2**50]} if "member_ids" in body else {})


async def test_refused_actors_change_nothing(api: Api) -> None:
    """After every refusal to a stranger and to somebody blocked, the owner's view is what it was."""
    world = await World(api).make()

    async def view(person: Person) -> list[Any]:
        answers = [await person.get(path) for path in (*LISTS, f"/chat/messages/{world.chat_id}", f"/user/{person.id}")]
        return [answer.json() for answer in answers]

    before = [await view(world.owner), await world.owner.inbox(), await world.party.inbox()]
    for name, row in MATRIX.items():
        method, path = name.split()
        for actor, status in zip(ACTORS, row.statuses, strict=True):
            if actor != "owner" and status >= 400:
                response = await world.ask(actor, method, path.format(**world.names(name)) + row.query, row.body(world))
                assert response.status_code >= 400, (name, actor)
    assert [await view(world.owner), await world.owner.inbox(), await world.party.inbox()] == before


async def test_a_block_hides_both_ways_in_every_list(api: Api) -> None:
    """No list, search or page of either shows the other: not the id, not the name."""
    world = await World(api).make()
    for reader, hidden in ((world.owner, world.blocked), (world.blocked, world.owner)):
        for path in LISTS:
            answer = await reader.get(path)
            assert answer.status_code == 200, (path, answer.text)
            if path != "/api/users/blocked":
                assert f'"{hidden.username}"' not in answer.text, path
    assert (await world.blocked.get("/api/users/blocked")).json() == []
