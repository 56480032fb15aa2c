"""What attackers of dating services have tried that belongs to no feature alone; `docs/safety.md` has all of it."""

import logging
from typing import Any

import msgspec
import pytest

from dating.documentation import document
from dating.settings import Settings
from tests.api.test_access_matrix import MATRIX, World
from tests.api.test_bad_input import NAMES, fingerprint, list_fields, list_with_body
from tests.kit import PASSWORD, Api, Person, Server, running

MARKER = "put there by a stranger"

# Columns of which a body may say something, each by the operation's own rules. Anything else is the server's alone.
SAID_BY_BODIES = {
    "action", "bio", "chat_id", "client_id", "code", "comment", "content", "dealbreakers", "discoverable", "email", "emoji",
    "explanation", "gender", "incognito", "interests", "kind", "location", "max_age", "max_distance_km", "max_uses", "media",
    "messages_from", "min_age", "multiple", "name", "note", "notify_likes", "notify_matches", "notify_messages", "options",
    "overturned", "password", "payload", "photo_url", "prompts", "read_receipts", "reason", "reply_to_id", "show_distance",
    "show_last_active", "target_id", "target_kind", "username", "website", "words",
}  # fmt: skip
ENDS = {"DELETE /me", "POST /logout", "POST /api/auth/logout"}
ROLES = {"PATCH /api/chats/{chat_id}/members/{user_id}", "PUT /api/moderation/users/{user_id}/role"}


async def list_columns(api: Api) -> set[str]:
    """The name of every column of every table."""
    db = api.app.state.db
    return {name.split()[1] for name in await db.read(lambda tx: tx.all(str, NAMES[db.dialect]))}


async def test_bodies_say_nothing_that_is_the_servers(api: Api) -> None:
    """No body has a field for a role, a verification, a counter, a time, or whose something is."""
    columns, whole = await list_columns(api), document(api.app)
    known = whole["components"]["schemas"]
    for operation in list_with_body(whole):
        schema = operation.about["requestBody"]["content"]["application/json"]["schema"]
        said = {path[-1] for path, _, _ in list_fields(schema, known)} & columns
        assert said - SAID_BY_BODIES == ({"role"} if operation.name in ROLES else set()), operation.name


async def test_columns_in_bodies_are_ignored(api: Api) -> None:
    """Every operation is asked with every column of the database beside its own fields: none of it arrives there."""
    world = await World(api).make()
    columns = await list_columns(api)
    asked = 0
    for name, row in MATRIX.items():
        body = row.body(world)
        method, path = name.split(" ")
        if not isinstance(body, dict) or name in ENDS:
            continue
        injected = dict.fromkeys(columns - SAID_BY_BODIES - {"role"}, MARKER)
        answer = await world.owner.request(method, path.format(**world.names(name)) + row.query, json=injected | body)
        assert answer.status_code < 500
        asked += answer.status_code < 300
    assert asked > 20
    assert MARKER not in str(await fingerprint(api))


async def test_a_like_tells_nothing_of_what_the_other_thinks(api: Api) -> None:
    """Who has passed on me, who has hidden me and who has never seen me: my like is answered alike, to the byte."""
    anna, stranger, passed, hid = await api.people(4)
    await passed.post("/swipe", json={"target_id": anna.id, "action": "dislike"})
    await hid.post(f"/api/users/{anna.id}/hide")
    answers = set()
    for other in (stranger, passed, hid):
        for action in ("like", "superlike"):
            answer = await anna.post("/swipe", json={"target_id": other.id, "action": action})
            headers = {k: v for k, v in answer.headers.items() if k not in ("x-request-id", "date", "ratelimit")}
            answers.add((answer.status_code, answer.content, str(headers)))
    assert len(answers) == 1
    assert await anna.inbox() == []


async def test_profiles_are_not_read_by_the_thousand(settings: Settings) -> None:
    """Whoever opens one profile after the other, by id or by name, there or not, is stopped; others are not."""
    async with running(msgspec.structs.replace(settings, rate_limits=True, limit_profile="6/day")) as api:
        anna, boris = await api.people(2)
        absent = [f"/user/{number}" for number in (10**9, 10**9 + 1)]
        for path in (f"/user/{boris.id}", f"/api/users/username/{boris.username}", f"/v1/users/{boris.id}", *absent, *absent):
            answer = await anna.get(path)
        assert (answer.status_code, answer.json()["code"]) == (429, "rate_limited")
        assert int(answer.headers["retry-after"]) > 3600
        assert (await boris.get(f"/user/{anna.id}")).status_code == 200


async def fill_in(person: Person, chat_id: int, secrets: dict[str, Any]) -> None:
    """Say a secret wherever one can be said: once as it should be, and once so that it is refused."""
    place = {"latitude": secrets["latitude"], "longitude": secrets["longitude"]}
    assert (await person.patch("/me", json={"bio": secrets["bio"], **place})).status_code == 200
    assert (await person.patch("/me", json={"bio": secrets["bio"] * 100, "latitude": secrets["latitude"]})).status_code == 400
    await person.say(chat_id, secrets["message"])
    for body in ({"content": secrets["message"]}, {"chat_id": 10**9, "content": secrets["message"]}):
        assert (await person.post("/messages/send", json=body)).status_code >= 400
    assert (await person.post("/messages/send", content=b'{"content": "%s' % secrets["message"].encode())).status_code >= 400
    assert (await person.get(f"/api/search?type=messages&q={secrets['message']}")).status_code == 200
    assert (await person.api.http.post("/login", json={"username": "nobody", "password": secrets["password"]})).status_code == 401
    assert (await person.get("/profiles/search", params=place)).status_code == 200


@pytest.mark.one_process("reads the log of this process")
async def test_logs_say_nothing_of_people(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Messages, places, passwords and tokens are in no line of the log, at its loudest, accepted or refused."""
    secrets = {
        "bio": "люблю-канареек",
        "message": "канарейка",
        "password": PASSWORD + "!",
        "latitude": 48.2137,
        "longitude": 11.6176,
    }
    caplog.set_level(logging.DEBUG)
    async with running(msgspec.structs.replace(settings, log_level="debug")) as api:
        anna, boris = await api.people(2)
        await fill_in(anna, await anna.match(boris), secrets)
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore", "aiosqlite"))]
    logged = "\n".join(f"{record.getMessage()} {record.__dict__}" for record in ours)
    found = [secret for secret in (*map(str, secrets.values()), anna.token, anna.refresh_token) if secret in logged]
    assert found == []


async def test_nobody_speaks_for_somebody_else(server: Server) -> None:
    """A sender that a client names, in a body or in a frame, is not looked at: it is who holds the token."""
    anna, boris, clara = await server.people(3)
    chat_id = await anna.match(boris)
    async with server.socket(boris) as his, server.socket(anna) as hers:
        said = await anna.say(chat_id, "Это я", sender_id=clara.id, user_id=clara.id)
        assert said["sender_id"] == anna.id
        assert (await his.wait("message"))["user_id"] == anna.id
        await hers.send(type="typing", chat_id=chat_id, user_id=clara.id, sender_id=clara.id)
        assert (await his.wait("typing"))["user_id"] == anna.id
        await his.send(type="delivered", chat_id=chat_id, message_id=said["id"], user_id=clara.id)
        assert (await hers.wait("delivered"))["user_id"] == boris.id
