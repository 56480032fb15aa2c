"""Messages that a classifier wants looked at, over HTTP."""

from litestar import get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from dating.database import Database
from dating.idempotency import Commit
from dating.moderation import held
from dating.moderation.held_models import HeldCase, HeldQueue, Ruled, Ruling
from dating.parameters import Cursor, Limit, Offset
from dating.tokens import Identity

TAGS = ["Moderation"]


@get(
    "/api/moderation/held",
    summary="Messages that wait for a moderator",
    description="Held ones, and delivered ones that the classifier found bad; the oldest first, without their words. There are "
    "none unless the operator has set up a classifier. `cursor` is the `next_cursor` before.",
    tags=TAGS,
)
async def list_held(
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    limit: Limit = 20,
    offset: Offset = 0,
    cursor: Cursor = None,
) -> HeldQueue:
    """One page of them."""
    return await db.read(held.list_held, me, limit, offset, cursor)


@post(
    "/api/moderation/held/{message_id:int}/assign",
    status_code=200,
    summary="Take a message that waits",
    description="Opens its words to me alone; the look is logged.",
    tags=TAGS,
)
async def take(message_id: FromPath[int], me: NamedDependency[Identity], db: NamedDependency[Database]) -> HeldCase:
    """Make it mine."""
    return await db.write(held.take, me, message_id)


@post(
    "/api/moderation/held/{message_id:int}/resolve",
    status_code=200,
    summary="Release or remove a message",
    description="A held message that is released comes to the end of its chat, once; one that is removed comes to nobody, and "
    "its sender gets a statement of reasons.",
    tags=TAGS,
)
async def resolve(
    message_id: FromPath[int], data: JSONBody[Ruling], me: NamedDependency[Identity], commit: NamedDependency[Commit]
) -> Ruled:
    """Decide."""
    return await commit(held.rule, me, message_id, data)


handlers = [list_held, take, resolve]
