"""Accounts over HTTP: register, sign in, verify, change and reset the password, delete; and that nobody learns who is here."""

import asyncio
from typing import Any

import bcrypt
import httpx
import msgspec
import pytest

from dating.accounts import service
from dating.accounts.passwords import Passwords
from dating.clock import SECOND
from dating.errors import Conflict, Malformed
from dating.settings import Settings
from tests.kit import PASSWORD, Api, Server, names, running
from tests.post import mailing

NEW = "another long password"


def shape(answer: httpx.Response) -> tuple[int, Any, dict[str, str]]:
    """What of an answer could tell two cases apart."""
    headers = {name: value for name, value in answer.headers.items() if name not in ("x-request-id", "date")}
    return answer.status_code, answer.json(), headers


async def value(api: Api, sql: str, **parameters: object) -> Any:
    """One value from the database."""

    async def look(tx: Any) -> Any:
        return await tx.one(str, sql, **parameters)

    return await api.app.state.db.read(look)


async def change(api: Api, sql: str, **parameters: object) -> None:
    """Change the database behind the server's back."""

    async def work(tx: Any) -> None:
        await tx.run(sql, **parameters)

    await api.app.state.db.write(work)


async def login(api: Api, username: str, password: str = PASSWORD, **fields: Any) -> httpx.Response:
    """Try to sign in."""
    return await api.http.post("/login", json={"username": username, "password": password, **fields})


# --- register ---------------------------------------------------------------------------------------------------------------


async def test_registering_signs_in(api: Api) -> None:
    """The answer holds me, my id and tokens that work; blanks around the name are gone, Cyrillic stays."""
    body = {"username": "  Мария_93 ", "password": PASSWORD, "email": " Maria@Example.org", "name": "Мария 🌸", "bio": "чай"}
    answer = await api.http.post("/api/auth/register", json=body)
    assert answer.status_code == 201, answer.text
    given = answer.json()
    assert {"message", "user", "user_id", "access_token", "refresh_token", "token_type", "expires_in", "access_expires"} == set(
        given
    )
    assert (given["user"]["username"], given["user"]["name"], given["user"]["bio"]) == ("Мария_93", "Мария 🌸", "чай")
    assert (given["token_type"], given["expires_in"], given["user"]["roles"]) == ("Bearer", 900, ["user"])
    me = await api.http.get("/me", headers={"Authorization": f"Bearer {given['access_token']}"})
    assert me.json() == given["user"] | {"last_active": me.json()["last_active"]}
    assert (me.json()["id"], me.json()["email"]) == (given["user_id"], "Maria@Example.org")


NO_NAMES = ["a", "ab", "  ab  ", "a" * 51, "a" * 900, "a b c", "a@b.c", "имя!", "name/", "👩👩👩", "", "   ", "ﷺ", "a\u200bbc"]


async def test_a_name_that_is_none_is_refused(api: Api) -> None:
    """Anything but 3 to 50 letters, digits, or `_ . -` is `Invalid username`."""
    for name in NO_NAMES:
        answer = await api.http.post("/register", json={"username": name, "password": PASSWORD})
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["detail"]) == (400, "invalid_username", "Invalid username"), name
    assert await api.count("users") == 0


async def test_letters_of_every_alphabet_make_a_name(api: Api) -> None:
    """Letters and digits of any script."""
    for name in ("abc", "a" * 50, "Ёжик", "李小龙x", "a.b-c_d", "...", "٣٤٥", "Ａｂｃd"):
        await api.person(name)


SAME_NAMES = [("Мария", "МАРИЯ"), ("anna", " ANNA "), ("berta", "ｂｅｒｔａ"), ("straße", "STRASSE"), ("йога", "и\u0306ога")]


async def test_names_are_taken_whatever_their_case(api: Api) -> None:
    """Case, blanks and ways to write the same letter do not make another name."""
    for first, second in SAME_NAMES:
        await api.person(first)
        answer = await api.http.post("/register", json={"username": second, "password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (409, "username_taken"), second
        assert (await login(api, second)).status_code == 200


async def test_an_address_belongs_to_one_account(api: Api) -> None:
    """Case does not count, and the answer says nothing about whose it is."""
    await api.person("anna", email="anna@example.org")
    answer = await api.http.post("/register", json={"username": "berta", "password": PASSWORD, "email": "ANNA@example.ORG "})
    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    assert "anna" not in answer.text.replace("email_taken", "")
    assert await api.count("users") == 1


async def test_who_is_banned_does_not_come_again_in_another_spelling(api: Api) -> None:
    """Capitals, what follows a plus, and dots where they mean nothing: refused like any taken address, while the ban lasts."""

    async def register(email: str) -> tuple[int, Any]:
        body = {"username": f"again{next(names)}", "password": PASSWORD, "email": email}
        answer = await api.http.post("/register", json=body)
        return answer.status_code, answer.json().get("code")

    people = [await api.person(email=email) for email in ("an.na@gmail.com", "boris+1@example.org", "clara@example.org")]

    async def ban(tx: Any, moment: int | None) -> None:
        for person in people[:2]:
            await tx.run("UPDATE users SET banned_at = CAST(:moment AS BIGINT) WHERE id = :id", moment=moment, id=person.id)

    db = api.app.state.db
    await db.write(ban, db.clock())
    for email in (
        "a.nna@gmail.com",
        "Anna+2@googlemail.com",
        "boris@example.org",
        "BORIS+x+y@example.org",
        " boris+@example.org",
    ):
        assert await register(email) == (409, "email_taken"), email
    for email in ("b.oris@example.org", "boris@example.com", "clara+2@example.org", "+1@example.org", "anna@example.org"):
        assert await register(email) == (201, None), email
    await db.write(ban, None)
    assert await register("boris+2@example.org") == (201, None)


async def test_of_racers_for_a_name_one_gets_it(api: Api) -> None:
    """Eight at once: one account, seven conflicts."""
    body = {"username": "anna", "password": PASSWORD}
    answers = await asyncio.gather(*[api.http.post("/register", json=body) for _ in range(8)])
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 7
    assert await api.count("users") == await api.count("profiles") == await api.count("sessions") == 1


BAD_FIELDS: list[dict[str, Any]] = [
    {"username": None},
    {"username": 7},
    {"username": ["anna"]},
    {"password": None},
    {"password": "seven77"},
    {"password": "x" * 257},
    {"password": 12345678},
    {"password": "password123"},
    {"password": "berta_99"},
    {"email": "nobody"},
    {"email": "a@b"},
    {"email": "a b@example.org"},
    {"email": "a@example.org\r\nBcc: b@example.org"},
    {"email": "@example.org"},
    {"email": f"{'a' * 250}@example.org"},
    {"email": 5},
    {"device_id": "x" * 201},
    {"device_id": 5},
    {"device_id": ""},
    {"birthday": "2015-01-01"},
    {"bio": "x" * 501},
    {"username": "an\u0000na"},
]


async def test_bad_fields_are_refused_and_nothing_is_made(api: Api) -> None:
    """Every wrong field is 400 with a code, and leaves no account behind."""
    for bad in BAD_FIELDS:
        answer = await api.http.post("/register", json={"username": "berta_99", "password": PASSWORD} | bad)
        assert answer.status_code == 400, bad
        assert answer.json()["code"]
    assert await api.count("users") == await api.count("profiles") == 0


async def test_required_fields_are_required(api: Api) -> None:
    """Without a name or a password there is no account."""
    for body in ({"username": "berta_99"}, {"password": PASSWORD}, {}, [], None, "x", 5):
        assert (await api.http.post("/register", json=body)).status_code == 400


async def test_what_may_not_be_set_is_ignored(api: Api) -> None:
    """Neither role nor counters nor verification come from a body."""
    person = await api.person(
        role="admin", roles=["admin"], verified=True, email_verified_at=1, id=5000, followers_count=9, rating=9
    )
    me = (await person.get("/me")).json()
    assert (me["roles"], me["verified"], me["followers_count"], me["rating"]) == (["user"], False, 0, 0)
    assert me["id"] != 5000


async def test_registration_can_be_kept_to_domains(settings: Settings) -> None:
    """With a list of domains an address is demanded, and must be of one of them exactly."""
    async with running(msgspec.structs.replace(settings, email_domains=("uni.edu", "почта.рф"))) as api:
        for email in ("a@evil.test", "a@uni.edu.evil.test", "a@sub.uni.edu", "uni.edu@evil.test"):
            answer = await api.http.post("/register", json={"username": "anna", "password": PASSWORD, "email": email})
            assert (answer.status_code, answer.json()["code"]) == (403, "email_domain_not_allowed")
        answer = await api.http.post("/register", json={"username": "anna", "password": PASSWORD})
        assert (answer.status_code, answer.json()["code"]) == (400, "email_missing")
        await api.person(email="a@UNI.edu")
        await api.person(email="b@почта.рф")


# --- sign in ----------------------------------------------------------------------------------------------------------------


async def test_signing_in_by_name_or_address(api: Api) -> None:
    """Either works, in any case, at each path, and gives new tokens."""
    anna = await api.person("анна", email="anna@example.org")
    for path in ("/login", "/api/auth/login", "/v1/auth/login"):
        for name in ({"username": "АННА "}, {"email": "Anna@example.org"}, {"username": "anna@example.org"}):
            answer = await api.http.post(path, json=name | {"password": PASSWORD})
            assert answer.status_code == 200, answer.text
            token = answer.json()["access_token"]
            assert answer.json()["user_id"] == anna.id
            assert token != anna.token
            assert (await api.http.get("/me", headers={"Authorization": f"Bearer {token}"})).status_code == 200


async def test_unknown_and_wrong_look_alike(api: Api) -> None:
    """An unknown name, an unknown address, a wrong password and a deleted person get the same answer to the byte."""
    await api.person("anna", email="anna@example.org")
    gone = await api.person("gone")
    await gone.delete("/me", json={"password": PASSWORD})
    wrong = await login(api, "anna", "wrong password")
    others = [
        await login(api, "nobody", "wrong password"),
        await login(api, "nobody@example.org", "wrong password"),
        await login(api, "anna@example.org", "wrong password"),
        await login(api, "gone"),
        await login(api, f"#{gone.id}"),
        await login(api, "\ufdfa"),
    ]
    assert (wrong.status_code, wrong.json()["code"]) == (401, "invalid_credentials")
    assert [shape(other) for other in others] == [shape(wrong)] * len(others)


async def test_signing_in_needs_a_name_and_a_password(api: Api) -> None:
    """What is missing is 400; a blank name is nobody's."""
    bodies = [
        {},
        {"username": "anna"},
        *[{name: value, "password": PASSWORD} for name in ("username", "email") for value in (None, 1)],
    ]
    for body in [*bodies, {"password": PASSWORD}]:
        assert (await api.http.post("/login", json=body)).status_code == 400, body
    assert [(await login(api, name)).status_code for name in ("", " ")] == [401, 401]


async def test_imported_people_sign_in_and_get_a_stronger_hash(api: Api) -> None:
    """A bcrypt hash works once more and is then replaced by argon2id."""
    await api.person("anna")
    stored = bcrypt.hashpw(b"imported password", bcrypt.gensalt(4)).decode()
    await change(api, "UPDATE users SET password = :stored WHERE username_key = 'anna'", stored=stored)
    assert (await login(api, "anna", "wrong password")).status_code == 401
    assert await value(api, "SELECT password FROM users") == stored
    for _ in range(2):
        assert (await login(api, "anna", "imported password")).status_code == 200
        assert (await value(api, "SELECT password FROM users")).startswith("$argon2id$")


async def test_a_banned_person_stays_out(api: Api) -> None:
    """Tokens stop working, and only the right password learns of the ban."""
    anna = await api.person("anna")
    await change(api, "UPDATE users SET banned_at = 1")
    assert (await login(api, "anna")).json()["code"] == "banned"
    assert (await login(api, "anna", "wrong password")).json()["code"] == "invalid_credentials"
    assert (await api.http.post("/refresh", json={"refresh_token": anna.refresh_token})).status_code == 401


# --- limits -----------------------------------------------------------------------------------------------------------------


async def test_guessing_is_stopped_and_the_owner_gets_in(settings: Settings) -> None:
    """200 wrong tries with ever new X-Forwarded-For: refused from the 11th on; another address still gets in."""
    async with running(msgspec.structs.replace(settings, rate_limits=True)) as api:
        await api.person("anna")
        wrong = {"username": "anna", "password": "wrong password"}
        statuses = []
        for number in range(200):
            forwarded = {"X-Forwarded-For": f"203.0.113.{number}"}
            answer = await api.http.post("/login", json=wrong, headers=forwarded)
            statuses.append(answer.status_code)
        assert statuses == [401] * 10 + [429] * 190
        assert int(answer.headers["retry-after"]) > 0
        assert (await login(api, "anna")).status_code == 429
        elsewhere = httpx.ASGITransport(app=api.app, client=("198.51.100.7", 1))  # type: ignore[arg-type]  # Litestar's own ASGI type
        async with httpx.AsyncClient(transport=elsewhere, base_url="http://testserver") as http:
            assert (await http.post("/login", json={"username": "anna", "password": PASSWORD})).status_code == 200
        assert (await login(api, "anna")).status_code == 429


async def test_guessing_from_many_addresses_is_stopped_but_not_for_known_devices(settings: Settings) -> None:
    """Behind a proxy, a hundred strange addresses use up what one account allows; a device that is signed in gets in."""
    behind = msgspec.structs.replace(settings, rate_limits=True, trusted_proxies=("127.0.0.1/32",), limit_account="15/hour")
    async with running(behind) as api:
        await api.person("anna", device_id="phone")

        async def attempt(number: int, **fields: Any) -> int:
            body = {"username": "anna", "password": "wrong password", **fields}
            headers = {"X-Forwarded-For": f"203.0.113.{number}"}
            return (await api.http.post("/login", json=body, headers=headers)).status_code

        statuses = [await attempt(number) for number in range(30)]
        assert statuses == [401] * 15 + [429] * 15
        assert await attempt(100, password=PASSWORD) == 429
        assert await attempt(101, password=PASSWORD, device_id="another") == 429
        assert await attempt(102, password=PASSWORD, device_id="phone") == 200
        assert await attempt(103, password=PASSWORD) == 200


async def test_the_addresses_of_one_network_count_as_one(settings: Settings) -> None:
    """Who has a /64 of IPv6 has as many addresses as they like, and one limit; the next network has its own."""
    behind = msgspec.structs.replace(settings, rate_limits=True, trusted_proxies=("127.0.0.1/32",), limit_login="3/minute")
    async with running(behind) as api:

        async def attempt(address: str) -> int:
            body = {"username": f"nobody{address}", "password": "wrong password"}
            return (await api.http.post("/login", json=body, headers={"X-Forwarded-For": address})).status_code

        assert [await attempt(f"2001:db8::{number}:1") for number in range(5)] == [401] * 3 + [429] * 2
        assert await attempt("2001:db8:0:1::1") == 401
        assert [await attempt(f"::ffff:203.0.113.{number}") for number in range(5)] == [401] * 5


async def test_the_right_password_is_never_counted(settings: Settings) -> None:
    """Signing in thirty times in a row is nobody's attack."""
    async with running(msgspec.structs.replace(settings, rate_limits=True, limit_account="5/hour")) as api:
        await api.person("anna")
        assert [(await login(api, "anna")).status_code for _ in range(30)] == [200] * 30


async def test_one_address_is_bounded_whoever_it_asks_for(settings: Settings) -> None:
    """Registering and signing in are counted per address, even where each request names somebody else."""
    limits = {"limit_register": "3/hour", "limit_login": "4/minute", "limit_refresh": "2/minute"}
    async with running(msgspec.structs.replace(settings, rate_limits=True, **limits)) as api:
        elsewhere = httpx.ASGITransport(app=api.app, client=("198.51.100.7", 1))  # type: ignore[arg-type]  # Litestar's own ASGI type
        async with httpx.AsyncClient(transport=elsewhere, base_url="http://testserver") as http:
            made = [await http.post("/register", json={"username": f"anna{n}", "password": PASSWORD}) for n in range(5)]
            seen = [await http.post("/login", json={"username": f"anna{n}", "password": "wrong"}) for n in range(6)]
            fresh = [await http.post("/refresh", json={"refresh_token": "x"}) for n in range(3)]
        assert [answer.status_code for answer in made] == [201] * 3 + [429] * 2
        assert [answer.status_code for answer in seen] == [401] * 4 + [429] * 2
        assert [answer.status_code for answer in fresh] == [401] * 2 + [429]


# --- verification -----------------------------------------------------------------------------------------------------------


async def test_an_address_is_verified_by_the_mailed_code(settings: Settings) -> None:
    """The code works once, signs in, and the profile knows."""
    async with mailing(settings) as (api, office):
        anna = await api.person("anna", email="anna@example.org")
        body = {"email": "ANNA@example.org", "code": await office.code()}
        answer = await api.http.post("/api/auth/verify-code", json=body)
        assert (answer.status_code, answer.json()["success"]) == (200, True)
        assert answer.json()["message"]
        access, refresh = answer.json()["token"]["access"], answer.json()["token"]["refresh"]
        me = await api.http.get("/me", headers={"Authorization": f"Bearer {access}"})
        assert me.json()["id"] == anna.id
        assert (await api.http.post("/refresh", json={"refresh_token": refresh})).status_code == 200
        again = await api.http.post("/api/auth/verify-code", json=body)
        assert (again.status_code, again.json()["code"]) == (401, "invalid_code")
        assert await value(api, "SELECT email_verified_at FROM users") is not None


async def test_the_sixth_try_is_refused_even_with_the_right_code(settings: Settings) -> None:
    """Five wrong codes use the code up; a new one works again and kills the old."""
    async with mailing(settings) as (api, office):
        await api.person("anna", email="anna@example.org")
        right = await office.code()
        wrong = f"{(int(right) + 1) % 10**6:06}"

        async def attempt(code: str) -> int:
            return (await api.http.post("/api/auth/verify-code", json={"email": "anna@example.org", "code": code})).status_code

        assert [await attempt(wrong) for _ in range(5)] == [401] * 5
        assert await attempt(right) == 401
        await api.http.post("/api/auth/resend-verify-code", json={"email": "anna@example.org"})
        fresh = await office.code(2)
        if fresh != right:
            assert await attempt(right) == 401
        assert await attempt(fresh) == 200


async def test_a_code_dies_after_fifteen_minutes(settings: Settings) -> None:
    """One second before its end it is good, at its end it is not."""
    async with mailing(settings) as (api, office):
        db = api.app.state.db
        start = db.clock()
        db.clock = lambda: start
        for name, seconds, status in (("anna", 899, 200), ("berta", 900, 401)):
            db.clock = lambda: start
            await api.person(name, email=f"{name}@example.org")
            code = await office.code(len(office.letters) + 1)
            db.clock = lambda later=start + seconds * SECOND: later
            answer = await api.http.post("/api/auth/verify-code", json={"email": f"{name}@example.org", "code": code})
            assert answer.status_code == status


async def test_a_code_is_good_for_its_own_purpose_and_address(settings: Settings) -> None:
    """The code of one flow opens no other, and not for another person."""
    async with mailing(settings) as (api, office):
        await api.person("anna", email="anna@example.org")
        code = await office.code()
        await api.person("berta", email="berta@example.org")
        await office.wait(2)
        foreign = {"email": "berta@example.org", "code": code}
        reset = {"email": "anna@example.org", "code": code, "password": NEW}
        assert (await api.http.post("/api/auth/password/reset", json=reset)).status_code == 401
        if await office.code(2) != code:
            assert (await api.http.post("/api/auth/verify-code", json=foreign)).status_code == 401
        await api.http.post("/api/auth/password/forgot", json={"email": "anna@example.org"})
        mailed = await office.code(3)
        if mailed != code:
            answer = await api.http.post("/api/auth/verify-code", json={"email": "anna@example.org", "code": mailed})
            assert answer.status_code == 401


async def test_of_racers_with_one_code_one_gets_in(settings: Settings) -> None:
    """Five at once with the right code: one session."""
    async with mailing(settings) as (api, office):
        await api.person("anna", email="anna@example.org")
        body = {"email": "anna@example.org", "code": await office.code()}
        answers = await asyncio.gather(*[api.http.post("/api/auth/verify-code", json=body) for _ in range(5)])
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401, 401]


async def test_where_verification_is_required_nothing_works_before(settings: Settings) -> None:
    """No tokens from registering or signing in until the code came; without an address there is no account."""
    async with mailing(settings, email_verification="required") as (api, office):
        bare = await api.http.post("/register", json={"username": "anna", "password": PASSWORD})
        assert bare.json()["code"] == "email_missing"
        made = await api.http.post("/register", json={"username": "anna", "password": PASSWORD, "email": "anna@example.org"})
        assert made.status_code == 201
        assert "access_token" not in made.json()
        assert await api.count("sessions") == 0
        assert (await login(api, "anna")).json()["code"] == "email_not_verified"
        assert (await login(api, "anna", "wrong password")).json()["code"] == "invalid_credentials"
        body = {"email": "anna@example.org", "code": await office.code()}
        assert (await api.http.post("/api/auth/verify-code", json=body)).status_code == 200
        assert (await login(api, "anna")).status_code == 200


async def test_where_verification_is_off_no_code_is_mailed(settings: Settings) -> None:
    """Neither at registration nor on demand; a forgotten password is still helped."""
    async with mailing(settings, email_verification="off") as (api, office):
        await api.person("anna", email="anna@example.org")
        await api.http.post("/api/auth/resend-verify-code", json={"email": "anna@example.org"})
        await api.http.post("/api/auth/password/forgot", json={"email": "anna@example.org"})
        assert [letter["Subject"] for letter in await office.wait()] == ["Choose a new password"]


@pytest.mark.parametrize("path", ["/api/auth/resend-verify-code", "/api/auth/password/forgot"])
async def test_asking_for_a_code_tells_nothing(settings: Settings, path: str) -> None:
    """Known and unknown addresses get the same answer and leave the same rows; only the known one gets mail."""
    async with mailing(settings) as (api, office):
        await api.person("anna", email="anna@example.org")
        await office.wait()
        known = await api.http.post(path, json={"email": "anna@example.org"})
        rows = await api.count("codes")
        unknown = await api.http.post(path, json={"email": "anno@example.org"})
        assert shape(known) == shape(unknown)
        assert await api.count("codes") == rows + 1
        await office.wait(2)
        assert {str(letter["To"]) for letter in office.letters} == {"anna@example.org"}
        stored = await value(api, "SELECT MIN(subject) FROM codes")
        assert "@" not in stored


async def test_trying_a_code_tells_nothing(settings: Settings) -> None:
    """A wrong code for a known and for an unknown address: the same answer."""
    async with mailing(settings) as (api, office):
        await api.person("anna", email="anna@example.org")
        wrong = f"{(int(await office.code()) + 1) % 10**6:06}"
        for path, more in (("verify-code", {}), ("password/reset", {"password": NEW})):
            answers = [
                await api.http.post(f"/api/auth/{path}", json={"email": email, "code": wrong, **more})
                for email in ("anna@example.org", "nobody@example.org")
            ]
            assert shape(answers[0]) == shape(answers[1])
            assert answers[0].status_code == 401


async def test_codes_are_limited_alike_for_known_and_unknown(settings: Settings) -> None:
    """Neither a mailbox is flooded nor a stranger found out."""
    async with mailing(settings, rate_limits=True, limit_code="2/hour") as (api, office):
        await api.person("anna", email="anna@example.org")
        for email in ("anna@example.org", "nobody@example.org"):
            asked = [await api.http.post("/api/auth/password/forgot", json={"email": email}) for _ in range(4)]
            assert [answer.status_code for answer in asked] == [200, 200, 429, 429]
            body = {"email": email, "code": "000000"}
            tried = [await api.http.post("/api/auth/verify-code", json=body) for _ in range(3)]
            assert tried[2].status_code == 429
        await office.wait(3)
        assert len(office.letters) == 3


async def test_what_is_no_code_is_malformed(api: Api) -> None:
    """Six digits, as text."""
    for code in ("12345", "1234567", "12345a", "", " 123456", "１２３４５６", 123456, None):
        answer = await api.http.post("/api/auth/verify-code", json={"email": "anna@example.org", "code": code})
        assert answer.status_code == 400, code


# --- passwords --------------------------------------------------------------------------------------------------------------


async def test_changing_the_password_ends_the_other_sessions(settings: Settings) -> None:
    """This session goes on, the others end, the new password works, and the address is told."""
    async with mailing(settings) as (api, office):
        anna = await api.person("anna", email="anna@example.org")
        await office.wait()
        other = (await login(api, "anna")).json()
        answer = await anna.post("/api/auth/password", json={"old_password": PASSWORD, "new_password": NEW})
        assert (answer.status_code, answer.json()["success"]) == (200, True)
        assert (await anna.get("/me")).status_code == 200
        assert (await api.http.get("/me", headers={"Authorization": f"Bearer {other['access_token']}"})).status_code == 401
        assert (await api.http.post("/refresh", json={"refresh_token": other["refresh_token"]})).status_code == 401
        assert (await login(api, "anna")).status_code == 401
        assert (await login(api, "anna", NEW)).status_code == 200
        notice = (await office.wait(2))[1]
        assert (notice["To"], notice["Subject"]) == ("anna@example.org", "The password of your account was changed")


BAD_CHANGES = [
    ("wrong password", NEW, 403, "wrong_password"),
    (PASSWORD, "short", 400, "invalid"),
    (PASSWORD, "password123", 400, "weak_password"),
    (PASSWORD, "anna_1990", 400, "weak_password"),
]


async def test_a_bad_change_changes_nothing(api: Api) -> None:
    """Wrong old password, short or common new one: refused, and the old one goes on."""
    anna = await api.person("anna_1990")
    for old, new, status, code in BAD_CHANGES:
        answer = await anna.post("/api/auth/password", json={"old_password": old, "new_password": new})
        assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert (await login(api, "anna_1990")).status_code == 200


async def test_a_stolen_session_cannot_guess_the_password(settings: Settings) -> None:
    """Wrong passwords of somebody signed in are counted too, whichever operation asks."""
    async with running(msgspec.structs.replace(settings, rate_limits=True)) as api:
        anna = await api.person("anna")
        statuses = []
        for _ in range(6):
            body = {"old_password": "wrong password", "new_password": NEW}
            statuses.append((await anna.post("/api/auth/password", json=body)).status_code)
            statuses.append((await anna.delete("/me", json={"password": "wrong password"})).status_code)
        assert statuses == [403] * 10 + [429] * 2


async def test_no_fingerprint_of_a_password_is_kept(api: Api) -> None:
    """An Idempotency-Key on an operation with a password stores nothing; only the hash knows the password."""
    anna = await api.person("anna")
    body = {"old_password": PASSWORD, "new_password": NEW}
    assert (await anna.post("/api/auth/password", json=body, headers={"Idempotency-Key": "k"})).status_code == 200
    assert await api.count("answers") == 0


async def test_two_changes_at_once_do_not_both_win(api: Api) -> None:
    """The password that was checked must still be the one that is replaced."""
    await api.person("anna")
    anna = await api.app.state.db.read(service.queries.find_login, "anna")
    assert await api.app.state.db.write(service.queries.set_password, anna.id, anna.password, "first")
    assert not await api.app.state.db.write(service.queries.set_password, anna.id, anna.password, "second")
    assert issubclass(service.PasswordChanged, Conflict)


async def test_a_forgotten_password_is_replaced_by_the_mailed_code(settings: Settings) -> None:
    """Every session ends, the new password works, the address counts as verified and is told."""
    async with mailing(settings, email_verification="required") as (api, office):
        await api.http.post("/register", json={"username": "anna", "password": PASSWORD, "email": "anna@example.org"})
        await office.wait()
        await api.http.post("/api/auth/password/forgot", json={"email": "Anna@example.org"})
        body = {"email": "anna@example.org", "code": await office.code(2), "password": NEW}
        answer = await api.http.post("/api/auth/password/reset", json=body)
        assert (answer.status_code, answer.json()["success"]) == (200, True)
        assert (await login(api, "anna", NEW)).status_code == 200
        assert (await login(api, "anna")).status_code == 401
        assert (await api.http.post("/api/auth/password/reset", json=body)).status_code == 401
        assert (await office.wait(3))[2]["Subject"] == "The password of your account was changed"


async def test_a_reset_ends_every_session(settings: Settings) -> None:
    """Whoever was signed in is not any more."""
    async with mailing(settings) as (api, office):
        anna = await api.person("anna", email="anna@example.org")
        await office.wait()
        await api.http.post("/api/auth/password/forgot", json={"email": "anna@example.org"})
        body = {"email": "anna@example.org", "code": await office.code(2), "password": NEW}
        assert (await api.http.post("/api/auth/password/reset", json=body)).status_code == 200
        assert (await anna.get("/me")).status_code == 401
        assert (await api.http.post("/refresh", json={"refresh_token": anna.refresh_token})).status_code == 401


async def test_a_weak_password_does_not_use_the_code_up(settings: Settings) -> None:
    """The refusal comes before the code is looked at."""
    async with mailing(settings) as (api, office):
        await api.person("anna", email="anna@example.org")
        await office.wait()
        await api.http.post("/api/auth/password/forgot", json={"email": "anna@example.org"})
        body = {"email": "anna@example.org", "code": await office.code(2)}
        for _ in range(6):
            weak = await api.http.post("/api/auth/password/reset", json=body | {"password": "password123"})
            assert weak.json()["code"] == "weak_password"
        assert (await api.http.post("/api/auth/password/reset", json=body | {"password": NEW})).status_code == 200


# --- deletion ---------------------------------------------------------------------------------------------------------------


async def test_a_deleted_person_is_gone(settings: Settings) -> None:
    """Nothing personal is left, the name is free again, the id is not, and the address gets a last letter."""
    async with mailing(settings) as (api, office):
        anna = await api.person("Маркер_Имя", email="marker@example.org", name="Маркер", bio="маркер", device_id="marker")
        berta = await api.person("berta")
        chat_id = await anna.match(berta)
        await anna.say(chat_id, "привет")
        await berta.post("/logout", headers={"Idempotency-Key": "k"}, json={})
        assert (await anna.delete("/me", json={"password": "wrong password"})).status_code == 403
        answer = await anna.delete("/me", json={"password": PASSWORD})
        assert (answer.status_code, answer.json()) == (200, {"status": "deleted"})
        assert (await anna.get("/me")).status_code == 401
        assert (await api.http.get(f"/user/{anna.id}")).status_code == 404
        row = await value(
            api,
            "SELECT username || COALESCE(email, '') || COALESCE(email_key, '') || password FROM users WHERE id = :id",
            id=anna.id,
        )
        assert row == ""
        for table in ("profiles", "sessions", "inbox", "inbox_heads", "answers"):
            assert await value(api, f"SELECT CAST(COUNT(*) AS TEXT) FROM {table} WHERE user_id = :id", id=anna.id) == "0", table
        again = await api.person("маркер_имя", email="marker@example.org")
        assert again.id > anna.id
        assert (await again.get("/me")).json()["bio"] != "маркер"
        letters = await office.wait(3)
        assert "Your account was deleted" in [letter["Subject"] for letter in letters]


async def dump(api: Api) -> dict[str, str]:
    """Everything in the database, by table."""
    db = api.app.state.db
    columns = {
        "sqlite": "SELECT m.name || '.' || c.name FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table'",
        "postgres": "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'public'",
    }

    async def look(tx: Any) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in await tx.all(str, columns[db.dialect]):
            table, column = name.split(".")
            values = await tx.all(str, f"SELECT CAST({column} AS TEXT) FROM {table} WHERE {column} IS NOT NULL")
            found[table] = found.get(table, "") + "\n".join(values)
        return found

    return dict(await db.read(look))


async def test_nothing_of_a_deleted_person_is_in_the_database(api: Api) -> None:
    """A marker in every text that one can give is nowhere afterwards; what others wrote stays, and inboxes stay dense."""
    fields = {name: f"маркер {name}" for name in ("name", "bio", "location")}
    anna = await api.person("маркер", email="маркер@example.org", device_id="маркер", interests=["маркер"], **fields)
    berta, clara = await api.person("berta"), await api.person("clara")
    for other in (berta, clara):
        chat_id = await anna.match(other)
        await anna.say(chat_id, 'маркер "user_id":2,"content": 🐈')
        await other.say(chat_id, f"ответ {other.username}")
    await clara.delete(f"/matches/{anna.id}")
    before = await dump(api)
    assert {table for table, text in before.items() if "маркер" in text} >= {"users", "profiles", "messages", "inbox"}
    assert (await anna.delete("/me", json={"password": PASSWORD})).status_code == 200
    assert {table for table, text in (await dump(api)).items() if "маркер" in text.casefold()} == set()
    for other in (berta, clara):
        events = await other.inbox()
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        assert [event["content"] for event in events if event["type"] == "message" and event["user_id"] == anna.id] == [""]


async def test_deleting_needs_the_password(api: Api) -> None:
    """Without a body, with a wrong type, or without a token nothing happens."""
    anna = await api.person("anna")
    assert (await anna.delete("/me")).status_code == 400
    assert (await anna.delete("/me", json={"password": 5})).status_code == 400
    assert (await api.http.request("DELETE", "/me", json={"password": PASSWORD})).status_code == 401
    assert (await anna.get("/me")).status_code == 200


async def test_deletion_closes_the_sockets(server: Server) -> None:
    """An open socket of the deleted person ends at once."""
    anna = await server.person("anna")
    async with server.socket(anna) as socket:
        await anna.delete("/me", json={"password": PASSWORD})
        assert await socket.closed() == 4403


# --- the command line -------------------------------------------------------------------------------------------------------


async def test_an_administrator_is_made_or_promoted(api: Api) -> None:
    """A new name becomes an account; a known one gets the role and keeps its password."""
    anna = await api.person("anna")
    db, passwords = api.app.state.db, Passwords(Settings(argon2_memory_kib=64, argon2_time=1))
    assert "created" in await service.create_admin(db, passwords, " Root ", NEW)
    assert "admin" in (await login(api, "root", NEW)).json()["user"]["roles"]
    assert "anna" in await service.create_admin(db, passwords, "ANNA", NEW)
    assert (await login(api, "anna", NEW)).status_code == 401
    assert "admin" in (await anna.get("/me")).json()["roles"]
    passwords.close()


async def test_a_bad_administrator_is_refused(api: Api) -> None:
    """The rules for names and passwords hold on the command line too."""
    passwords = Passwords(Settings(argon2_memory_kib=64, argon2_time=1))
    for name, password in (("a", NEW), ("root", "short"), ("root", "password123")):
        with pytest.raises(Malformed):
            await service.create_admin(api.app.state.db, passwords, name, password)
    passwords.close()
    assert await api.count("users") == 0


async def test_the_sweep_drops_what_is_over(api: Api) -> None:
    """Sessions and codes go when their time has come, and not before."""
    await api.person("anna", email="anna@example.org")
    db = api.app.state.db
    await db.write(service.sweep)
    assert (await api.count("sessions"), await api.count("codes")) == (1, 1)
    start = db.clock()
    db.clock = lambda: start + 16 * 60 * SECOND
    await db.write(service.sweep)
    assert (await api.count("sessions"), await api.count("codes")) == (1, 0)
    db.clock = lambda: start + 31 * 86_400 * SECOND
    await db.write(service.sweep)
    assert await api.count("sessions") == 0
