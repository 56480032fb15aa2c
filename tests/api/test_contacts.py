"""Address books: who knows whom from elsewhere does not come up, both ways; nobody is told, and nothing is given away."""

import hashlib
from typing import Any

import msgspec
import pytest

from dating.accounts import addresses, mailboxes
from dating.database import Transaction
from dating.matching import picks
from dating.safety import contacts
from dating.safety.contact_models import AT_ONCE
from dating.settings import Settings
from tests.kit import PASSWORD, Api, Person, running

ORDERS = ("recommended", "recent", "distance", "id")


def digest(text: str) -> str:
    """What a client sends for an address."""
    return hashlib.sha256(text.encode()).hexdigest()


async def ids(person: Person, path: str) -> set[int]:
    """Who is on a list."""
    answer = await person.get(path)
    assert answer.status_code == 200, answer.text
    return {card["id"] for card in answer.json()}


async def keep(person: Person, *addresses: str, method: str = "PUT") -> int:
    """Send an address book; how many are kept."""
    answer = await person.request(method, "/me/contacts", json={"hashes": [digest(one) for one in addresses]})
    assert answer.status_code == 200, answer.text
    assert list(answer.json()) == ["count"]
    return int(answer.json()["count"])


async def enter(api: Api, username: str) -> Person:
    """Sign in again, at another server on the same database."""
    answer = await api.http.post("/login", json={"username": username, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    return Person(api, answer.json())


async def all_rows(api: Api, table: str) -> list[str]:
    """What a table holds of hashes."""

    async def look(tx: Transaction) -> list[str]:
        return await tx.all(str, f"SELECT sealed FROM {table} ORDER BY sealed")

    return list(await api.app.state.db.read(look))


async def test_who_is_known_comes_up_for_neither(api: Api) -> None:
    """In no order, nor among likes, for both sides; a stranger sees both, profiles stay, nobody hears of it, and back it goes."""
    anna, clara = await api.people(2)
    boris = await api.person(email=" Boris@Example.ORG ")
    await boris.like(anna)
    assert await keep(anna, "boris@example.org", "nobody@example.org") == 2
    for order in ORDERS:
        assert await ids(anna, f"/profiles/search?order={order}") == {clara.id}
        assert await ids(boris, f"/profiles/search?order={order}") == {clara.id}
        assert await ids(clara, f"/profiles/search?order={order}") == {anna.id, boris.id}
    assert await ids(anna, "/followers") == set()
    assert (await anna.get(f"/user/{boris.id}")).status_code == (await boris.get(f"/user/{anna.id}")).status_code == 200
    assert await boris.told() == await anna.told() == []
    assert (await anna.delete("/me/contacts")).json() == (await anna.get("/me/contacts")).json() == {"count": 0}
    for order in ORDERS:
        assert await ids(anna, f"/profiles/search?order={order}") == {boris.id, clara.id}
    assert await ids(anna, "/followers") == {boris.id}


async def test_a_match_and_its_chat_stay(api: Api) -> None:
    """It is no block: who have matched go on writing."""
    anna = await api.person()
    boris = await api.person(email="boris@example.org")
    chat_id = await anna.match(boris)
    await keep(anna, "boris@example.org")
    assert (await boris.say(chat_id, "привет"))["content"] == "привет"
    for person in (anna, boris):
        assert len((await person.get("/matches")).json()) == len((await person.get("/chats")).json()) == 1


async def test_who_is_known_is_no_pick(api: Api) -> None:
    """Neither in what is made nor in what was made before."""
    place: dict[str, Any] = {"birthday": "1994-05-17", "latitude": 52.52, "longitude": 13.405}
    anna, clara = await api.people(2, **place)
    boris = await api.person(email="boris@example.org", **place)
    dora = await api.person(email="dora@example.org", **place)
    await keep(anna, "boris@example.org")
    await picks.make_picks(api.app.state.db, api.app.state.db.settings)
    assert await ids(anna, "/picks") == {clara.id, dora.id}
    assert await ids(boris, "/picks") == {clara.id, dora.id}
    await keep(anna, "dora@example.org", method="POST")
    assert await ids(anna, "/picks") == {clara.id}
    assert await ids(dora, "/picks") == {boris.id, clara.id}


async def test_who_comes_later_is_known_and_who_changes_or_leaves_is_not(api: Api, settings: Settings) -> None:
    """An account made after the book counts, by the address that it has now; a deleted one leaves no hash."""
    anna = await api.person()
    await keep(anna, "boris@example.org", "new@example.org")
    boris = await api.person(email="boris@example.org")
    assert await ids(anna, "/profiles/search") == set()
    db = api.app.state.db
    for email, seen in (("other@example.org", {boris.id}), ("new@example.org", set()), (None, {boris.id})):
        await db.write(contacts.put_mail, settings, boris.id, email)
        assert await ids(anna, "/profiles/search") == seen
    await db.write(contacts.put_mail, settings, boris.id, "boris@example.org")
    assert (await boris.delete("/me", json={"password": PASSWORD})).status_code == 200
    assert await api.count("handles") == 0
    assert (await anna.get("/me/contacts")).json() == {"count": 2}
    assert (await anna.delete("/me", json={"password": PASSWORD})).status_code == 200
    assert await api.count("contacts") == 0


async def test_a_book_is_replaced_and_added_to(api: Api) -> None:
    """PUT keeps these alone, POST these too; what comes twice, or in capitals, counts once, and a repeat changes nothing."""
    anna = await api.person()
    for _ in range(2):
        assert await keep(anna, "a@example.org", "b@example.org", "a@example.org") == 2
    for _ in range(2):
        assert await keep(anna, "b@example.org", "+4915112345678", method="POST") == 3
    loud = await anna.post("/me/contacts", json={"hashes": [digest("a@example.org").upper()]})
    assert loud.json() == (await anna.get("/me/contacts")).json() == {"count": 3}
    assert await keep(anna, "c@example.org") == 1
    assert await keep(anna) == 0


async def test_too_much_and_nonsense_change_nothing(api: Api) -> None:
    """More than fit at once or in all, and what is no hash; the book stays."""
    anna, berta = await api.people(2)
    for first in range(0, contacts.MOST, AT_ONCE):
        await keep(anna, *[f"{number}@x" for number in range(first, min(first + AT_ONCE, contacts.MOST))], method="POST")
    assert await keep(anna, "1@x", method="POST") == contacts.MOST
    full = await anna.post("/me/contacts", json={"hashes": [digest("1@x"), digest("one more")]})
    assert (full.status_code, full.json()["code"]) == (409, "too_many_contacts")
    assert (await anna.get("/me/contacts")).json() == {"count": contacts.MOST}
    assert await keep(berta, "a@x") == 1
    bad: list[Any] = ["", "g" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n", "а" * 64, "anna@example.org", None, 1]
    for hashes in (*[[digest("b@x"), one] for one in bad], [digest("b@x")] * (AT_ONCE + 1), "a" * 64, None):
        for method in ("PUT", "POST"):
            answer = await berta.request(method, "/me/contacts", json={"hashes": hashes})
            assert answer.status_code == 400, (hashes, answer.text)
    assert (await berta.get("/me/contacts")).json() == {"count": 1}


async def test_what_is_kept_is_sealed(api: Api) -> None:
    """Neither an address nor its plain hash is in the tables, not even as the fingerprint of a request."""
    anna = await api.person(email="anna@example.org")
    berta = await api.person()
    body = {"hashes": [digest("anna@example.org")]}
    await berta.put("/me/contacts", json=body, headers={"Idempotency-Key": "once"})
    assert await api.count("answers") == 0
    assert await all_rows(api, "contacts") == await all_rows(api, "handles") != []
    assert not {"anna@example.org", *body["hashes"]} & set(await all_rows(api, "contacts"))
    assert anna.id


async def test_an_address_without_a_handle_gets_one(api: Api, settings: Settings) -> None:
    """Accounts that are older than the feature, by the rounds; those who are sealed, deleted or have none stay as they are."""
    anna, gone = [await api.person(email=f"{name}@example.org") for name in ("anna", "gone")]
    boris = await api.person(email="boris@example.org")
    await gone.delete("/me", json={"password": PASSWORD})
    before = await all_rows(api, "handles")
    db = api.app.state.db
    await db.write(contacts.put_mail, settings, anna.id, None)
    await db.write(mailboxes.put, settings, boris.id, None)
    await keep(boris, "anna@example.org")
    assert await ids(boris, "/profiles/search") == {anna.id}
    for _ in range(2):
        await addresses.seal_missing(db, settings)
        assert await all_rows(api, "handles") == before
        assert await api.count("mailboxes") == 2
    assert await ids(boris, "/profiles/search") == set()


@pytest.mark.parametrize("turn", ["both secrets", "the new one alone"])
async def test_a_book_outlives_its_secret(settings: Settings, turn: str) -> None:
    """After a rotation an old book finds old accounts; new accounts while the old secret is listed; a new one everybody."""
    old, new = "o" * 40, "n" * 40
    async with running(msgspec.structs.replace(settings, jwt_secrets=(old,))) as api:
        anna = await api.person()
        await api.person(email="boris@example.org")
        await keep(anna, "boris@example.org", "clara@example.org")
        assert await ids(anna, "/profiles/search") == set()
    both = msgspec.structs.replace(settings, jwt_secrets=(new, old))
    async with running(both) as api:
        await addresses.seal_missing(api.app.state.db, both)
        if turn == "both secrets":
            await api.person(email="clara@example.org")
            assert await ids(await enter(api, anna.username), "/profiles/search") == set()
    last = msgspec.structs.replace(settings, jwt_secrets=(new,))
    async with running(last) as api:
        if turn == "the new one alone":
            clara = await api.person(email="clara@example.org")
        me = await enter(api, anna.username)
        assert await ids(me, "/profiles/search") == (set() if turn == "both secrets" else {clara.id})
        await keep(me, "boris@example.org", "clara@example.org")
        assert await ids(me, "/profiles/search") == set()
