"""The search over HTTP."""

import asyncio
from typing import Annotated, Any

from litestar import Request, Response, get
from litestar.di import NamedDependency, Provide
from litestar.params import QueryParameter
from msgspec.structs import replace

from dating.database import Database
from dating.matching import deck, explain, picks
from dating.matching.boosts import read_boosting
from dating.matching.candidates import Candidate, Order, Search
from dating.matching.explain import Explanation
from dating.matching.exposure import read_budget
from dating.matching.limits import describe_left, name_left, read_limits
from dating.matching.picks import Pick
from dating.matching.weights import read_weights
from dating.profiles.models import Gender, Interest
from dating.settings import Settings
from dating.tokens import Identity


def provide_filters(
    gender: Annotated[Gender | None, QueryParameter(description="only these")] = None,
    interested_in: Annotated[Interest | None, QueryParameter(description="whom I look for this time")] = None,
    min_age: Annotated[int | None, QueryParameter(gt=-1, le=150, description="full years, inclusive")] = None,
    max_age: Annotated[int | None, QueryParameter(gt=-1, le=150, description="full years, inclusive")] = None,
    max_distance_km: Annotated[float | None, QueryParameter(ge=1, le=40_000, description="between our cells")] = None,
    latitude: Annotated[float | None, QueryParameter(ge=-90, le=90, description="with longitude: from where to search")] = None,
    longitude: Annotated[float | None, QueryParameter(ge=-180, le=180, description="belongs to latitude")] = None,
    has_photo: Annotated[bool, QueryParameter(description="only people with a photo")] = False,
    online_only: Annotated[bool, QueryParameter(description="only people active in the last hour or two who show it")] = False,
) -> Search:
    """What narrows my own rules."""
    return Search(
        gender=gender,
        interested_in=interested_in,
        min_age=min_age,
        max_age=max_age,
        max_distance_km=max_distance_km,
        latitude=latitude,
        longitude=longitude,
        has_photo=has_photo,
        online_only=online_only,
    )


FILTERED = {"filters": Provide(provide_filters, sync_to_thread=False)}


@get(
    "/profiles/search",
    summary="Find people",
    description=(
        "People who fit me and whom I fit, never again those I have swiped. The parameters narrow my own preferences; a place "
        "stands in for mine. Go on with `last_seen_id`, the last person of the page before. Distances are those of cells. "
        "Where too few fit, the recommended order goes on a little beyond my own ages and distance (except for dealbreakers), "
        "and `widened` says so. A card in ten at most is there by a boost, and is `boosted`. 429 when an account has been shown "
        "very many people. The header `RateLimit` says what is left of my likes, superlikes, rewinds and boosts of today."
    ),
    tags=["Matching"],
    opt={"limit": "search", "direct": True},
    dependencies=FILTERED,
)
async def search(
    request: Request[Any, Any, Any],
    filters: NamedDependency[Search],
    page_size: Annotated[int | None, QueryParameter(ge=1, le=100, description="people on a page; 20")] = None,
    limit: Annotated[int | None, QueryParameter(ge=1, le=100, description="another name of page_size")] = None,
    last_seen_id: Annotated[int | None, QueryParameter(gt=-1, lt=2**53, description="the last person of the page before")] = None,
    order: Annotated[Order, QueryParameter(description="how people are sorted")] = "recommended",
) -> Response[list[Candidate]]:
    """One page of people."""
    me, state = request.scope["state"]["identity"], request.app.state
    db: Database = state.db
    settings: Settings = state.settings
    wish = replace(filters, page_size=page_size or limit or 20, last_seen_id=last_seen_id, order=order)
    budget, limits = read_budget(settings), read_limits(settings)
    if order == "recommended":
        weights, boosting = read_weights(settings), read_boosting(settings)
        page = await deck.recommend(db, state.decks, me.user_id, wish, weights, budget, boosting, state.index)
        return Response(page.people, headers=describe_left(page.used, limits, db.clock()))
    listed = deck.browse(db, me.user_id, wish, budget, state.index)
    found, left = await asyncio.gather(listed, name_left(db, me.user_id, limits))
    return Response(found, headers=left)


@get(
    "/profiles/search/explain",
    summary="Why a search finds so few",
    description=(
        "How many people fit the same search, how many each rule of mine removes, and how many each would add if it alone were "
        "loosened to `relaxed_to`. Counts are told in steps, from below: fewer than five are 0, then 5, then tens, fifties above "
        "a hundred, five hundreds above a thousand."
    ),
    tags=["Matching"],
    opt={"limit": "search"},
    dependencies=FILTERED,
)
async def explain_search(
    me: NamedDependency[Identity], db: NamedDependency[Database], filters: NamedDependency[Search]
) -> Explanation:
    """What my rules do to a search."""
    return await db.read(explain.explain, me.user_id, filters)


@get(
    "/picks",
    summary="Who fits me best today",
    description="At most three people a day (UTC), of a stable matching over everybody around: each pair is shown to both, and "
    "whoever was swiped is gone. An empty list before the first of the day, or where nobody fits. The header `RateLimit` says "
    "what is left of my likes, superlikes, rewinds and boosts of today.",
    tags=["Matching"],
    opt={"limit": "search"},
)
async def list_picks(
    me: NamedDependency[Identity], db: NamedDependency[Database], settings: NamedDependency[Settings]
) -> Response[list[Pick]]:
    """My picks of today."""
    found = await db.read(picks.picks, me.user_id)
    return Response(found, headers=await name_left(db, me.user_id, read_limits(settings)))


handlers = [search, explain_search, list_picks]
