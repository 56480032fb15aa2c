"""Blocks and hides over HTTP."""

from litestar import delete, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath

from dating.database import Database
from dating.idempotency import Commit
from dating.parameters import Cursor, Limit, Offset
from dating.safety import contact_routes, report_routes, service, word_routes
from dating.safety.models import Blocked, BlockedPerson, Hidden, HiddenPerson, Unblocked, Unhidden
from dating.tokens import Identity


@post(
    "/api/users/{user_id:int}/block",
    status_code=200,
    summary="Block somebody",
    description="Hides both from each other everywhere, at once: lists, search, profiles, chats, sockets. A repeat is harmless.",
    tags=["Safety"],
)
async def block(user_id: FromPath[int], me: NamedDependency[Identity], commit: NamedDependency[Commit]) -> Blocked:
    """Hide the two of us from each other."""
    return await commit(service.block, me.user_id, user_id)


@delete(
    "/api/users/{user_id:int}/block",
    status_code=200,
    summary="Unblock somebody",
    description="Takes my block back; what was hidden (a match, a chat) is there again, unless the other has blocked me too.",
    tags=["Safety"],
)
async def unblock(user_id: FromPath[int], me: NamedDependency[Identity], commit: NamedDependency[Commit]) -> Unblocked:
    """Take my block back."""
    return await commit(service.unblock, me.user_id, user_id)


@get(
    "/api/users/blocked",
    summary="Whom I have blocked",
    description="The latest first. For the next page give the `id` of the last one as `last_seen_id`.",
    tags=["Safety"],
)
async def list_blocked(
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    limit: Limit = 20,
    offset: Offset = 0,
    last_seen_id: Cursor = None,
) -> list[BlockedPerson]:
    """One page of my blocks."""
    return await db.read(service.blocked, me.user_id, limit, offset, last_seen_id)


@post(
    "/api/users/{user_id:int}/hide",
    status_code=200,
    summary="Hide somebody",
    description="They come up no more in my search, picks and likes. Not a block: they do not notice, may see me, match me and "
    "write to me as before. A repeat is harmless.",
    tags=["Safety"],
)
async def hide(user_id: FromPath[int], me: NamedDependency[Identity], commit: NamedDependency[Commit]) -> Hidden:
    """Let somebody come up no more."""
    return await commit(service.hide, me.user_id, user_id)


@delete(
    "/api/users/{user_id:int}/hide",
    status_code=200,
    summary="Show somebody again",
    description="Takes my hide back; they may come up again at once.",
    tags=["Safety"],
)
async def unhide(user_id: FromPath[int], me: NamedDependency[Identity], commit: NamedDependency[Commit]) -> Unhidden:
    """Take my hide back."""
    return await commit(service.unhide, me.user_id, user_id)


@get(
    "/api/users/hidden",
    summary="Whom I have hidden",
    description="The latest first. For the next page give the `id` of the last one as `last_seen_id`.",
    tags=["Safety"],
)
async def list_hidden(
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    limit: Limit = 20,
    offset: Offset = 0,
    last_seen_id: Cursor = None,
) -> list[HiddenPerson]:
    """One page of my hides."""
    return await db.read(service.hides, me.user_id, limit, offset, last_seen_id)


handlers = [
    block,
    unblock,
    list_blocked,
    hide,
    unhide,
    list_hidden,
    *contact_routes.handlers,
    *report_routes.handlers,
    *word_routes.handlers,
]
