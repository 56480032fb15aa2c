"""The list of chats is by what its reader may see: what is kept away from them lifts nothing and counts for nothing."""

from dating.chat import posts
from dating.chat.post_models import Post
from dating.clock import SECOND
from tests.api.messenger import chat, do, make_group
from tests.api.test_hidden_words import hide
from tests.api.test_requests import unread
from tests.kit import Api, Person


async def order(person: Person, query: str = "") -> list[int]:
    """The ids of the person's chats, as listed."""
    return [one["id"] for one in (await person.get(f"/chats?limit=100{query}")).json()]


async def test_a_message_with_a_hidden_word_lifts_nothing(api: Api) -> None:
    """However many of them come, the chat stays where it was, on every page; the next other one lifts it."""
    anna, boris, clara, dmitri = await api.people(4)
    hers, his, theirs = [await anna.match(other) for other in (boris, clara, dmitri)]
    await hide(anna, "крипта")
    assert await order(anna) == [theirs, his, hers]
    for _ in range(3):
        await boris.say(hers, "Купи крипту")
        assert await order(anna) == [theirs, his, hers]
        assert await order(anna, f"&before_id={his}") == [hers]
        assert await order(anna, f"&before_id={hers}") == []
    assert (await order(boris)) == [hers]
    await clara.say(his, "Привет")
    assert await order(anna) == [his, theirs, hers]
    assert (await unread(anna))[0] == 1
    await boris.say(hers, "Привет и тебе")
    assert await order(anna) == [hers, his, theirs]


async def test_what_is_read_after_all_lifts_its_chat(api: Api) -> None:
    """A message that I bring out of hiding comes as if it came now; what is hidden after that leaves it there."""
    anna, boris, clara = await api.people(3)
    hers, his = await anna.match(boris), await anna.match(clara)
    await hide(anna, "крипта")
    message = await boris.say(hers, "Купи крипту")
    await clara.say(his, "Привет")
    await do(anna, f"/api/messages/{message['id']}/unhide")
    assert await order(anna) == [hers, his]
    await clara.say(his, "Купи крипту")
    await boris.say(hers, "И ещё крипты")
    assert await order(anna) == [hers, his]
    await clara.say(his, "Привет")
    assert await order(anna) == [his, hers]


async def test_somebody_blocked_lifts_no_group(api: Api) -> None:
    """Neither way: a group in which only they speak stays where it was for the other, and goes up for everybody else."""
    anna, boris, clara = await api.people(3)
    group = await make_group(anna, boris, clara)
    await boris.match(clara)
    direct = await clara.match(anna)
    await do(anna, f"/api/users/{boris.id}/block")
    await clara.say(direct, "Привет")
    await boris.say(group, "Меня слышно?")
    assert (await order(anna))[:2] == [direct, group]
    assert (await order(clara))[0] == group
    assert (await chat(anna, group))["last_message"] is None
    await anna.say(group, "Всем привет")
    assert (await order(anna))[0] == group
    assert (await order(boris))[0] == group
    assert (await chat(boris, group))["last_message"] == "Меня слышно?"


async def test_what_came_with_something_else_lifts(api: Api) -> None:
    """Of messages that are written together one is enough."""
    anna, boris, clara = await api.people(3)
    group = await make_group(anna, boris, clara)
    direct = await anna.match(clara)
    await do(anna, f"/api/users/{boris.id}/block")
    await clara.say(direct, "Привет")
    together = [Post(one.id, group, "Вместе", None, None) for one in (clara, boris)]
    await api.app.state.db.write(posts.post, together)
    assert (await order(anna))[0] == group


async def test_what_is_unread_of_somebody_blocked_counts_no_more(api: Api) -> None:
    """At once, in the list and in the sum, both ways; after an unblock it is unread again."""
    anna, boris, clara = await api.people(3)
    group = await make_group(anna, boris, clara)
    for person in (boris, boris, clara, anna):
        await person.say(group, f"Я {person.username}")
    assert ((await chat(anna, group))["unread_count"], (await unread(anna))[0]) == (3, 3)
    await do(anna, f"/api/users/{boris.id}/block")
    assert ((await chat(anna, group))["unread_count"], await unread(anna)) == (1, (1, 1, 0))
    assert ((await chat(boris, group))["unread_count"], (await unread(boris))[0]) == (1, 1)
    assert (await chat(clara, group))["unread_count"] == 3
    await boris.say(group, "Меня не слышно")
    assert (await chat(anna, group))["unread_count"] == 1
    await anna.delete(f"/api/users/{boris.id}/block")
    assert (await chat(anna, group))["unread_count"] == 3
    await do(anna, "/chat/read", chat_id=group)
    assert ((await chat(anna, group))["unread_count"], (await unread(anna))[0]) == (0, 0)


async def test_what_has_expired_counts_no_more(api: Api) -> None:
    """From its moment on, before it is swept up and after, for whoever has read it and for whoever has not."""
    anna, boris, clara = await api.people(3)
    group = await make_group(anna, boris, clara)
    await anna.say(group, "На минуту", expires_in=60)
    await anna.say(group, "Навсегда")
    await do(clara, "/chat/read", chat_id=group)
    assert [(await chat(one, group))["unread_count"] for one in (boris, clara)] == [2, 0]
    clock = api.app.state.db.clock
    api.app.state.db.clock = lambda: clock() + 61 * SECOND
    for _ in ("before the sweep", "after it"):
        assert [(await chat(one, group))["unread_count"] for one in (boris, clara)] == [1, 0]
        assert await unread(boris) == (1, 1, 0)
        await api.app.state.jobs.expire()
