"""Blocks: a block hides two people from each other everywhere, at once and both ways."""

from typing import Any

import pytest

from dating.database import Transaction
from dating.safety import service
from tests.kit import Api, Person


async def block(person: Person, other: Person) -> None:
    """Block somebody."""
    answer = await person.post(f"/api/users/{other.id}/block")
    assert (answer.status_code, answer.json()) == (200, {"status": "blocked"})


async def unblock(person: Person, other: Person) -> None:
    """Take a block back."""
    answer = await person.delete(f"/api/users/{other.id}/block")
    assert (answer.status_code, answer.json()) == (200, {"status": "unblocked"})


async def blocked(person: Person, **query: int) -> list[dict[str, Any]]:
    """Whom I have blocked."""
    answer = await person.get("/api/users/blocked", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def test_blocking_is_idempotent(api: Api) -> None:
    """Blocking or unblocking again changes nothing and answers the same."""
    anna, boris = await api.people(2)
    await unblock(anna, boris)
    await block(anna, boris)
    first = await blocked(anna)
    await block(anna, boris)
    assert await blocked(anna) == first
    assert await api.count("blocks") == 1
    await unblock(anna, boris)
    await unblock(anna, boris)
    assert await blocked(anna) == []


async def test_my_blocks_are_listed_for_me_alone(api: Api) -> None:
    """The latest first, with names; the blocked person's list says nothing of it."""
    anna, boris = await api.people(2)
    clara = await api.person(name="Клара 🌻")
    await block(anna, boris)
    await block(anna, clara)
    rows = await blocked(anna)
    assert [(r["id"], r["username"], r["name"]) for r in rows] == [
        (clara.id, clara.username, "Клара 🌻"),
        (boris.id, boris.username, rows[1]["name"]),
    ]
    assert rows[0]["blocked_at"].endswith("Z")
    assert await blocked(boris) == await blocked(clara) == []


async def test_blocks_come_in_pages(api: Api) -> None:
    """Pages by the last id seen, or by offset, give everybody once."""
    anna, *others = await api.people(6)
    for other in others:
        await block(anna, other)
    expected = [other.id for other in reversed(others)]

    async def page(**query: int) -> list[int]:
        return [row["id"] for row in await blocked(anna, **query)]

    assert await page() == expected
    assert await page(limit=2) + await page(limit=2, offset=2) == expected[:4]
    assert await page(limit=2, last_seen_id=expected[1]) == expected[2:4]
    assert await page(last_seen_id=expected[4]) == []


async def test_nobody_blocks_themselves(api: Api) -> None:
    """Blocking myself is 400, both ways round."""
    anna = await api.person()
    for method in ("POST", "DELETE"):
        answer = await anna.request(method, f"/api/users/{anna.id}/block")
        assert (answer.status_code, answer.json()["code"]) == (400, "block_self")


async def test_absent_people_are_not_found(api: Api) -> None:
    """Unknown people and impossible ids are 404."""
    anna = await api.person()
    for user_id in ["0", "1000000000", str(2**53), str(2**63), "9" * 40]:
        for method in ("POST", "DELETE"):
            assert (await anna.request(method, f"/api/users/{user_id}/block")).status_code == 404, user_id
    assert await api.count("blocks") == 0


@pytest.mark.parametrize("column", ["banned_at", "deleted_at"])
async def test_those_who_are_gone_are_not_found(api: Api, column: str) -> None:
    """A banned or deleted person cannot be blocked, and leaves the list."""
    anna, boris, clara = await api.people(3)
    await block(anna, boris)

    async def remove(tx: Transaction) -> None:
        await tx.run(f"UPDATE users SET {column} = 1 WHERE id IN (:one, :other)", one=boris.id, other=clara.id)

    await api.app.state.db.write(remove)
    answer = await anna.post(f"/api/users/{clara.id}/block")
    assert (answer.status_code, answer.json()["code"]) == (404, "user_not_found")
    assert await blocked(anna) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/users/1/block"), ("DELETE", "/api/users/1/block"), ("GET", "/api/users/blocked")],
)
async def test_strangers_to_the_server_are_refused(api: Api, method: str, path: str) -> None:
    """Without a token, or with a forged one, every path is 401."""
    for headers in ({}, {"Authorization": "Bearer forged"}):
        assert (await api.http.request(method, path, headers=headers)).status_code == 401


async def shown(person: Person, chat_id: int) -> str:
    """Everything that the lists, searches and look-ups of a person answer, as one text."""
    paths = [
        "/profiles/search",
        "/followers",
        "/matches",
        "/chats",
        "/api/chats",
        f"/api/chats/{chat_id}",
        f"/chat/messages/{chat_id}",
        f"/api/chats/{chat_id}/messages",
    ]
    return "\n".join([(await person.get(path)).text for path in paths])


async def test_a_block_hides_both_from_each_other_everywhere(api: Api) -> None:
    """No list, search, profile or chat of either names the other any more; after the unblock all of it is back."""
    anna, boris = await api.person("анна-прячется".encode().hex()), await api.person("boris-disappears")
    chat_id = await anna.match(boris)
    await anna.say(chat_id, "секрет")
    before = [await shown(anna, chat_id), await shown(boris, chat_id)]
    assert boris.username in before[0]
    assert anna.username in before[1]
    await block(anna, boris)
    for person, other in [(anna, boris), (boris, anna)]:
        text = await shown(person, chat_id)
        assert other.username not in text
        assert "секрет" not in text
        for path in [f"/user/{other.id}", f"/api/users/{other.id}", f"/api/users/username/{other.username}"]:
            assert (await person.get(path)).status_code == 404, path
    await unblock(anna, boris)
    assert boris.username in await shown(anna, chat_id)
    assert (await anna.get(f"/user/{boris.id}")).status_code == 200
    assert [m["user_id"] for m in (await boris.get("/matches")).json()] == [anna.id]


async def test_nothing_passes_between_blocked_people(api: Api) -> None:
    """Sending, reading and swiping are 404 for both, as for a chat or person that never was, and nobody is told."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    message = await anna.say(chat_id, "привет")
    await block(boris, anna)
    told = await anna.told(), await boris.told()
    for person, other in [(anna, boris), (boris, anna)]:
        for path, body in [
            ("/messages/send", {"chat_id": chat_id, "content": "?"}),
            ("/chat/read", {"chat_id": chat_id}),
            ("/messages/read", {"chat_id": chat_id, "message_ids": [message["id"]]}),
            ("/swipe", {"target_id": other.id, "action": "like"}),
            ("/swipe", {"target_id": other.id, "action": "dislike"}),
        ]:
            assert (await person.post(path, json=body)).status_code == 404, path
    assert (await anna.told(), await boris.told()) == told


async def test_a_blocked_follower_is_hidden(api: Api) -> None:
    """Who likes me disappears with a block of either side, and is back after it."""
    anna, boris = await api.people(2)
    await boris.like(anna)
    for blocker, other in [(anna, boris), (boris, anna)]:
        await block(blocker, other)
        assert (await anna.get("/followers")).json() == []
        await unblock(blocker, other)
        assert [user["id"] for user in (await anna.get("/followers")).json()] == [boris.id]


async def test_blocking_somebody_who_blocks_me_looks_the_same(api: Api) -> None:
    """The blocked person can block back, and learns nothing from it; only when both have unblocked are they visible."""
    anna, boris = await api.people(2)
    await block(anna, boris)
    await block(boris, anna)
    assert [row["id"] for row in await blocked(boris)] == [anna.id]
    await unblock(anna, boris)
    assert (await anna.get(f"/user/{boris.id}")).status_code == 404
    assert (await boris.get(f"/user/{anna.id}")).status_code == 404
    await unblock(boris, anna)
    assert (await anna.get(f"/user/{boris.id}")).status_code == 200


async def test_strangers_are_not_concerned(api: Api) -> None:
    """A block between two changes nothing for a third."""
    anna, boris, clara = await api.people(3)
    await block(anna, boris)
    assert (await clara.get(f"/user/{anna.id}")).status_code == 200
    assert await clara.match(anna) != await clara.match(boris)


async def test_erasing_a_person_forgets_their_blocks(api: Api) -> None:
    """Blocks by and of the person go; others stay."""
    anna, boris, clara = await api.people(3)
    await block(anna, boris)
    await block(clara, anna)
    await block(clara, boris)
    await api.app.state.db.write(service.erase, anna.id)
    assert await api.count("blocks") == 1
    assert [row["id"] for row in await blocked(clara)] == [boris.id]
