"""The rules of swiping.

Both sides' opinions are one row, and a swipe writes it in one statement. So two likes at the same moment meet in that row, and
exactly one of them sees both: it makes the match, the chat and what both are told, in its own transaction.

* A superlike counts as a like, and as one of the few superlikes of the day; the other is told, and reads its note among those who
  like them. What is limited by the day is in `limits`.
* An unmatch is for good: the two are not shown to each other again, and only if both like each other anew is there another match.
* Locks are taken in one order: the pair, what is spent, the chat, the inboxes, the standings by id. The standings come last, in
  one round trip before the commit, because everybody who swipes one person at that moment waits for them.
"""

from collections.abc import Sequence

import msgspec

from dating.chat import service as chats
from dating.clock import rfc3339
from dating.database import Transaction
from dating.errors import Conflict, Malformed, NotFound
from dating.matching import boost_queries, learning, limit_queries, pick_queries, queries, standing_queries
from dating.matching.limits import Limits, spend
from dating.matching.models import Action, Follower, Match, SwipeAnswer, Undone, Unmatched
from dating.matching.ranking import DEFAULT, Weights
from dating.profiles import service as profiles
from dating.realtime import events, inbox
from dating.safety import service as safety

GREETING = "It's a match! 🎉"
FREE = Limits()


class SwipeSelf(Malformed):
    """400: nobody can swipe themselves."""

    code = "swipe_self"
    detail = "You cannot swipe yourself."


class AlreadyMatched(Conflict):
    """409: there is a match already; only an unmatch ends it."""

    code = "already_matched"
    detail = "You have a match with this user; to end it, unmatch."


class NothingToUndo(NotFound):
    """404: I have no swipe."""

    code = "nothing_to_undo"
    detail = "There is no swipe to take back."


class NoSuchMatch(NotFound):
    """404: no match with this person, or none that I may see."""

    code = "match_not_found"
    detail = "There is no match with this user."


class SwitchedOff(NotFound):
    """404: the testers' operations are switched off."""

    code = "not_found"
    detail = "There is no such thing."


class NoteAlone(Malformed):
    """400: a note comes with a superlike only."""

    code = "note_without_superlike"
    detail = "A note comes with a superlike only."


# --- swipes -----------------------------------------------------------------------------------------------------------------


async def swipe(
    tx: Transaction,
    me_id: int,
    target_id: int,
    action: Action,
    limits: Limits = FREE,
    note: str | None = None,
    weights: Weights = DEFAULT,
) -> SwipeAnswer:
    """Say what I think of somebody; the words of a superlike are for them to read. The ranking learns from it.

    Raises SwipeSelf, NoteAlone, safety.NoSuchPerson, AlreadyMatched (a dislike), LikesUsedUp or SuperlikesUsedUp.
    """
    note = (note or "").strip() or None
    if target_id == me_id:
        raise SwipeSelf
    if note is not None and action != "superlike":
        raise NoteAlone
    changed = await queries.swipe(tx, me_id, target_id, action)
    if changed is None:
        return await repeat(tx, me_id, target_id, action, limits, note)
    if action != "dislike":
        await spend(tx, me_id, "like", limits.like)
    if action == "superlike":
        await send_superlike(tx, me_id, target_id, limits, note)
    answer = SwipeAnswer("dislike" if action == "dislike" else "like")
    if changed.matched_at is not None:
        answer = await make_match(tx, me_id, target_id)
    elif action == "superlike":
        await tell_superlike(tx, me_id, target_id)
    await learning.learn_swipe(tx, me_id, target_id, action, changed, weights)
    return answer


async def repeat(tx: Transaction, me_id: int, target_id: int, action: Action, limits: Limits, note: str | None) -> SwipeAnswer:
    """What a swipe means that changed nothing: the target is not there, or I think so already. A like may become a superlike."""
    await safety.require_visible(tx, me_id, target_id)
    mine = await queries.mine(tx, me_id, target_id)
    if mine is None:
        raise safety.NoSuchPerson
    if mine.matched_at is not None:
        if action == "dislike":
            raise AlreadyMatched
        return answer_match(target_id, await queries.chat(tx, me_id, target_id))
    if action == "superlike" and mine.action == "like":
        await queries.strengthen(tx, me_id, target_id, action)
        await send_superlike(tx, me_id, target_id, limits, note)
        await tell_superlike(tx, me_id, target_id)
    return SwipeAnswer("dislike" if action == "dislike" else "like")


async def send_superlike(tx: Transaction, me_id: int, other_id: int, limits: Limits, note: str | None) -> None:
    """Count a superlike and keep its words. Raises SuperlikesUsedUp."""
    await spend(tx, me_id, "superlike", limits.superlike)
    await queries.send_superlike(tx, me_id, other_id, note)


async def tell_superlike(tx: Transaction, me_id: int, other_id: int) -> None:
    """Let the other know, unless they have said what they think of me, or do not want to see me."""
    theirs = await queries.mine(tx, other_id, me_id)
    if theirs is None or theirs.action is None:
        await inbox.tell(tx, [other_id], events.Superlike(me_id))
        await safety.require_visible(tx, other_id, me_id)


async def make_match(tx: Transaction, me_id: int, other_id: int) -> SwipeAnswer:
    """Open the chat and tell both."""
    chat_id = await chats.open_direct(tx, me_id, other_id, GREETING)
    await inbox.tell_each(
        tx, {me_id: events.Match(GREETING, chat_id, other_id), other_id: events.Match(GREETING, chat_id, me_id)}
    )
    await safety.require_visible(tx, me_id, other_id)
    await safety.require_visible(tx, other_id, me_id)  # I too may have been banned or deleted meanwhile
    return answer_match(other_id, chat_id)


def answer_match(other_id: int, chat_id: int | None) -> SwipeAnswer:
    """The answer to a like that is returned."""
    return SwipeAnswer("match", f"It's a match with user {other_id}!", msgspec.UNSET if chat_id is None else chat_id)


async def undo(tx: Transaction, me_id: int, limits: Limits = FREE) -> Undone:
    """Take my last swipe back. Raises NothingToUndo, AlreadyMatched when it has become a match, or RewindsUsedUp."""
    while (last := await queries.last(tx, me_id)) is not None:
        if last.matched_at is not None:
            raise AlreadyMatched
        taken = await queries.take_back(tx, me_id, last)
        if taken is not None:
            await spend(tx, me_id, "rewind", limits.rewind)
            await learning.unlearn_swipe(tx, me_id, last.other_id, last.action, taken)
            return Undone(last.other_id)
    raise NothingToUndo


async def clear(tx: Transaction, me_id: int, testing: bool) -> bool:
    """Forget my swipes, and mine alone; matches end as by an unmatch, but the other's like waits for mine again.

    Raises SwitchedOff unless `testing`.
    """
    if not testing:
        raise SwitchedOff
    for other_id, chat_id in await end_matches(tx, me_id):
        await tell_unmatched(tx, me_id, other_id, chat_id)
    awaited = await standing_queries.awaited(tx, me_id)
    await queries.clear(tx, me_id)
    await standing_queries.recount(tx, [me_id, *awaited])
    return True


# --- lists ------------------------------------------------------------------------------------------------------------------


async def followers(tx: Transaction, me_id: int, limit: int, offset: int, last_seen_id: int | None) -> list[Follower]:
    """Who likes me and awaits my swipe, the latest first."""
    ids = await queries.followers(tx, me_id, limit, offset, last_seen_id)
    notes = await queries.superlikes(tx, me_id, ids) if ids else {}
    users = await profiles.publics(tx, me_id, ids)
    return [Follower(**msgspec.structs.asdict(u), superlike=u.id in notes, note=notes.get(u.id)) for u in users]


async def matches(tx: Transaction, me_id: int, limit: int, offset: int, last_seen_id: int | None) -> list[Match]:
    """My matches, the latest first."""
    rows = await queries.matches(tx, me_id, limit, offset, last_seen_id)
    users = {user.id: user for user in await profiles.publics(tx, me_id, [row.user_id for row in rows])}
    return [Match(r.user_id, r.chat_id, rfc3339(r.matched_at), users[r.user_id]) for r in rows if r.user_id in users]


# --- the end ----------------------------------------------------------------------------------------------------------------


async def unmatch(tx: Transaction, me_id: int, other_id: int) -> Unmatched:
    """End a match and close its chat for both. Raises NoSuchMatch."""
    if not (0 < other_id < safety.END_OF_IDS and await queries.unmatch(tx, me_id, other_id)):
        raise NoSuchMatch
    chat_id = await chats.close_direct(tx, me_id, other_id)
    if chat_id is not None:
        await tell_unmatched(tx, me_id, other_id, chat_id)
    if not await safety.is_visible(tx, me_id, other_id):
        raise NoSuchMatch
    return Unmatched()


async def erase(tx: Transaction, user_id: int) -> None:
    """Forget a person whose account is being deleted; their matches end. To be called before the chats are erased."""
    for other_id, chat_id in await end_matches(tx, user_id):
        await inbox.tell(tx, [other_id], events.Unmatch(chat_id, user_id))
    awaited = await standing_queries.awaited(tx, user_id)
    await queries.erase(tx, user_id)
    await limit_queries.erase(tx, user_id)
    await boost_queries.erase(tx, user_id)
    await pick_queries.erase(tx, user_id)
    await standing_queries.recount(tx, awaited)


async def export(tx: Transaction, user_id: int) -> dict[str, Sequence[msgspec.Struct]]:
    """What the person did, and the matches as they are listed; never what others think who await an answer."""
    return {
        "swipes": await queries.own_swipes(tx, user_id),
        "matches": await matches(tx, user_id, safety.END_OF_IDS, 0, None),
        "superlikes": await queries.own_superlikes(tx, user_id),
        "likes_used": await queries.likes_used(tx, user_id),
        "spent": await limit_queries.own(tx, user_id),
        "boosts": await boost_queries.own(tx, user_id),
    }


async def end_matches(tx: Transaction, me_id: int) -> list[tuple[int, int]]:
    """Close the chats of all my matches; the people who may hear of it, each with the chat."""
    others = await queries.take_matches(tx, me_id)
    chat_ids = [await chats.close_direct(tx, me_id, other_id) for other_id in others]
    await inbox.hold(tx, [me_id, *others])
    closed = zip(others, chat_ids, strict=True)
    return [(other, chat) for other, chat in closed if chat is not None and await safety.is_visible(tx, me_id, other)]


async def tell_unmatched(tx: Transaction, me_id: int, other_id: int, chat_id: int) -> None:
    """Let both know that it is over."""
    await inbox.tell_each(tx, {me_id: events.Unmatch(chat_id, other_id), other_id: events.Unmatch(chat_id, me_id)})
