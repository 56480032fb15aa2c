"""Swipes and matches over HTTP."""

from functools import partial
from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from dating.database import Database
from dating.idempotency import Commit, provide_commit
from dating.matching import boost_routes, candidate_routes, service, statistics_routes
from dating.matching.limits import allowances, costs, describe_left, name_left, read_limits, read_used
from dating.matching.models import Allowances, Follower, Match, Swipe, SwipeAnswer, Undone, Unmatched
from dating.matching.weights import read_weights
from dating.parameters import Cursor, Limit, Offset
from dating.safety import canaries
from dating.settings import Settings
from dating.tokens import Identity

TAGS = ["Matching"]


@post(
    "/swipe",
    status_code=200,
    summary="Like or dislike somebody",
    description="Two likes make a match: one chat opens, and both are told by the event `match`. Repeating a swipe is harmless. "
    "A dislike may become a like later, and a like a dislike until there is a match (then 409: unmatch instead). "
    "A superlike counts as a like, is told to the other by the event `superlike`, and may bring a `note`, which they read at "
    "GET /followers. 429 when today's likes or superlikes (UTC) are used up; what was taken back stays spent. The header "
    "`RateLimit` says what is left.",
    tags=TAGS,
    opt={"limit": "swipe", "key": True, "direct": True},
)
async def swipe(
    request: Request[Any, Any, Any], data: JSONBody[Swipe], me: NamedDependency[Identity], db: NamedDependency[Database]
) -> Response[SwipeAnswer]:
    """Write down what I think of somebody."""
    settings: Settings = request.app.state.settings
    commit = await provide_commit(request, db, me)
    limits = read_limits(settings)
    weights = read_weights(settings)
    swipe = (me.user_id, data.target_id, data.action, limits, data.note, weights)
    if costs(data.action, limits):
        answer = await commit(service.swipe, *swipe)
        left = await name_left(db, me.user_id, limits)
    else:
        used, answer = await commit.after(partial(read_used, me_id=me.user_id), service.swipe, *swipe)
        left = describe_left(used, limits, db.clock())
    await canaries.watch(db, settings, me, data.target_id)
    return Response(answer, headers=left)


@post(
    "/swipe/undo",
    status_code=200,
    summary="Take my last swipe back",
    description="As if it had never happened. 404 when there is none, 409 when it has become a match, 429 when today's rewinds "
    "(UTC) are used up. The header `RateLimit` says what is left.",
    tags=TAGS,
    opt={"limit": "swipe"},
)
async def undo(
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    commit: NamedDependency[Commit],
    settings: NamedDependency[Settings],
) -> Response[Undone]:
    """Take my last swipe back."""
    limits = read_limits(settings)
    answer = await commit(service.undo, me.user_id, limits)
    return Response(answer, headers=await name_left(db, me.user_id, limits))


@get(
    "/swipe/limits",
    summary="What I have left today",
    description="Likes, superlikes, rewinds and boosts of today (UTC), and when there are new ones.",
    tags=TAGS,
)
async def read_left(
    me: NamedDependency[Identity], db: NamedDependency[Database], settings: NamedDependency[Settings]
) -> Allowances:
    """What is left of everything that is limited by the day."""
    return await db.read(allowances, me.user_id, read_limits(settings))


@get(
    "/followers",
    summary="Who likes me and awaits my swipe",
    description="The latest first, with the notes of superlikes. "
    "For the next page give the `id` of the last one as `last_seen_id`. The header `RateLimit` says what is left of my likes, "
    "superlikes, rewinds and boosts of today.",
    tags=TAGS,
)
async def list_followers(
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    settings: NamedDependency[Settings],
    limit: Limit = 20,
    offset: Offset = 0,
    last_seen_id: Cursor = None,
) -> Response[list[Follower]]:
    """One page of the people who like me."""
    found = await db.read(service.followers, me.user_id, limit, offset, last_seen_id)
    return Response(found, headers=await name_left(db, me.user_id, read_limits(settings)))


@get(
    "/matches",
    summary="My matches",
    description="The latest first, each with its chat. For the next page give the `user_id` of the last one as `last_seen_id`.",
    tags=TAGS,
)
async def list_matches(
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    limit: Limit = 20,
    offset: Offset = 0,
    last_seen_id: Cursor = None,
) -> list[Match]:
    """One page of my matches."""
    return await db.read(service.matches, me.user_id, limit, offset, last_seen_id)


@delete(
    "/matches/{user_id:int}",
    status_code=200,
    summary="End a match",
    description="Closes the chat for both, who are told by the event `unmatch` and not shown to each other again.",
    tags=TAGS,
)
async def unmatch(user_id: FromPath[int], me: NamedDependency[Identity], commit: NamedDependency[Commit]) -> Unmatched:
    """End a match of mine."""
    return await commit(service.unmatch, me.user_id, user_id)


@delete(
    "/clear/my/swipes",
    status_code=200,
    summary="Forget my swipes",
    description="For testers: only my own; my matches end. 404 unless the setting `DATING_TESTING` is on.",
    tags=TAGS,
)
async def clear(me: NamedDependency[Identity], commit: NamedDependency[Commit], settings: NamedDependency[Settings]) -> bool:
    """Forget every swipe of mine."""
    return await commit(service.clear, me.user_id, settings.testing)


handlers = [
    swipe,
    undo,
    read_left,
    list_followers,
    list_matches,
    unmatch,
    clear,
    *boost_routes.handlers,
    *candidate_routes.handlers,
    *statistics_routes.handlers,
]
