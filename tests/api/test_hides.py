"""Hiding somebody: out of my lists of people, one way, unnoticed, and back again."""

from typing import Any

from tests.kit import Api, Person


async def ids(person: Person, path: str) -> list[int]:
    """Who is on a list."""
    answer = await person.get(path)
    assert answer.status_code == 200, answer.text
    return [card["id"] for card in answer.json()]


async def test_who_is_hidden_comes_up_no_more(api: Api) -> None:
    """Neither in a search in any order, nor among those who like me; the other sees me as before and is told nothing."""
    anna, boris, clara = await api.people(3)
    await boris.like(anna)
    answer = await anna.post(f"/api/users/{boris.id}/hide")
    assert (answer.status_code, answer.json()) == (200, {"status": "hidden"})
    for order in ("recommended", "recent", "distance", "id"):
        assert await ids(anna, f"/profiles/search?order={order}") == [clara.id]
    assert await ids(anna, "/followers") == []
    assert (await boris.get(f"/user/{anna.id}")).status_code == 200
    assert (await anna.get(f"/user/{boris.id}")).status_code == 200
    assert await boris.told() == []
    assert (await anna.like(boris))["status"] == "match"


async def test_a_hide_is_taken_back(api: Api) -> None:
    """The list names whom I have hidden, the latest first, in pages; after the unhide everything is as before."""
    anna, boris, clara = await api.people(3)
    await boris.like(anna)
    for other in (boris, clara, boris):
        assert (await anna.post(f"/api/users/{other.id}/hide")).status_code == 200
    assert await ids(anna, "/api/users/hidden") == [clara.id, boris.id]
    assert await ids(anna, f"/api/users/hidden?limit=1&last_seen_id={clara.id}") == [boris.id]
    assert await ids(boris, "/api/users/hidden") == []
    for _ in range(2):
        answer = await anna.delete(f"/api/users/{boris.id}/hide")
        assert (answer.status_code, answer.json()) == (200, {"status": "unhidden"})
    assert await ids(anna, "/api/users/hidden") == [clara.id]
    assert await ids(anna, "/followers") == await ids(anna, "/profiles/search") == [boris.id]


async def test_who_cannot_be_seen_cannot_be_hidden(api: Api) -> None:
    """Myself is 400; who has blocked me and who does not exist are the same 404, and a block takes somebody off the list."""
    anna, boris, clara = await api.people(3)
    await anna.post(f"/api/users/{clara.id}/hide")
    for other in (boris, clara):
        await other.post(f"/api/users/{anna.id}/block")
    assert (await anna.post(f"/api/users/{anna.id}/hide")).json()["code"] == "hide_self"
    answers: list[Any] = [await anna.post(f"/api/users/{number}/hide") for number in (boris.id, 2**50)]
    assert [answer.status_code for answer in answers] == [404, 404]
    assert answers[0].content == answers[1].content
    assert await ids(anna, "/api/users/hidden") == []
    assert await api.count("hides") == 1
