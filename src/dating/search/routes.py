"""The search over HTTP."""

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from dating.database import Database
from dating.parameters import Limit
from dating.search import service
from dating.search.models import Findings, FoundPeople, Kind
from dating.throttle import Throttle
from dating.tokens import Identity

Question = Annotated[
    str,
    QueryParameter(
        min_length=1,
        max_length=200,
        description="Words that must all be there, at most 10. A word is found by its beginning and by its other forms, "
        "without regard to case and accents.",
    ),
]
Cursor = Annotated[
    str | None,
    QueryParameter(min_length=1, max_length=1000, description="`next_cursor` of the page before, for the same question."),
]
WhichKind = Annotated[Kind, QueryParameter(description="What to look for; `all` has no further pages.")]


@get(
    "/api/search",
    summary="Find messages, chats and people",
    description="Messages of my chats that I can read now, the newest first; my chats by their names; people as "
    "GET /api/users/search. What was said a moment ago is found about a second later. The pieces of a `snippet` are plain text.",
    tags=["Search"],
    opt={"limit": "find"},
)
async def find(
    q: Question,
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    throttle: NamedDependency[Throttle],
    type: WhichKind = "all",
    limit: Limit = 20,
    cursor: Cursor = None,
) -> Findings:
    """One page of what fits."""
    if type in ("all", "users"):
        await throttle.take("names", str(me.user_id))
    return await service.find(db, me.user_id, type, q, limit, cursor)


@get(
    "/api/users/search",
    summary="Find people by name",
    description="By the words of names and usernames; a word of fewer than three letters must be whole. At most 100 people for "
    "one question. Not found is whoever lists do not show me: paused, incognito, blocked, hidden; except who has a chat with me.",
    tags=["Search"],
    opt={"limit": "find"},
)
async def find_people(
    q: Question,
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    throttle: NamedDependency[Throttle],
    limit: Limit = 20,
    cursor: Cursor = None,
) -> FoundPeople:
    """One page of people."""
    await throttle.take("names", str(me.user_id))
    return await service.find_people(db, me.user_id, q, limit, cursor)


handlers = [find, find_people]
