"""Groups: who may come, stay, manage and leave, and exactly who is told what."""

import asyncio
from typing import Any

from dating.clock import now_microseconds
from tests.api.messenger import chat, do, history, listen, make_group, refused
from tests.api.test_requests import ask
from tests.kit import PASSWORD, Api, Person


async def members(person: Person, group: int) -> dict[int, str]:
    """The group's members with their roles, as the person sees them."""
    answer = await person.get(f"/api/chats/{group}")
    assert answer.status_code == 200, answer.text
    return {member["user_id"]: member["role"] for member in answer.json()["members"]}


async def remove(person: Person, group: int, user_id: int) -> tuple[int, str]:
    """Put somebody out; status and code."""
    answer = await person.delete(f"/api/chats/{group}/members/{user_id}")
    return answer.status_code, answer.json().get("code", "")


async def appoint(person: Person, group: int, user_id: int, role: str) -> tuple[int, str]:
    """Give somebody a role; status and code."""
    answer = await person.patch(f"/api/chats/{group}/members/{user_id}", json={"role": role})
    return answer.status_code, answer.json().get("code", "")


async def make_link(person: Person, group: int, **wish: Any) -> str:
    """A link's token."""
    return str((await do(person, f"/api/chats/{group}/invites", 201, **wish))["token"])


async def test_a_group_is_a_chat_of_all(api: Api) -> None:
    """The maker owns it, everybody hears `chat` and lists it, what is said reaches all, and a stranger hears nothing."""
    anna, boris, clara, dmitri = await api.people(4)
    ears = await listen(dmitri)
    group = await make_group(anna, boris, clara)
    for person in (anna, boris, clara):
        shown = await chat(person, group)
        assert (shown["kind"], shown["name"], shown["user1_id"], shown["member_count"]) == ("group", "Походы", None, 3)
        assert (await person.inbox())[-1] | {"seq": 0} == {"type": "chat", "chat_id": group, "user_id": anna.id, "seq": 0}
    assert await members(boris, group) == {anna.id: "owner", boris.id: "member", clara.id: "member"}
    room = await listen(anna, boris, clara)
    message = await boris.say(group, "Всем привет 🏔️")
    event = {"type": "message", "id": message["id"], "chat_id": group, "user_id": boris.id, "content": "Всем привет 🏔️"}
    told = await room.heard()
    assert told == [[event | {"created_at": message["created_at"]}]] * 3
    assert message["receiver_id"] is None
    assert [(await chat(person, group))["unread_count"] for person in (anna, boris, clara)] == [1, 0, 1]
    assert await ears.heard() == [[]]


async def test_groups_need_people_whom_one_knows(api: Api) -> None:
    """A match, or who has accepted a request; no stranger, however open to messages, nor one who was asked or has declined."""
    anna, boris, clara, dmitri = await api.people(4)
    await anna.match(boris)
    for person in (clara, dmitri):
        await person.patch("/me", json={"settings": {"messages_from": "everyone"}})
    body = {"kind": "group", "name": "Походы"}
    group = (await do(anna, "/api/chats", 201, **body, member_ids=[boris.id]))["id"]
    ears = await listen(clara, dmitri)
    needed = (403, "invite_link_needed")
    assert await refused(anna, "/api/chats", **body, member_ids=[boris.id, clara.id]) == needed
    assert await refused(anna, f"/api/chats/{group}/members", user_ids=[boris.id, clara.id]) == needed
    assert await ears.heard() == [[], []]
    asked = {one: await ask(anna, one) for one in (clara, dmitri)}
    await do(dmitri, f"/api/chats/{asked[dmitri]}/decline")
    answers = [await anna.post(f"/api/chats/{group}/members", json={"user_ids": [one.id]}) for one in (clara, dmitri)]
    assert answers[0].content == answers[1].content
    assert answers[0].json()["code"] == "invite_link_needed"
    await do(clara, f"/api/chats/{asked[clara]}/accept")
    await do(anna, f"/api/chats/{group}/members", user_ids=[boris.id, clara.id])
    assert set(await members(anna, group)) == {anna.id, boris.id, clara.id}
    await dmitri.told()
    assert group not in [one["id"] for one in (await dmitri.get("/chats")).json()]


async def test_a_block_looks_like_nobody(api: Api) -> None:
    """Whoever has blocked me is answered, byte for byte, like one who never was; for a new group and for one that is there."""
    anna, boris, clara = await api.people(3)
    group = await make_group(anna, clara)
    await anna.match(boris)
    await boris.post(f"/api/users/{anna.id}/block")
    new = {"kind": "group", "name": "x"}
    for path, key, body in (("/api/chats", "member_ids", new), (f"/api/chats/{group}/members", "user_ids", {})):
        hidden = await anna.post(path, json=body | {key: [boris.id]})
        absent = await anna.post(path, json=body | {key: [10**9]})
        assert (hidden.status_code, hidden.content) == (404, absent.content)


async def test_who_has_left_is_brought_back_by_nobody(api: Api) -> None:
    """They come by a link, if they like. Whoever was put out is brought back by those who manage the group, and by no link."""
    anna, boris, clara, dmitri = await api.people(4)
    group = await make_group(anna, boris, clara, dmitri)
    token = await make_link(anna, group)
    await boris.delete(f"/api/chats/{group}")
    assert await remove(anna, group, clara.id) == (200, "")
    ears = await listen(boris)
    for people in ([boris.id], [clara.id, boris.id]):
        assert await refused(anna, f"/api/chats/{group}/members", user_ids=people) == (403, "invite_link_needed")
    assert await ears.heard() == [[]]
    await do(anna, f"/api/chats/{group}/members", user_ids=[clara.id, dmitri.id])
    await do(boris, "/api/chats/join", 201, token=token)
    assert set(await members(anna, group)) == {person.id for person in (anna, boris, clara, dmitri)}
    await clara.delete(f"/api/chats/{group}")
    assert await refused(anna, f"/api/chats/{group}/members", user_ids=[clara.id]) == (403, "invite_link_needed")


async def test_who_comes_sees_what_is_said_from_then_on(api: Api) -> None:
    """Everybody hears of the new member once; earlier messages are neither shown nor counted, nor to be acted on."""
    anna, boris, clara = await api.people(3)
    group = await make_group(anna, boris)
    await anna.match(clara)
    before = (await anna.say(group, "до"))["id"]
    ears = await listen(anna, boris, clara)
    for _ in range(2):
        await do(anna, f"/api/chats/{group}/members", user_ids=[clara.id])
    event = {"type": "member_joined", "chat_id": group, "user_id": clara.id, "by_link": False}
    assert await ears.heard() == [[event]] * 3
    assert await history(clara, group) == []
    shown = await chat(clara, group)
    assert (shown["unread_count"], shown["last_message"]) == (0, None)
    assert await refused(clara, f"/api/messages/{before}/react", emoji="👍") == (404, "message_not_found")
    after = (await boris.say(group, "после"))["id"]
    assert [message["id"] for message in await history(clara, group)] == [after]
    assert (await chat(clara, group))["unread_count"] == 1


async def test_roles(api: Api) -> None:
    """Members manage nothing, administrators do but for administrators and roles, and the owner hands the group over."""
    anna, boris, clara, dmitri = await api.people(4)
    group = await make_group(anna, boris, clara, dmitri)
    assert await appoint(boris, group, clara.id, "admin") == (403, "owner_only")
    assert await remove(boris, group, clara.id) == (403, "managers_only")
    assert (await boris.patch(f"/api/chats/{group}", json={"name": "x"})).json()["code"] == "managers_only"
    message = (await anna.say(group, "x"))["id"]
    assert await refused(boris, f"/api/messages/{message}/pin", on=True) == (403, "managers_only")

    ears = await listen(anna, boris, clara, dmitri)
    assert (await appoint(anna, group, boris.id, "admin"))[0] == 200
    role = {"type": "chat", "chat_id": group, "change": "role"}
    assert await ears.heard() == [[role | {"user_id": boris.id, "role": "admin"}]] * 4
    assert (await boris.patch(f"/api/chats/{group}", json={"name": " Горы "})).json()["name"] == "Горы"
    await do(boris, f"/api/messages/{message}/pin", on=True)
    assert await remove(boris, group, anna.id) == (403, "owner_only")
    assert await remove(boris, group, 10**9) == (404, "member_not_found")
    described = {"type": "chat", "chat_id": group, "user_id": None, "change": "described", "name": "Горы"}
    pinned = {"type": "pinned", "chat_id": group, "message_id": message, "user_id": None, "on": True}
    assert await ears.heard() == [[described, pinned]] * 4

    assert await appoint(anna, group, anna.id, "member") == (403, "owner_only")
    assert (await appoint(anna, group, boris.id, "owner"))[0] == 200
    swapped = [role | {"user_id": anna.id, "role": "admin"}, role | {"user_id": boris.id, "role": "owner"}]
    assert await ears.heard() == [swapped] * 4
    assert await members(dmitri, group) == {anna.id: "admin", boris.id: "owner", clara.id: "member", dmitri.id: "member"}


async def test_who_was_put_out_is_out(api: Api) -> None:
    """They hear it as the others do; then the group is absent to them, they hear nothing of it, and no link lets them in."""
    anna, boris, clara = await api.people(3)
    group = await make_group(anna, boris, clara)
    message = (await anna.say(group, "x"))["id"]
    token = await make_link(anna, group)
    ears = await listen(anna, boris, clara)
    assert await remove(anna, group, clara.id) == (200, "")
    event = {"type": "member_left", "chat_id": group, "user_id": clara.id, "removed": True}
    assert await ears.heard() == [[event]] * 3
    await boris.say(group, "без неё")
    assert [len(events) for events in await ears.heard()] == [1, 1, 0]
    for path, body in (
        ("/messages/send", {"chat_id": group, "content": "x"}),
        ("/chat/read", {"chat_id": group}),
        (f"/api/messages/{message}/react", {"emoji": "👍"}),
        (f"/api/chats/{group}/mute", {"on": True}),
        ("/api/chats/join", {"token": token}),
    ):
        assert (await refused(clara, path, **body))[0] == 404, path
    assert (await clara.get(f"/chat/messages/{group}")).status_code == (await clara.get(f"/api/chats/{group}")).status_code == 404
    assert group not in [one["id"] for one in (await clara.get("/chats")).json()]
    await do(anna, f"/api/chats/{group}/members", user_ids=[clara.id])
    assert await history(clara, group) == []


async def test_an_owner_who_leaves_is_followed(api: Api) -> None:
    """The longest-standing administrator, else member, owns the group then; when the last one goes it has ended."""
    anna, boris, clara = await api.people(3)
    group = await make_group(anna, boris, clara)
    await appoint(anna, group, clara.id, "admin")
    ears = await listen(anna, boris, clara)
    assert (await anna.delete(f"/api/chats/{group}")).json() == {"status": "ok"}
    left = {"type": "member_left", "chat_id": group, "user_id": anna.id}
    owner = {"type": "chat", "chat_id": group, "user_id": clara.id, "change": "role", "role": "owner"}
    assert await ears.heard() == [[left], [left, owner], [left, owner]]
    assert await members(boris, group) == {boris.id: "member", clara.id: "owner"}
    await clara.request("DELETE", "/me", json={"password": PASSWORD})
    assert await members(boris, group) == {boris.id: "owner"}
    await boris.delete(f"/api/chats/{group}/members/{boris.id}")
    assert (await boris.get(f"/api/chats/{group}")).status_code == 404


async def test_what_a_deleted_person_said_is_gone(api: Api) -> None:
    """Their messages are empty, in the inboxes too, and their reactions are gone."""
    anna, boris = await api.people(2)
    group = await make_group(anna, boris)
    message, other = (await boris.say(group, "слова Бориса"))["id"], (await anna.say(group, "x"))["id"]
    await do(boris, f"/api/messages/{other}/react", emoji="👍")
    await do(boris, f"/api/messages/{message}/edit", content="слова Бориса, исправленные")
    await boris.request("DELETE", "/me", json={"password": PASSWORD})
    shown = {one["id"]: one for one in await history(anna, group)}
    assert (shown[message]["content"], shown[message]["deleted"], shown[other]["reactions"]) == ("", True, [])
    assert "слова" not in str(await anna.inbox())


async def test_links_let_people_in(api: Api) -> None:
    """As often as they say, until they expire or are taken back; then they answer like one that never was."""
    anna, boris, clara, dmitri = await api.people(4)
    group = await make_group(anna, boris)
    token = await make_link(anna, group, max_uses=1)
    ears = await listen(anna, boris, clara, dmitri)
    joined = await do(clara, "/api/chats/join", 201, token=token)
    assert (joined["id"], joined["member_count"]) == (group, 3)
    event = {"type": "member_joined", "chat_id": group, "user_id": clara.id, "by_link": True}
    assert await ears.heard() == [[event], [event], [event], []]
    assert (await do(clara, "/api/chats/join", 200, token=token))["id"] == group
    used_up = await dmitri.post("/api/chats/join", json={"token": token})
    unknown = await dmitri.post("/api/chats/join", json={"token": "x"})
    assert (used_up.status_code, used_up.content) == (404, unknown.content)

    second = await make_link(anna, group)
    listed = (await anna.get(f"/api/chats/{group}/invites")).json()
    assert [one["token"] for one in listed] == [None]
    assert (await anna.delete(f"/api/chats/{group}/invites/{listed[0]['id']}")).status_code == 200
    assert (await anna.delete(f"/api/chats/{group}/invites/{listed[0]['id']}")).status_code == 404
    assert (await dmitri.post("/api/chats/join", json={"token": second})).content == unknown.content

    third = await make_link(anna, group, expires_in=60)
    api.app.state.db.clock = lambda: now_microseconds() + 61_000_000
    assert (await dmitri.post("/api/chats/join", json={"token": third})).content == unknown.content
    assert (await anna.get(f"/api/chats/{group}/invites")).json() == []
    assert await ears.heard() == [[]] * 4


async def test_racing_through_one_link(api: Api) -> None:
    """Eight people and a link for three: exactly three come in."""
    anna, boris, *people = await api.people(10)
    group = await make_group(anna, boris)
    token = await make_link(anna, group, max_uses=3)
    answers = await asyncio.gather(*[person.post("/api/chats/join", json={"token": token}) for person in people])
    assert sorted(answer.status_code for answer in answers) == [201] * 3 + [404] * 5
    assert len(await members(anna, group)) == 5


async def test_the_257th_does_not_fit(api: Api) -> None:
    """Neither by the owner nor by a link, and what was used of the link is given back; one who leaves makes room."""
    anna, boris, clara = await api.people(3)
    group = await make_group(anna, boris)
    await fill(api, group, 256)
    token = await make_link(anna, group, max_uses=1)
    await anna.match(clara)
    assert await refused(anna, f"/api/chats/{group}/members", user_ids=[clara.id]) == (409, "group_full")
    assert await refused(clara, "/api/chats/join", token=token) == (409, "group_full")
    assert await clara.told() == ["match"]
    await boris.delete(f"/api/chats/{group}")
    assert (await do(clara, "/api/chats/join", 201, token=token))["member_count"] == 256


async def fill(api: Api, group: int, size: int) -> None:
    """Members who never come, up to this many."""

    async def seat(tx: Any) -> None:
        have = await tx.one(int, "SELECT COUNT(*) FROM members WHERE chat_id = :group", group=group)
        names = [f"filler{number}" for number in range(size - have)]
        await tx.many(
            "INSERT INTO users (username, username_key, password, created_at) VALUES (:name, :name, 'x', :now)",
            [{"name": name, "now": tx.now} for name in names],
        )
        await tx.run(
            """INSERT INTO members (chat_id, user_id, joined_at)
            SELECT CAST(:group AS BIGINT), id, CAST(:now AS BIGINT) FROM users WHERE username LIKE 'filler%'""",
            group=group,
            now=tx.now,
        )

    await api.app.state.db.write(seat)


async def test_two_who_are_hidden_from_each_other(api: Api) -> None:
    """In one group, neither sees the other as a member, nor messages, reactions or events; the others see both, counts agree."""
    anna, boris, clara = await api.people(3)
    group = await make_group(anna, boris, clara)
    told_before = (await boris.say(group, "до"))["id"]
    await boris.post(f"/api/users/{clara.id}/block")
    message = (await boris.say(group, "слова Бориса"))["id"]
    mine = (await anna.say(group, "x"))["id"]
    await do(boris, f"/api/messages/{mine}/react", emoji="👍")
    assert set(await members(clara, group)) == {anna.id, clara.id}
    assert [one["id"] for one in await history(clara, group)] == [mine]
    assert (await history(clara, group))[0]["reactions"] == []
    assert {one["id"] for one in await history(anna, group)} == {told_before, message, mine}
    await do(clara, "/chat/read", chat_id=group)
    await do(boris, "/chat/read", chat_id=group)
    assert "слова" not in str(await clara.inbox())
    await boris.delete(f"/api/users/{clara.id}/block")
    for person in (anna, boris, clara):
        await do(person, "/chat/read", chat_id=group)
        assert (await chat(person, group))["unread_count"] == 0


async def test_receipts_of_a_group_go_to_whose_messages_are_meant(api: Api) -> None:
    """Of four people, one reads two messages by one author: that author and the reader's devices hear it, nobody else."""
    anna, boris, clara, dmitri = await api.people(4)
    group = await make_group(anna, boris, clara, dmitri)
    one = (await boris.say(group, "раз"))["id"]
    ears = await listen(anna, boris, clara, dmitri)
    await do(clara, "/messages/read", chat_id=group, message_ids=[one])
    event = {"type": "read_messages", "chat_id": group, "user_id": clara.id, "message_ids": [one]}
    assert await ears.heard() == [[], [event], [event], []]
    assert [message["is_read"] for message in await history(boris, group)] == [True]
    assert [message["is_read"] for message in await history(dmitri, group)] == [False]
    marks = {member["user_id"]: member["read_id"] for member in (await boris.get(f"/api/chats/{group}")).json()["members"]}
    assert (marks[clara.id], marks[dmitri.id]) == (one, 0)


async def test_direct_chats_are_no_groups(api: Api) -> None:
    """They have no roles, names, links or exits."""
    anna, boris = await api.people(2)
    room = await anna.match(boris)
    assert await remove(anna, room, boris.id) == (400, "not_a_group")
    assert await appoint(anna, room, boris.id, "admin") == (400, "not_a_group")
    assert (await anna.delete(f"/api/chats/{room}")).json()["code"] == "not_a_group"
    assert (await anna.patch(f"/api/chats/{room}", json={"name": "x"})).json()["code"] == "not_a_group"
    assert await refused(anna, f"/api/chats/{room}/members", user_ids=[boris.id]) == (400, "not_a_group")
    assert await refused(anna, f"/api/chats/{room}/invites") == (400, "not_a_group")
