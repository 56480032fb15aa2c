"""Boosts over HTTP."""

from litestar import Response, post
from litestar.di import NamedDependency

from dating.database import Database
from dating.idempotency import Commit
from dating.matching import boosts
from dating.matching.limits import name_left, read_limits
from dating.matching.models import Boost
from dating.settings import Settings
from dating.tokens import Identity


@post(
    "/boost",
    status_code=200,
    summary="Be seen more for a while",
    description="Until `ends_at`, or until I was shown so many times because of it, some slots of other people's search are open "
    "to me: at most one card in ten (or as set), labelled `boosted`, and only where we fit each other anyway. 409 while a boost "
    "is running, 429 when today's boosts (UTC) are used up. The header `RateLimit` says what is left.",
    tags=["Matching"],
    opt={"limit": "swipe"},
)
async def boost(
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    commit: NamedDependency[Commit],
    settings: NamedDependency[Settings],
) -> Response[Boost]:
    """Boost me from now on."""
    limits = read_limits(settings)
    answer = await commit(boosts.start, me.user_id, boosts.read_boosting(settings), limits)
    return Response(answer, headers=await name_left(db, me.user_id, limits))


handlers = [boost]
