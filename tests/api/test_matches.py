"""Matches: the list, the end of one, and what comes after."""

from typing import Any

from dating.matching import service
from tests.kit import Api, Person


async def matches(person: Person, **query: int) -> list[dict[str, Any]]:
    """My matches."""
    answer = await person.get("/matches", params=query)
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def ids(person: Person, **query: int) -> list[int]:
    """The people in them."""
    return [match["user_id"] for match in await matches(person, **query)]


async def unmatch(person: Person, other: Person) -> None:
    """End a match."""
    answer = await person.delete(f"/matches/{other.id}")
    assert (answer.status_code, answer.json()) == (200, {"status": "unmatched"})


async def test_matches_show_the_other_and_the_chat(api: Api) -> None:
    """Either side sees the other's public profile, the same chat and the same time; the latest match comes first."""
    anna, boris = await api.people(2)
    clara = await api.person(name="Клара 🌻")
    first, second = await anna.match(boris), await clara.match(anna)
    mine = await matches(anna)
    assert [(m["user_id"], m["user"]["id"], m["chat_id"]) for m in mine] == [
        (clara.id, clara.id, second),
        (boris.id, boris.id, first),
    ]
    assert mine[0]["user"]["name"] == "Клара 🌻"
    theirs = await matches(boris)
    assert [(m["user_id"], m["chat_id"], m["matched_at"]) for m in theirs] == [(anna.id, first, mine[1]["matched_at"])]
    assert mine[0]["matched_at"].endswith("Z")


async def test_a_like_alone_is_no_match(api: Api) -> None:
    """Who only likes, or is liked, has no match; a stranger sees nothing of others' matches."""
    anna, boris, clara = await api.people(3)
    await anna.like(boris)
    assert await matches(anna) == await matches(boris) == []
    await boris.like(anna)
    assert await matches(clara) == []


async def test_matches_come_in_pages(api: Api) -> None:
    """Pages by the last id seen, or by offset, give every match once."""
    anna, *others = await api.people(6)
    for other in others:
        await anna.match(other)
    expected = [other.id for other in reversed(others)]
    assert await ids(anna) == expected
    assert await ids(anna, limit=2) + await ids(anna, limit=2, offset=2) == expected[:4]
    assert await ids(anna, limit=2, last_seen_id=expected[1]) == expected[2:4]
    assert await ids(anna, last_seen_id=expected[4]) == []


async def test_an_unmatch_ends_everything_for_both(api: Api) -> None:
    """Both are told, once; the match and the chat are gone for both, and nothing can be sent or read there."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    await boris.say(chat_id, "привет")
    await unmatch(anna, boris)
    assert (await anna.inbox())[-1] == {"type": "unmatch", "chat_id": chat_id, "user_id": boris.id, "seq": 3}
    assert (await boris.inbox())[-1] == {"type": "unmatch", "chat_id": chat_id, "user_id": anna.id, "seq": 3}
    for person in (anna, boris):
        assert await matches(person) == []
        assert (await person.get("/chats")).json() == []
        assert (await person.get(f"/chat/messages/{chat_id}")).status_code == 404
        assert (await person.post("/messages/send", json={"chat_id": chat_id, "content": "?"})).status_code == 404


async def test_those_who_parted_are_not_shown_to_each_other(api: Api) -> None:
    """After an unmatch neither awaits the other, and neither can undo it."""
    anna, boris = await api.people(2)
    await anna.match(boris)
    await unmatch(anna, boris)
    for person in (anna, boris):
        assert (await person.get("/followers")).json() == []
        assert (await person.post("/swipe/undo")).json()["code"] == "nothing_to_undo"
        assert (await person.get("/profiles/search")).json() == []


async def test_a_new_match_needs_both_to_like_anew(api: Api) -> None:
    """After an unmatch a like of one side, whichever it is, is only a like; when both like again, the chat is open again."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    await unmatch(anna, boris)
    assert await anna.like(boris) == {"status": "like"}
    assert (await boris.get("/followers")).json() == []
    assert (await anna.post("/swipe/undo")).json()["target_id"] == boris.id
    assert await boris.like(anna) == {"status": "like"}
    assert (await anna.get("/followers")).json() == []
    assert (await anna.like(boris))["chat_id"] == chat_id
    assert await anna.told() == await boris.told() == ["match", "unmatch", "match"]
    assert await ids(boris) == [anna.id]


async def test_only_a_match_of_mine_can_be_ended(api: Api) -> None:
    """Unknown people and impossible ids are 404."""
    anna = await api.person()
    for user_id in ["0", "1000000000", str(2**53), str(2**63), "9" * 40]:
        assert (await anna.delete(f"/matches/{user_id}")).status_code == 404, user_id


async def test_others_cannot_end_a_match(api: Api) -> None:
    """Somebody who is only liked, a stranger, and either side after the end: 404, and nothing changes."""
    anna, boris, clara = await api.people(3)
    await anna.match(boris)
    await clara.like(anna)
    for person, other in [(clara, anna), (clara, boris), (anna, clara), (anna, anna)]:
        answer = await person.delete(f"/matches/{other.id}")
        assert (answer.status_code, answer.json()["code"]) == (404, "match_not_found")
    assert await ids(anna) == [boris.id]
    await unmatch(boris, anna)
    for person, other in [(anna, boris), (boris, anna)]:
        assert (await person.delete(f"/matches/{other.id}")).status_code == 404
    assert await anna.told() == ["match", "unmatch"]


async def test_a_hidden_match_cannot_be_ended(api: Api) -> None:
    """While a block hides the two, an unmatch is 404 for both and tells nobody; after the unblock the match is there."""
    anna, boris = await api.people(2)
    await anna.match(boris)
    await anna.post(f"/api/users/{boris.id}/block")
    for person, other in [(anna, boris), (boris, anna)]:
        answer = await person.delete(f"/matches/{other.id}")
        assert (answer.status_code, answer.json()["code"]) == (404, "match_not_found")
    await anna.delete(f"/api/users/{boris.id}/block")
    assert await ids(anna) == [boris.id]
    assert await anna.told() == await boris.told() == ["match"]


async def test_erasing_a_person_ends_their_matches(api: Api) -> None:
    """The others are told, their chat is closed, and no row of the person is left."""
    anna, boris, clara = await api.people(3)
    await anna.match(boris)
    await clara.like(anna)
    await api.app.state.db.write(service.erase, anna.id)
    assert await boris.told() == ["match", "unmatch"]
    assert await anna.told() == ["match"]
    assert await matches(boris) == (await boris.get("/chats")).json() == []
    assert await api.count("pairs") == 0
