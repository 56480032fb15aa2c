"""Profiles over HTTP: what I may change, and how much of me others see."""

from datetime import UTC, datetime
from typing import Any

import h3.api.basic_int as h3  # type: ignore[import-untyped]  # h3 ships no types
import msgspec
import pytest

from dating.clock import DAY, SECOND, rfc3339
from dating.database import Transaction
from dating.profiles import places
from dating.profiles.places import Level, Point
from dating.settings import Settings
from tests.kit import Api, Person, running

# fmt: off
PUBLIC = {
    "id", "username", "name", "age", "gender", "bio", "photo_url", "photos", "location", "distance_km", "interests", "prompts",
    "verified", "followers_count", "following_count", "posts_count", "rating", "current_streak", "max_streak", "last_active",
    "is_online",
}
# fmt: on
MINE = PUBLIC | {"email", "birthday", "latitude", "longitude", "travel", "website", "interested_in"}
MINE |= {"roles", "preferences", "settings"}
PREFERENCES: dict[str, Any] = {"genders": [], "min_age": 18, "max_age": 120, "max_distance_km": None, "dealbreakers": []}
BERLIN = {"latitude": 52.52, "longitude": 13.405}
MARIA: dict[str, Any] = {
    "name": "Мария 🌻",
    "gender": "female",
    "birthday": "1994-05-17",
    "bio": "Горы, чай и старые карты 🗺️",
    "photo_url": "https://example.org/maria.jpg",
    "location": "Берлин",
    "website": "https://example.org",
    "interests": ["hiking", "чай"],
    "prompts": [{"question": "A perfect Sunday?", "answer": "В горах 🏔️"}],
    "interested_in": "male",
    **BERLIN,
}


class Place(msgspec.Struct):
    """All that a profile holds about where somebody is."""

    x: float
    y: float
    z: float
    cell: int


async def change(person: Person, status: int = 200, **fields: Any) -> dict[str, Any]:
    """Change my profile and expect a status; the answer."""
    answer = await person.patch("/me", json=fields)
    assert answer.status_code == status, answer.text
    return dict(answer.json())


def set_clock(api: Api, day: str) -> None:
    """Let the server believe that it is noon (UTC) of a day; tokens go by the real clock."""
    moment = int(datetime.fromisoformat(f"{day}T12:00:00+00:00").timestamp()) * SECOND
    api.app.state.db.clock = lambda: moment


async def test_registering_fills_the_profile(api: Api) -> None:
    """Every profile field may come with the registration, and /me answers all of them, Cyrillic and emoji untouched."""
    maria = await api.person(**MARIA)
    me = (await maria.get("/me")).json()
    assert set(me) == MINE
    kept = {key: value for key, value in MARIA.items() if key not in BERLIN}
    assert {key: me[key] for key in kept} == kept
    assert me["preferences"] == PREFERENCES | {"genders": ["male"]}
    assert (await maria.get("/api/users/me")).json() == me


@pytest.mark.parametrize(("method", "path"), [("PUT", "/me"), ("PATCH", "/me"), ("PATCH", "/api/users/me")])
async def test_only_what_is_given_changes(api: Api, method: str, path: str) -> None:
    """PUT and PATCH change the given fields and leave the others; null clears."""
    maria = await api.person(**MARIA)
    before = (await maria.get("/me")).json()
    after = (await maria.request(method, path, json={"bio": "Новое 🌊", "website": None})).json()
    assert after == before | {"bio": "Новое 🌊", "website": None}
    assert (await maria.request(method, path, json={})).json() == after


async def test_null_clears_every_field_that_may_be_cleared(api: Api) -> None:
    """Everything but the birthday can be taken back, the place too."""
    maria = await api.person(**MARIA)
    cleared = dict.fromkeys(set(MARIA) - {"birthday"})
    me = await change(maria, **cleared)
    for field in ("name", "gender", "bio", "photo_url", "location", "website", "latitude", "longitude"):
        assert me[field] is None
    assert (me["interests"], me["prompts"], me["interested_in"]) == ([], [], "everyone")


async def test_an_empty_text_is_no_text(api: Api) -> None:
    """Blanks around a text go, and a text of blanks is null."""
    me = await change(await api.person(), name="  Оля  ", bio="   ", photo_url="")
    assert (me["name"], me["bio"], me["photo_url"]) == ("Оля", None, None)


async def test_preferences_and_settings_merge(api: Api) -> None:
    """A part of the preferences or settings leaves the rest as it was."""
    maria = await api.person(**MARIA)
    await change(maria, preferences={"min_age": 25, "max_distance_km": 50}, settings={"show_distance": False})
    me = await change(maria, preferences={"max_age": 40}, settings={"messages_from": "everyone"})
    given = {"genders": ["male"], "min_age": 25, "max_age": 40, "max_distance_km": 50}
    assert me["preferences"] == PREFERENCES | given
    assert me["settings"]["show_distance"] is False
    assert me["settings"]["messages_from"] == "everyone"
    me = await change(maria, preferences={"genders": None, "min_age": None, "max_age": None, "max_distance_km": None})
    assert me["preferences"] == PREFERENCES | {"genders": ["male", "female", "nonbinary"]}


INTERESTS: list[tuple[str | None, list[str]]] = [
    ("male", ["male"]),
    ("female", ["female"]),
    ("nonbinary", ["nonbinary"]),
    ("both", ["male", "female"]),
    ("everyone", ["male", "female", "nonbinary"]),
    (None, ["female", "nonbinary"]),
]


async def test_one_word_and_a_list_are_the_same_wish(api: Api) -> None:
    """`interested_in` and `preferences.genders` write one value; a set without a word of its own answers null."""
    person = await api.person()
    for interest, genders in INTERESTS:
        me = await change(person, preferences={"genders": genders})
        assert (me["interested_in"], me["preferences"]["genders"]) == (interest, genders)
        if interest is not None:
            assert (await change(person, interested_in=interest))["preferences"]["genders"] == genders


async def test_role_counters_and_unknown_keys_cannot_be_set(api: Api) -> None:
    """What is not a profile field is ignored."""
    person = await api.person()
    before = (await person.get("/me")).json()
    keys = {
        "role": "admin",
        "roles": ["admin"],
        "followers_count": 9,
        "verified": True,
        "id": 1,
        "email": "x@example.org",
        "user_id": 5,
    }
    assert await change(person, **keys) == before


NONSENSE: list[dict[str, Any]] = [
    {"name": "я" * 101},
    {"bio": "я" * 501},
    {"location": "x" * 201},
    {"photo_url": "javascript:alert(1)"},
    {"photo_url": "data:image/png;base64,AAAA"},
    {"photo_url": "//example.org/x.jpg"},
    {"photo_url": "https://example.org/" + "x" * 500},
    {"website": "ftp://example.org"},
    {"interests": ["x"] * 31},
    {"interests": ["x" * 51]},
    {"interests": [""]},
    {"interests": "hiking"},
    {"prompts": [{"question": "?", "answer": "!"}] * 11},
    {"prompts": [{"question": "?"}]},
    {"gender": "robot"},
    {"interested_in": "cats"},
    {"latitude": 91, "longitude": 0},
    {"latitude": 0, "longitude": -180.5},
    {"latitude": "north", "longitude": 0},
    {"preferences": {"genders": ["robot"]}},
    {"preferences": {"min_age": 17}},
    {"preferences": {"max_age": 121}},
    {"preferences": {"max_distance_km": 0}},
    {"preferences": {"max_distance_km": 2**63}},
    {"preferences": None},
    {"settings": {"messages_from": "nobody"}},
    {"settings": {"discoverable": None}},
    {"settings": []},
    {"birthday": 19940517},
    {"birthday": "17.05.1994"},
    {"birthday": "1994-02-30"},
    {"birthday": "1994-05-17T99:00:00Z"},
    {"birthday": "1850-01-01"},
    {"birthday": "0000-01-01"},
]


async def test_bad_values_change_nothing(api: Api) -> None:
    """A value that makes no sense is 400 as problem+json, and nothing of the request is kept."""
    person = await api.person()
    before = (await person.get("/me")).json()
    for fields in NONSENSE:
        problem = await change(person, 400, **({"bio": "kept?"} | fields))
        assert {"status", "code", "detail", "title"} <= set(problem)
    assert (await person.get("/me")).json() == before


@pytest.mark.parametrize("ages", [{"min_age": 50, "max_age": 40}, {"min_age": 41}])
async def test_reversed_ages_are_refused(api: Api, ages: dict[str, int]) -> None:
    """The least age is not above the greatest, whether one or both are given."""
    person = await api.person()
    await change(person, preferences={"max_age": 40})
    assert (await change(person, 400, preferences=ages))["code"] == "reversed_ages"


@pytest.mark.parametrize("place", [{"latitude": 1.0}, {"longitude": 1.0}, {"latitude": None, "longitude": 1.0}])
async def test_half_a_place_is_refused(api: Api, place: dict[str, Any]) -> None:
    """Latitude and longitude come together or not at all."""
    assert (await change(await api.person(), 400, **place))["code"] == "incomplete_place"


# --- ages ---------------------------------------------------------------------------------------------------------------------


async def test_adults_only_on_the_servers_date(api: Api) -> None:
    """17 years and 364 days are refused, 18 years on the day are not."""
    person = await api.person()
    set_clock(api, "2026-11-20")
    assert (await change(person, 400, birthday="2008-11-21"))["code"] == "under_age"
    assert (await change(person, birthday="2008-11-20"))["age"] == 18


async def test_children_cannot_register(api: Api) -> None:
    """An account of somebody under 18 is not made at all."""
    body = {"username": "kid", "password": "correct horse battery", "birthday": f"{datetime.now(UTC).year - 10}-01-01"}
    answer = await api.http.post("/register", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "under_age")
    assert await api.count("profiles") == 0


async def test_a_birthday_is_set_once(api: Api) -> None:
    """The same day again is fine in any form; another one, or null, is 403."""
    person = await api.person(birthday="1994-05-17")
    assert (await change(person, birthday="1994-05-17T23:30:00.000+03:00"))["birthday"] == "1994-05-17"
    for other in ("1990-01-01", None):
        assert (await change(person, 403, birthday=other, bio="x"))["code"] == "birthday_fixed"
    assert (await person.get("/me")).json()["bio"] is None


BIRTHDAYS = {"2026-02-28": 25, "2026-03-01": 26, "2028-02-28": 27, "2028-02-29": 28, "2026-12-31": 26}


async def test_ages_of_leap_day_children(api: Api) -> None:
    """Somebody born on the 29th of February is a year older on the first day that is not before it."""
    person = await api.person(birthday="2000-02-29")
    for day, age in BIRTHDAYS.items():
        set_clock(api, day)
        assert (await api.http.get(f"/user/{person.id}")).json()["age"] == age


# --- places -------------------------------------------------------------------------------------------------------------------


async def test_the_exact_point_is_not_kept(api: Api) -> None:
    """/me answers the center of the cell; the profile holds the cell and its center alone."""
    person = await api.person(latitude=52.520008123, longitude=13.404954123)
    me = (await person.get("/me")).json()
    center = places.center(places.snap(Point(52.520008123, 13.404954123)))
    assert (me["latitude"], me["longitude"]) == pytest.approx(center)

    async def dump(tx: Any) -> str:
        return str(await tx.all(Place, "SELECT x, y, z, cell FROM profiles"))

    assert await api.app.state.db.read(dump) == str([Place(*center.vector, places.snap(center))])


async def test_a_cell_is_sticky_over_http(api: Api) -> None:
    """Noise around the edge of a cell does not move the person, a real move does."""
    cell = places.snap(Point(52.52, 13.405))
    latitude, longitude = h3.cell_to_boundary(cell)[0]
    center = places.center(cell)
    person = await api.person(**BERLIN)
    for share in (0.99, 1.02, 0.98, 1.05):
        point = {
            "latitude": center.latitude + share * (latitude - center.latitude),
            "longitude": center.longitude + share * (longitude - center.longitude),
        }
        me = await change(person, **point)
        assert (me["latitude"], me["longitude"]) == pytest.approx(center)
    assert (await change(person, latitude=48.85, longitude=2.35))["latitude"] == pytest.approx(48.85, abs=0.03)


async def test_the_twenty_first_jump_is_refused(settings: Settings) -> None:
    """Twenty moves an hour are enough; the 21st is 429 with Retry-After and changes nothing, while staying put costs nothing."""
    async with running(msgspec.structs.replace(settings, rate_limits=True)) as api:
        person = await api.person(**BERLIN)
        for jump in range(1, 21):
            await change(person, latitude=52.52 + jump * 0.05, longitude=13.405)
            await change(person, latitude=52.52 + jump * 0.05, longitude=13.405)
        refused = await person.patch("/me", json={"latitude": 10, "longitude": 10})
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) > 0
        assert (await person.get("/me")).json()["latitude"] > 50
        await change(person, bio="не место")


async def test_jumps_are_limited_by_the_day_too(settings: Settings) -> None:
    """Whoever stays within the jumps of an hour runs out of those of a day, also by travelling; then they stay where they are."""
    wide = msgspec.structs.replace(settings, rate_limits=True, limit_location="1000/hour", limit_places="6/day")
    async with running(wide) as api:
        person = await api.person(**BERLIN)
        for jump in range(1, 4):
            await change(person, latitude=52.52 + jump * 0.05, longitude=13.405)
            await change(person, travel={"latitude": 48 + jump, "longitude": 2})
        refused = await person.patch("/me", json={"travel": {"latitude": 10, "longitude": 10}})
        assert (refused.status_code, refused.json()["code"]) == (429, "rate_limited")
        assert int(refused.headers["retry-after"]) > 3600
        assert (await person.get("/me")).json()["travel"]["latitude"] > 50


@pytest.mark.parametrize("place", [(90, 0), (-90, 13), (0, 180), (0, -180), (-17.5, 179.9999)])
async def test_odd_places_are_places(api: Api, place: tuple[float, float]) -> None:
    """Poles and the antimeridian are kept and answered like other places."""
    me = await change(await api.person(), latitude=place[0], longitude=place[1])
    assert places.separation(Point(me["latitude"], me["longitude"]).vector, Point(*place).vector) < 3


# --- others -------------------------------------------------------------------------------------------------------------------


async def test_others_see_the_public_fields_and_nothing_else(api: Api) -> None:
    """All paths to a profile answer the same public fields: no birthday, coordinates, e-mail, wishes or settings."""
    maria = await api.person("maria.s", email="maria@example.org", **MARIA)
    tom = await api.person(latitude=52.6, longitude=13.5)
    paths = [f"/user/{maria.id}", f"/api/users/{maria.id}", f"/v1/users/{maria.id}", "/api/users/username/Maria.S"]
    answers = [await tom.get(path) for path in paths]
    assert {answer.status_code for answer in answers} == {200}
    assert all(answer.json() == answers[0].json() for answer in answers)
    seen = answers[0].json()
    assert set(seen) == PUBLIC
    assert seen["distance_km"] == places.kilometers(places.snap(Point(52.52, 13.405)), places.snap(Point(52.6, 13.5)))
    assert not any(secret in answers[0].text for secret in ("1994", "52.5", "13.4", "@example.org"))


async def test_without_a_token_there_is_less(api: Api) -> None:
    """Passers-by see the profile without distance and activity; a bad token is 401."""
    maria = await api.person(**MARIA)
    seen = (await api.http.get(f"/user/{maria.id}")).json()
    assert set(seen) == PUBLIC
    assert (seen["name"], seen["distance_km"], seen["last_active"], seen["is_online"]) == ("Мария 🌻", None, None, False)
    assert (await api.http.get(f"/user/{maria.id}", headers={"Authorization": "Bearer x"})).status_code == 401
    assert (await api.http.get("/me")).status_code == 401


@pytest.mark.parametrize("path", ["/user/999999", "/user/0", f"/user/{2**63}", "/user/abc", "/api/users/username/nobody"])
async def test_unknown_people_are_404(api: Api, path: str) -> None:
    """Whoever does not exist is 404, whatever the number."""
    assert (await (await api.person()).get(path)).status_code == 404


async def test_blocked_people_do_not_exist_for_each_other(api: Api) -> None:
    """A block hides both profiles from each other, exactly like an unknown person, and from nobody else."""
    one, other, third = await api.people(3)
    await one.post(f"/api/users/{other.id}/block")
    unknown = await one.get("/user/999999")
    for viewer, seen in ((one, other), (other, one)):
        for path in (f"/user/{seen.id}", f"/api/users/username/{seen.username}"):
            answer = await viewer.get(path)
            assert (answer.status_code, answer.content) == (404, unknown.content)
        assert (await third.get(f"/user/{seen.id}")).status_code == 200


async def test_banned_people_do_not_exist(api: Api) -> None:
    """After a ban nobody sees the profile any more."""
    one, other = await api.people(2)

    async def ban(tx: Transaction) -> int:
        return await tx.run("UPDATE users SET banned_at = :now WHERE id = :id", now=tx.now, id=other.id)

    await api.app.state.db.write(ban)
    assert (await one.get(f"/user/{other.id}")).status_code == 404
    assert (await api.http.get(f"/api/users/username/{other.username}")).status_code == 404


async def test_a_hidden_distance_is_null(api: Api) -> None:
    """With show_distance off nobody is told how far away I am."""
    maria, tom = await api.person(**MARIA), await api.person(**BERLIN)
    assert (await tom.get(f"/user/{maria.id}")).json()["distance_km"] == 1
    await change(maria, settings={"show_distance": False})
    assert (await tom.get(f"/user/{maria.id}")).json()["distance_km"] is None


@pytest.mark.one_process("starts a job of the process that was asked")
async def test_presence_is_for_matches_and_can_be_switched_off(api: Api) -> None:
    """Strangers see the hour and never `is_online`, a match ten minutes and `is_online`; switched off, nobody anything."""
    maria, tom, eve = await api.people(3)
    await maria.match(tom)
    moment = (api.app.state.db.clock() // DAY + 1) * DAY + 43_210 * SECOND + 1_900 * SECOND
    api.app.state.db.clock = lambda: moment
    await api.app.state.jobs.note_activity()
    match, stranger = (await tom.get(f"/user/{maria.id}")).json(), (await eve.get(f"/user/{maria.id}")).json()
    assert (match["is_online"], match["last_active"]) == (True, rfc3339(moment - moment % (600 * SECOND)))
    assert (stranger["is_online"], stranger["last_active"]) == (False, rfc3339(moment - moment % (3600 * SECOND)))
    await change(maria, settings={"show_last_active": False})
    hidden = (await tom.get(f"/user/{maria.id}")).json()
    assert (hidden["is_online"], hidden["last_active"]) == (False, None)


async def test_somebody_who_left_is_offline(api: Api) -> None:
    """Half an hour after the last sign of life a match is not online any more."""
    maria, tom = await api.people(2)
    await maria.match(tom)
    moment = api.app.state.db.clock() + 1_800 * SECOND
    api.app.state.db.clock = lambda: moment
    assert (await tom.get(f"/user/{maria.id}")).json()["is_online"] is False


async def test_moving_inside_a_cell_is_invisible(api: Api) -> None:
    """Wherever in the cell somebody is, everybody else gets the same bytes."""
    tom = await api.person(latitude=52.6, longitude=13.5)
    maria = await api.person(**MARIA)
    cell = places.snap(Point(52.52, 13.405), None)
    answers = set()
    for point in h3.cell_to_boundary(cell):
        inside = [0.9 * near + 0.1 * middle for near, middle in zip(point, places.center(cell), strict=True)]
        assert h3.latlng_to_cell(*inside, Level.NEAR) == cell
        await change(maria, latitude=inside[0], longitude=inside[1])
        answers |= {(await tom.get(f"/user/{maria.id}")).content, (await tom.get("/profiles/search?order=distance")).content}
    assert len(answers) == 2


async def test_idempotent_changes(api: Api) -> None:
    """The same key twice changes once and answers the same; with another body it is 409."""
    person = await api.person()
    key = {"Idempotency-Key": "once"}
    first = await person.patch("/me", json={"bio": "раз"}, headers=key)
    await change(person, bio="два")
    again = await person.patch("/me", json={"bio": "раз"}, headers=key)
    assert (first.status_code, again.status_code, again.json()) == (200, 200, first.json())
    assert (await person.get("/me")).json()["bio"] == "два"
    assert (await person.patch("/me", json={"bio": "три"}, headers=key)).status_code == 409
