"""Sessions over HTTP and at the socket: refreshing, devices, signing out, and tokens that are not genuine."""

import asyncio
from typing import Any

import httpx
import msgspec
import pytest
import websockets

from dating.clock import SECOND
from dating.database import Transaction
from dating.settings import Settings
from dating.tokens import hash_secret, verify_access
from tests.forgery import Forger
from tests.kit import PASSWORD, Api, Person, Server, running

REFUSED = "Invalid or expired refresh token"


async def renew(api: Api, token: object, path: str = "/refresh", **fields: Any) -> httpx.Response:
    """Ask for a new pair."""
    return await api.http.post(path, json={"refresh_token": token, **fields})


async def works(api: Api, token: str) -> bool:
    """Whether an access token opens the door."""
    return (await api.http.get("/me", headers={"Authorization": f"Bearer {token}"})).status_code == 200


async def again(api: Api, person: Person, **fields: Any) -> Person:
    """The same person on another device."""
    answer = await api.http.post("/login", json={"username": person.username, "password": PASSWORD, **fields})
    assert answer.status_code == 200, answer.text
    return Person(api, answer.json())


def shift(api: Api, seconds: float) -> None:
    """Let time pass."""
    clock = api.app.state.db.clock
    api.app.state.db.clock = lambda: clock() + round(seconds * SECOND)


# --- refreshing -------------------------------------------------------------------------------------------------------------


async def test_a_refresh_gives_a_new_pair(api: Api) -> None:
    """Both tokens are new and work; the session stays the same."""
    anna = await api.person()
    session = (await anna.get("/sessions")).json()["sessions"][0]["id"]
    for path in ("/refresh", "/api/auth/refresh"):
        answer = await renew(api, anna.refresh_token, path, user_id=anna.id)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert {"user_id", "access_token", "refresh_token", "token_type", "expires_in", "access_expires"} == set(body)
        assert len({anna.refresh_token, anna.token, body["refresh_token"], body["access_token"]}) == 4
        assert await works(api, body["access_token"])
        anna = Person(api, body | {"user": {"username": anna.username}})
    assert (await anna.get("/sessions")).json()["sessions"][0]["id"] == session


async def test_a_repeat_within_the_grace_gets_the_same_successor(api: Api) -> None:
    """A client that lost the answer is not logged out, and its successor goes on."""
    anna = await api.person()
    first = (await renew(api, anna.refresh_token)).json()["refresh_token"]
    shift(api, 9)
    second = (await renew(api, anna.refresh_token)).json()["refresh_token"]
    assert first == second
    assert (await renew(api, first)).status_code == 200


async def test_a_late_reuse_ends_the_session(api: Api) -> None:
    """After the grace window an old token is a theft: it is refused, and so is everything that came after it."""
    anna = await api.person()
    fresh = (await renew(api, anna.refresh_token)).json()
    shift(api, 11)
    answer = await renew(api, anna.refresh_token)
    assert (answer.status_code, answer.json()["detail"]) == (401, REFUSED)
    assert (await renew(api, fresh["refresh_token"])).status_code == 401
    assert not await works(api, fresh["access_token"])
    assert await api.count("sessions") == 0


async def test_reuse_of_any_older_token_ends_the_session(api: Api) -> None:
    """Not only the one before the current: the very first is known as well, even at once."""
    anna = await api.person()
    token = anna.refresh_token
    for _ in range(4):
        token = (await renew(api, token)).json()["refresh_token"]
    assert (await renew(api, anna.refresh_token)).status_code == 401
    assert (await renew(api, token)).status_code == 401


async def test_reuse_ends_only_its_own_session(api: Api) -> None:
    """The other devices of the person stay signed in."""
    anna = await api.person()
    other = await again(api, anna)
    token = (await renew(api, anna.refresh_token)).json()["refresh_token"]
    await renew(api, token)
    await renew(api, anna.refresh_token)
    assert await works(api, other.token)
    assert (await renew(api, other.refresh_token)).status_code == 200


async def test_of_eight_racers_all_get_one_successor(api: Api) -> None:
    """Whoever comes first rotates; the others get the same token, and the session lives."""
    anna = await api.person()
    answers = await asyncio.gather(*[renew(api, anna.refresh_token) for _ in range(8)])
    assert {answer.status_code for answer in answers} == {200}
    (successor,) = {answer.json()["refresh_token"] for answer in answers}
    assert (await renew(api, successor)).status_code == 200


async def test_the_successor_survives_a_new_secret(settings: Settings) -> None:
    """When the server's secret is rotated, current tokens go on and a repeat still gets its successor."""
    old, new = "old" * 16, "new" * 16
    async with running(msgspec.structs.replace(settings, jwt_secrets=(old,))) as api:
        anna = await api.person("anna")
        second = (await renew(api, anna.refresh_token)).json()["refresh_token"]
    async with running(msgspec.structs.replace(settings, jwt_secrets=(new, old))) as api:
        assert await works(api, anna.token)
        assert (await renew(api, anna.refresh_token)).json()["refresh_token"] == second
        assert (await renew(api, second)).status_code == 200


async def test_a_session_dies_of_disuse_and_lives_by_use(settings: Settings) -> None:
    """Thirty days from the last refresh, not from the first."""
    async with running(settings) as api:
        anna = await api.person()
        shift(api, 29 * 86_400)
        fresh = await renew(api, anna.refresh_token)
        assert fresh.status_code == 200
        shift(api, 29 * 86_400)
        fresh = await renew(api, fresh.json()["refresh_token"])
        assert fresh.status_code == 200
        shift(api, 30 * 86_400)
        assert (await renew(api, fresh.json()["refresh_token"])).status_code == 401


async def test_what_is_no_refresh_token_is_refused(api: Api) -> None:
    """Unknown ones are 401 and end nothing; what is no text is 400."""
    anna = await api.person()
    family = anna.refresh_token.partition(".")[0]
    for token in ("", "x", ".", "a.b", anna.token[:500], "ю" * 100, hash_secret(anna.refresh_token), f"{family[:-1]}.x"):
        answer = await renew(api, token)
        assert (answer.status_code, answer.json()["detail"]) == (401, REFUSED), token
    for nothing in (None, 5, ["x"], {"a": 1}, "x" * 513):
        assert (await renew(api, nothing)).status_code == 400, nothing
    assert (await api.http.post("/refresh", json={})).status_code == 400
    assert (await renew(api, anna.refresh_token)).status_code == 200


async def test_nothing_secret_is_stored_in_the_clear(api: Api) -> None:
    """No column holds a token, a device's id, or the password."""
    anna = await api.person(device_id="my-own-device")
    successor = (await renew(api, anna.refresh_token)).json()["refresh_token"]

    async def dump(tx: Any) -> str:
        sessions = await tx.all(str, "SELECT family || refresh || previous || device || name FROM sessions")
        return "".join([*sessions, *await tx.all(str, "SELECT username || password FROM users")])

    stored = await api.app.state.db.read(dump)
    secrets = {anna.refresh_token, successor, "my-own-device", PASSWORD, *anna.refresh_token.split("."), *successor.split(".")}
    assert not any(secret in stored for secret in secrets)


# --- devices ----------------------------------------------------------------------------------------------------------------


async def test_sessions_are_listed(api: Api) -> None:
    """Name, times and which one asks; nobody else's, and no secrets."""
    anna = await api.person()
    await api.person()
    agent = {"User-Agent": b"Firefox \xff" + b"x" * 300}
    answer = await api.http.post("/login", json={"username": anna.username, "password": PASSWORD}, headers=agent)
    other = Person(api, answer.json())
    listed = (await other.get("/sessions")).json()
    assert [session["current"] for session in listed["sessions"]] == [True, False]
    first = listed["sessions"][0]
    assert set(first) == {"id", "name", "created_at", "last_used_at", "current"}
    assert first["name"].startswith("Firefox")
    assert len(first["name"]) <= 100
    assert first["created_at"].endswith("Z")
    assert listed["next_cursor"] is None


async def test_a_device_has_one_session(api: Api) -> None:
    """Signing in again on the same device ends its earlier session and gives another id; other devices stay."""
    anna = await api.person(device_id="phone")
    laptop = await again(api, anna, device_id="laptop")
    before = {session["id"] for session in (await laptop.get("/sessions")).json()["sessions"]}
    phone = await again(api, anna, device_id="phone")
    assert not await works(api, anna.token)
    assert (await renew(api, anna.refresh_token)).status_code == 401
    after = (await phone.get("/sessions")).json()["sessions"]
    assert len(after) == 2
    assert {session["id"] for session in after if session["current"]}.isdisjoint(before)
    assert await works(api, laptop.token)


async def test_the_same_device_of_two_people_is_two(api: Api) -> None:
    """A shared phone: one person's sign-in does not end the other's."""
    anna, berta = await api.person(device_id="phone"), await api.person(device_id="phone")
    assert await works(api, anna.token)
    assert await works(api, berta.token)


async def test_racing_sign_ins_of_a_device_leave_one_session(api: Api) -> None:
    """Eight at once: none fails, one session is left."""
    anna = await api.person(device_id="phone")
    people = await asyncio.gather(*[again(api, anna, device_id="phone") for _ in range(8)])
    assert sum([await works(api, person.token) for person in people]) == 1
    assert await api.count("sessions") == 1


@pytest.mark.one_process("changes a constant of the program")
async def test_sessions_are_bounded(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many devices: the one used longest ago goes."""
    monkeypatch.setattr("dating.accounts.sessions.SESSIONS_KEPT", 3)
    anna = await api.person()
    others = [await again(api, anna) for _ in range(3)]
    assert not await works(api, anna.token)
    assert [await works(api, other.token) for other in others] == [True] * 3


# --- signing out ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{}, {"json": {}}, {"json": {"all": False}}, {"json": None}])
async def test_signing_out_ends_this_session(api: Api, body: dict[str, Any]) -> None:
    """With or without a body; the other devices stay."""
    anna = await api.person()
    other = await again(api, anna)
    answer = await anna.post("/logout", **body)
    assert (answer.status_code, answer.json()) == (200, {"status": "logged out"})
    assert not await works(api, anna.token)
    assert (await renew(api, anna.refresh_token)).status_code == 401
    assert await works(api, other.token)
    assert (await anna.post("/logout")).status_code == 401


async def test_signing_out_everywhere(api: Api) -> None:
    """`all` ends every session of mine, and nobody else's."""
    anna, berta = await api.person(), await api.person()
    other = await again(api, anna)
    assert (await anna.post("/api/auth/logout", json={"all": True})).json() == {"status": "logged out"}
    assert [await works(api, person.token) for person in (anna, other, berta)] == [False, False, True]


async def test_a_bad_body_signs_nobody_out(api: Api) -> None:
    """What is no boolean is 400."""
    anna = await api.person()
    for body in ({"all": "yes"}, {"all": 1}, {"all": None}, []):
        assert (await anna.post("/logout", json=body)).status_code == 400, body
    assert await works(api, anna.token)


async def test_ending_another_device(api: Api) -> None:
    """By its id; somebody else's, an unknown and an impossible one look alike."""
    anna, berta = await api.person(), await api.person()
    other = await again(api, anna)
    ids = {session["current"]: session["id"] for session in (await anna.get("/sessions")).json()["sessions"]}
    problems = [await berta.delete(f"/sessions/{session}") for session in (ids[False], 999_999, 2**53, 2**63, 2**80)]
    assert [problem.status_code for problem in problems] == [404] * 5
    assert problems[0].json() == problems[1].json()
    assert (await anna.delete(f"/sessions/{ids[False]}")).json() == {"status": "logged out"}
    assert not await works(api, other.token)
    assert await works(api, anna.token)
    assert (await anna.delete(f"/sessions/{ids[False]}")).status_code == 404


async def test_ending_a_session_closes_its_sockets(server: Server) -> None:
    """Signing out, being replaced, and a changed password close the sockets of that session at once, and no others."""
    anna = await server.person("anna", device_id="phone")
    laptop = await again(server, anna, device_id="laptop")
    async with server.socket(anna) as first, server.socket(laptop) as second:
        phone = await again(server, anna, device_id="phone")
        assert await first.closed() == 4403
        async with server.socket(phone) as third:
            await phone.post("/logout")
            assert await third.closed() == 4403
        assert await second.quiet() == []
        tablet = await again(server, anna)
        async with server.socket(tablet) as fourth:
            body = {"old_password": PASSWORD, "new_password": "another long password"}
            assert (await laptop.post("/api/auth/password", json=body)).status_code == 200
            assert await fourth.closed() == 4403
        assert await second.quiet() == []
        await laptop.post("/logout", json={"all": True})
        assert await second.closed() == 4403


async def test_a_ticket_of_an_ended_session_does_nothing(server: Server) -> None:
    """A socket token that outlives its session opens a socket that is closed; what was said on it meanwhile is not done."""
    anna, boris = await server.people(2)
    message = await boris.say(await anna.match(boris), "Привет")
    ticket = (await anna.post("/ws/start")).json()["session_token"]
    await anna.post("/logout")
    async with server.connect(f"/ws/chat?session={ticket}") as socket:
        await socket.send(type="delivered", chat_id=message["chat_id"], message_id=message["id"])
        assert await socket.closed() == 4403
    assert await boris.told() == ["match", "message"]


async def test_a_stolen_refresh_token_closes_the_sockets(server: Server) -> None:
    """Reuse ends the session, and its sockets with it."""
    anna = await server.person("anna")
    async with server.socket(anna) as socket:
        token = (await renew(server, anna.refresh_token)).json()["refresh_token"]
        await renew(server, token)
        assert (await renew(server, anna.refresh_token)).status_code == 401
        assert await socket.closed() == 4403


# --- tokens that are not genuine --------------------------------------------------------------------------------------------


async def forger(api: Api, person: Person) -> Forger:
    """Somebody who knows the server's secret and this person's session."""
    settings = api.app.state.settings
    claims = verify_access(settings, person.token)
    return Forger(settings, person.id, claims.session_id, claims.since, person.refresh_token)


async def test_forged_tokens_open_no_door(server: Server) -> None:
    """Each of them is 401 over HTTP and at the upgrade of a socket, with the same answer; the genuine one works."""
    anna = await server.person("anna")
    await server.person("berta")
    forge = await forger(server, anna)
    assert await works(server, forge.genuine())
    bodies = set()
    count = 0
    for fault, token in forge.forgeries():
        headers = {"Authorization": f"Bearer {token}".strip().encode("latin-1")}
        answer = await server.http.get("/me", headers=headers)
        assert answer.status_code == 401, fault
        assert answer.headers["www-authenticate"] == "Bearer"
        bodies.add(answer.text)
        if token.isascii() and len(token) < 8000:  # longer ones do not get through the server's parser of upgrades
            with pytest.raises(websockets.InvalidStatus) as refused:
                async with server.connect("/ws", additional_headers={"Authorization": f"Bearer {token}".strip()}):
                    pass
            assert refused.value.response.status_code == 401, fault
        count += 1
    assert count >= 25
    assert len(bodies) == 1


async def test_other_schemes_open_no_door(api: Api) -> None:
    """Only `Bearer`, whatever its case; anything else is 401."""
    anna = await api.person()
    for scheme in ("", "Basic ", "Token ", "Bearer", "Bearer  x ", "Digest "):
        answer = await api.http.get("/me", headers={"Authorization": f"{scheme}{anna.token}".strip()})
        assert answer.status_code == 401, scheme
    assert (await api.http.get("/me", headers={"Authorization": f"bEARER {anna.token}"})).status_code == 200
    assert (await api.http.get("/me")).status_code == 401


async def test_a_session_of_somebody_else_is_no_session(api: Api) -> None:
    """Person and session of a token must belong together."""
    anna, berta = await api.person(), await api.person()
    forge = await forger(api, anna)
    assert not await works(api, forge.sign(sub=str(berta.id)))


async def test_a_session_that_got_the_id_of_a_lost_one_is_another(api: Api) -> None:
    """After a restore of the database ids are given out again: the tokens of then do not open what has their numbers now."""
    anna = await api.person()
    lost = anna.token

    async def open_anew(tx: Transaction) -> int:
        return await tx.run("UPDATE sessions SET created_at = created_at + 1 WHERE user_id = :user_id", user_id=anna.id)

    assert await api.app.state.db.write(open_anew) == 1
    assert not await works(api, lost)
    assert await works(api, (await renew(api, anna.refresh_token)).json()["access_token"])


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_only_json_is_read(api: Api, media: str) -> None:
    """A form that another page submits changes nothing."""
    body = b'{"username": "anna", "password": "correct horse battery"}'
    for path in ("/register", "/login", "/refresh", "/api/auth/password/forgot"):
        answer = await api.http.post(path, content=body, headers={"Content-Type": media})
        assert answer.status_code == 415, path
    assert await api.count("users") == 0
