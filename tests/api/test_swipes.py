"""Swiping: likes, dislikes, matches, undo, daily likes, and who likes me."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from dating.clock import DAY
from dating.database import Transaction
from dating.settings import Settings
from tests.kit import Api, Person, running

GREETING = "It's a match! 🎉"


async def swipe(person: Person, target: Person, action: str = "like") -> dict[str, Any]:
    """Swipe and expect an answer."""
    answer = await person.post("/swipe", json={"target_id": target.id, "action": action})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def refused(person: Person, target_id: object, action: object = "like") -> tuple[int, str]:
    """Swipe and expect a refusal: its status and code."""
    answer = await person.post("/swipe", json={"target_id": target_id, "action": action})
    assert answer.headers["content-type"] == "application/problem+json", answer.text
    return answer.status_code, answer.json()["code"]


async def execute(api: Api, sql: str, **values: object) -> None:
    """Change the database behind the server's back."""

    async def change(tx: Transaction) -> None:
        await tx.run(sql, **values)

    await api.app.state.db.write(change)


async def followers(person: Person, **query: int) -> list[int]:
    """The ids of who likes me."""
    answer = await person.get("/followers", params=query)
    assert answer.status_code == 200, answer.text
    return [user["id"] for user in answer.json()]


async def test_two_likes_make_a_match_with_a_chat(api: Api) -> None:
    """The first like waits; the second answers the match, and both are told of the same chat, once, each with the other's id."""
    anna, boris = await api.people(2)
    assert await swipe(anna, boris) == {"status": "like"}
    answer = await swipe(boris, anna)
    chat_id = answer["chat_id"]
    assert answer == {"status": "match", "content": f"It's a match with user {anna.id}!", "chat_id": chat_id}
    event = {"type": "match", "content": GREETING, "chat_id": chat_id}
    assert await anna.inbox() == [event | {"user_id": boris.id, "seq": 1}]
    assert await boris.inbox() == [event | {"user_id": anna.id, "seq": 1}]
    messages = (await anna.get(f"/chat/messages/{chat_id}")).json()
    assert [(m["kind"], m["sender_id"], m["content"]) for m in messages] == [("system", None, GREETING)]


async def test_a_dislike_is_answered_and_told_to_nobody(api: Api) -> None:
    """A dislike of somebody who likes me makes no match, no chat and no event."""
    anna, boris = await api.people(2)
    await swipe(anna, boris)
    assert await swipe(boris, anna, "dislike") == {"status": "dislike"}
    assert await anna.inbox() == await boris.inbox() == []
    assert await api.count("chats") == 0


async def test_a_superlike_counts_as_a_like(api: Api) -> None:
    """A superlike answers `like` and makes a match; a like may become one."""
    anna, boris = await api.people(2)
    assert await swipe(anna, boris, "superlike") == {"status": "like"}
    assert await swipe(anna, boris, "like") == {"status": "like"}
    assert await swipe(anna, boris, "superlike") == {"status": "like"}
    assert (await swipe(boris, anna, "superlike"))["status"] == "match"


async def test_repeating_a_swipe_is_harmless(api: Api) -> None:
    """The same swipe again gets the same answer; a match is not announced again and its chat stays the same."""
    anna, boris, clara = await api.people(3)
    assert await swipe(anna, clara, "dislike") == await swipe(anna, clara, "dislike") == {"status": "dislike"}
    assert await swipe(anna, boris) == await swipe(anna, boris) == {"status": "like"}
    match = await swipe(boris, anna)
    assert await swipe(boris, anna) == match
    assert (await swipe(anna, boris, "superlike"))["chat_id"] == match["chat_id"]
    assert await anna.told() == await boris.told() == ["match"]
    assert await api.count("messages") == await api.count("chats") == 1


async def test_an_idempotency_key_answers_the_first_result(api: Api) -> None:
    """The same key gives the first answer again, even after the match; with another body it is a conflict."""
    anna, boris, clara = await api.people(3)
    key = {"Idempotency-Key": "первый".encode().hex()}
    body = {"target_id": boris.id, "action": "like"}
    first = await anna.post("/swipe", json=body, headers=key)
    await swipe(boris, anna)
    again = await anna.post("/swipe", json=body, headers=key)
    assert first.json() == again.json() == {"status": "like"}
    other = await anna.post("/swipe", json=body | {"target_id": clara.id}, headers=key)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")


async def test_a_mind_may_change_until_there_is_a_match(api: Api) -> None:
    """Dislike becomes like and like becomes dislike; after a match a dislike is refused and changes nothing."""
    anna, boris = await api.people(2)
    await swipe(anna, boris)
    await swipe(anna, boris, "dislike")
    assert await swipe(boris, anna) == {"status": "like"}
    assert (await swipe(anna, boris))["status"] == "match"
    assert await refused(anna, boris.id, "dislike") == (409, "already_matched")
    assert [m["user_id"] for m in (await anna.get("/matches")).json()] == [boris.id]


async def test_an_unknown_action_is_refused(api: Api) -> None:
    """Anything but like, dislike and superlike is 400, and writes nothing."""
    anna, boris = await api.people(2)
    for action in ["", "LIKE", "unmatch", None, 1, ["like"], "like\u0000"]:
        assert (await refused(anna, boris.id, action))[0] == 400, action
    assert await api.count("pairs") == 0


async def test_an_impossible_target_is_refused(api: Api) -> None:
    """What is no id at all is 400."""
    anna = await api.person()
    for target in [None, "seven", 0, -1, 1.5, 2**53, 2**63, True, [1], {}]:
        assert (await refused(anna, target))[0] == 400, target


async def test_swiping_myself_is_refused(api: Api) -> None:
    """Nobody can like themselves."""
    anna = await api.person()
    assert await refused(anna, anna.id) == (400, "swipe_self")


async def test_a_hidden_target_looks_like_an_absent_one(api: Api) -> None:
    """Unknown, banned, deleted, blocked by me, blocking me: the same answer, byte for byte, and no row."""
    anna, banned, deleted, blocked, blocking = await api.people(5)
    await execute(api, "UPDATE users SET banned_at = 1 WHERE id = :id", id=banned.id)
    await execute(api, "UPDATE users SET deleted_at = 1 WHERE id = :id", id=deleted.id)
    await anna.post(f"/api/users/{blocked.id}/block")
    await blocking.post(f"/api/users/{anna.id}/block")
    answers = set()
    for target in [10**9, banned.id, deleted.id, blocked.id, blocking.id]:
        for action in ["like", "dislike", "superlike"]:
            answer = await anna.post("/swipe", json={"target_id": target, "action": action})
            answers.add((answer.status_code, answer.content))
    assert len(answers) == 1
    status, body = answers.pop()
    assert (status, msgspec.json.decode(body)["code"]) == (404, "user_not_found")
    assert await api.count("pairs") == 0


async def test_a_like_from_before_a_block_makes_no_match_during_it(api: Api) -> None:
    """A blocked person's swipe on the blocker is 404 even though there is a row already; after the unblock it matches."""
    anna, boris = await api.people(2)
    await swipe(anna, boris)
    await anna.post(f"/api/users/{boris.id}/block")
    assert await refused(boris, anna.id) == await refused(anna, boris.id, "like") == (404, "user_not_found")
    await anna.delete(f"/api/users/{boris.id}/block")
    assert (await swipe(boris, anna))["status"] == "match"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/swipe"),
        ("POST", "/swipe/undo"),
        ("GET", "/followers"),
        ("GET", "/matches"),
        ("DELETE", "/matches/1"),
        ("DELETE", "/clear/my/swipes"),
    ],
)
async def test_strangers_to_the_server_are_refused(api: Api, method: str, path: str) -> None:
    """Without a token, or with a forged one, every path is 401."""
    for headers in ({}, {"Authorization": "Bearer forged"}):
        answer = await api.http.request(method, path, headers=headers, json={} if method == "POST" else None)
        assert answer.status_code == 401, answer.text


# --- undo -------------------------------------------------------------------------------------------------------------------


async def test_undo_takes_the_last_swipe_back(api: Api) -> None:
    """The last swipe goes first, then the one before; what is gone makes no match any more."""
    anna, boris, clara = await api.people(3)
    await swipe(anna, boris)
    await swipe(anna, clara, "dislike")
    answer = await anna.post("/swipe/undo")
    assert (answer.status_code, answer.json()) == (200, {"status": "undone", "target_id": clara.id})
    assert await followers(boris) == [anna.id]
    assert (await anna.post("/swipe/undo")).json()["target_id"] == boris.id
    assert await followers(boris) == []
    assert await swipe(boris, anna) == {"status": "like"}
    assert await followers(anna) == [boris.id]


async def test_undo_without_a_swipe_is_not_found(api: Api) -> None:
    """Somebody who has not swiped has nothing to take back, even if others swiped them."""
    anna, boris = await api.people(2)
    await swipe(boris, anna)
    answer = await anna.post("/swipe/undo")
    assert (answer.status_code, answer.json()["code"]) == (404, "nothing_to_undo")
    assert await followers(anna) == [boris.id]


async def test_undo_of_a_match_is_refused(api: Api) -> None:
    """A swipe that has become a match stays, whichever side swiped last."""
    anna, boris = await api.people(2)
    await anna.match(boris)
    for person in (anna, boris):
        answer = await person.post("/swipe/undo")
        assert (answer.status_code, answer.json()["code"]) == (409, "already_matched")
    assert len((await anna.get("/matches")).json()) == 1


# --- daily likes ------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def frugal(settings: Settings) -> AsyncIterator[Api]:
    """A server with two likes a day."""
    async with running(msgspec.structs.replace(settings, likes_per_day=2)) as api:
        yield api


async def test_likes_run_out_and_come_back_at_midnight(frugal: Api) -> None:
    """The third new like of a day is 429 and says that nothing is left and when to come back; it writes nothing."""
    anna, *others = await frugal.people(4)
    for other in others[:2]:
        assert await swipe(anna, other) == {"status": "like"}
    answer = await anna.post("/swipe", json={"target_id": others[2].id, "action": "superlike"})
    assert (answer.status_code, answer.json()["code"], answer.json()["left"]) == (429, "likes_used_up", 0)
    wait = int(answer.headers["retry-after"])
    assert 0 < wait <= 86_400
    assert await followers(others[2]) == []
    db = frugal.app.state.db
    now = db.clock() + wait * 1_000_000
    assert now % DAY < 2_000_000 + DAY // 1000
    db.clock = lambda: now
    assert await swipe(anna, others[2]) == {"status": "like"}


async def test_only_new_likes_are_counted(frugal: Api) -> None:
    """Dislikes, repeats and a like made stronger cost nothing; a like that is taken back stays spent."""
    anna, boris, clara, dora = await frugal.people(4)
    for action in ["like", "like", "superlike", "like"]:
        await swipe(anna, boris, action)
    await swipe(anna, clara)
    await anna.post("/swipe/undo")
    assert await refused(anna, dora.id) == (429, "likes_used_up")
    assert await swipe(anna, dora, "dislike") == {"status": "dislike"}
    assert await swipe(anna, boris, "like") == {"status": "like"}
    assert (await swipe(boris, anna))["status"] == "match"
    assert (await swipe(anna, boris))["status"] == "match"


# --- who likes me -----------------------------------------------------------------------------------------------------------


async def test_followers_are_those_who_await_my_swipe(api: Api) -> None:
    """Likes and superlikes, the latest first, as public profiles; not who dislikes me, nor whom I have swiped already."""
    anna, boris, clara, dora, emil = await api.people(5)
    await swipe(boris, anna)
    await swipe(clara, anna, "superlike")
    await swipe(dora, anna, "dislike")
    await swipe(emil, anna)
    assert await followers(anna) == [emil.id, clara.id, boris.id]
    await swipe(anna, emil, "dislike")
    await swipe(anna, clara)
    assert await followers(anna) == [boris.id]
    card = (await anna.get("/followers")).json()[0]
    assert card["username"] == boris.username
    assert not card.keys() & {"email", "birthday", "latitude", "longitude"}


async def test_followers_come_in_pages(api: Api) -> None:
    """Pages by the last id seen, or by offset, give everybody once, even when somebody on the page was swiped meanwhile."""
    anna, *others = await api.people(6)
    for other in others:
        await swipe(other, anna)
    expected = [other.id for other in reversed(others)]
    assert await followers(anna, limit=2) == expected[:2]
    assert await followers(anna, limit=2, offset=2) == expected[2:4]
    await swipe(anna, others[3], "dislike")
    assert await followers(anna, limit=2, last_seen_id=expected[1]) == expected[2:4]
    assert await followers(anna, last_seen_id=expected[3]) == expected[4:]
    assert await followers(anna, last_seen_id=expected[4]) == []


async def test_a_page_after_somebody_does_not_tell_what_they_think(api: Api) -> None:
    """Who dislikes me, whom I disliked first, and who is hidden from me, are no cursors: they look like a stranger."""
    anna, fan, hater, late, hidden, stranger = await api.people(6)
    await swipe(fan, anna)
    await swipe(hater, anna, "dislike")
    await swipe(anna, late, "dislike")
    await swipe(late, anna)
    await swipe(hidden, anna)
    await hidden.post(f"/api/users/{anna.id}/block")
    assert await followers(anna) == [fan.id]
    for other in (stranger, hater, late, hidden):
        assert await followers(anna, last_seen_id=other.id) == []


@pytest.mark.parametrize("path", ["/followers", "/matches", "/api/users/blocked"])
async def test_a_page_has_bounds(api: Api, path: str) -> None:
    """A page out of bounds is 400; the last one in bounds is served."""
    anna = await api.person()
    for query in ["limit=0", "limit=101", "limit=x", "offset=-1", "offset=10001", "last_seen_id=0", f"last_seen_id={2**53}"]:
        assert (await anna.get(f"{path}?{query}")).status_code == 400, query
    assert (await anna.get(f"{path}?limit=100&offset=10000&last_seen_id={2**53 - 1}")).json() == []


# --- clearing ---------------------------------------------------------------------------------------------------------------


async def test_clearing_forgets_my_swipes_and_only_mine(api: Api) -> None:
    """My likes no longer wait at the others, theirs still wait at me, and other people's are untouched."""
    anna, boris, clara = await api.people(3)
    await swipe(anna, boris)
    await swipe(clara, anna)
    await swipe(clara, boris)
    answer = await anna.delete("/clear/my/swipes")
    assert (answer.status_code, answer.json()) == (200, True)
    assert await followers(boris) == [clara.id]
    assert await followers(anna) == [clara.id]
    assert (await anna.post("/swipe/undo")).status_code == 404


async def test_clearing_ends_matches_and_liking_again_makes_new_ones(api: Api) -> None:
    """Both are told that it is over; the other's like still waits, so one like of mine matches again, in the same chat."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    await anna.delete("/clear/my/swipes")
    assert await anna.told() == await boris.told() == ["match", "unmatch"]
    assert (await boris.post("/messages/send", json={"chat_id": chat_id, "content": "?"})).status_code == 404
    assert await followers(anna) == [boris.id]
    assert (await swipe(anna, boris))["chat_id"] == chat_id
    assert await anna.told() == await boris.told() == ["match", "unmatch", "match"]
    assert (await boris.say(chat_id, "снова 👋"))["content"] == "снова 👋"


async def test_clearing_tells_a_blocked_person_nothing(api: Api) -> None:
    """A match with somebody whom a block hides ends in silence."""
    anna, boris = await api.people(2)
    await anna.match(boris)
    await boris.post(f"/api/users/{anna.id}/block")
    assert (await anna.delete("/clear/my/swipes")).json() is True
    assert await anna.told() == await boris.told() == ["hidden"]
    await boris.delete(f"/api/users/{anna.id}/block")
    assert await anna.told() == await boris.told() == ["match"]
    assert (await boris.get("/matches")).json() == []


async def test_clearing_can_be_switched_off(settings: Settings) -> None:
    """Without DATING_TESTING the path answers 404 and the swipes stay."""
    async with running(msgspec.structs.replace(settings, testing=False)) as api:
        anna, boris = await api.people(2)
        await swipe(anna, boris)
        answer = await anna.delete("/clear/my/swipes")
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        assert await followers(boris) == [anna.id]


@pytest.mark.parametrize("end", ["", "/"])
async def test_both_ways_answer_alike(api: Api, end: str) -> None:
    """A trailing slash leads past the shortcut, through the framework: the same pages, answers, errors and headers."""
    anna, boris = await api.people(2)
    for query in ("", "?page_size=1&order=recent"):
        page = await anna.get(f"/profiles/search{end}{query}")
        assert (page.status_code, [one["id"] for one in page.json()]) == (200, [boris.id])
        assert page.headers["ratelimit"].startswith('"superlikes";r=5;t=')
    for query, fields in (
        ("page_size=x", ["page_size"]),
        ("min_age=-1&latitude=999", ["latitude", "min_age"]),
        ("latitude=1", []),
    ):
        page = await anna.get(f"/profiles/search{end}?{query}")
        assert (page.status_code, page.headers["content-type"].partition(";")[0]) == (400, "application/problem+json")
        assert sorted(error["field"] for error in page.json().get("errors", [])) == fields
    head = await anna.request("HEAD", f"/profiles/search{end}")
    assert (head.status_code, head.content) == (200, b"")
    assert int(head.headers["content-length"]) > 100
    key = {"Idempotency-Key": "once"}
    swipes: tuple[tuple[dict[str, object], dict[str, str], int], ...] = (
        ({"target_id": boris.id, "action": "superlike"}, key, 200),
        ({"target_id": boris.id, "action": "superlike"}, key, 200),
        ({"target_id": boris.id, "action": "like"}, key, 409),
        ({"target_id": boris.id, "action": "love"}, {}, 400),
        ({"target_id": anna.id, "action": "like"}, {}, 400),
        ({"target_id": 999_999, "action": "dislike"}, {}, 404),
        ({}, {}, 400),
    )
    for body, headers, status in swipes:
        answer = await anna.post(f"/swipe{end}", json=body, headers=headers)
        assert answer.status_code == status, answer.text
        assert {"x-request-id", "cache-control", "x-content-type-options"} <= answer.headers.keys()
    assert (await anna.post(f"/swipe{end}", content=b"x", headers={"content-type": "text/plain"})).status_code == 415
    assert (await api.http.post(f"/swipe{end}", json={})).status_code == 401
    assert (await api.http.get(f"/profiles/search{end}")).status_code == 401
    assert (await anna.get("/swipe/limits")).json()["superlikes"]["left"] == 4
