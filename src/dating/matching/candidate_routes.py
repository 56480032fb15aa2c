"""The search over HTTP."""

from typing import Annotated

from litestar import get
from litestar.di import NamedDependency
from litestar.params import QueryParameter

from dating.database import Database
from dating.matching import candidates
from dating.matching.candidates import Candidate, Order, Search
from dating.profiles.models import Gender, Interest
from dating.tokens import Identity


@get(
    "/profiles/search",
    summary="Find people",
    description=(
        "People who fit me and whom I fit, never again those I have swiped. The parameters narrow my own preferences; a place "
        "stands in for mine. Go on with `last_seen_id`, the last person of the page before. Distances are those of cells."
    ),
    tags=["Matching"],
    opt={"limit": "search"},
)
async def search(
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    page_size: Annotated[int | None, QueryParameter(ge=1, le=100, description="people on a page; 20")] = None,
    limit: Annotated[int | None, QueryParameter(ge=1, le=100, description="another name of page_size")] = None,
    gender: Annotated[Gender | None, QueryParameter(description="only these")] = None,
    interested_in: Annotated[Interest | None, QueryParameter(description="whom I look for this time")] = None,
    min_age: Annotated[int | None, QueryParameter(gt=-1, le=150, description="full years, inclusive")] = None,
    max_age: Annotated[int | None, QueryParameter(gt=-1, le=150, description="full years, inclusive")] = None,
    max_distance_km: Annotated[float | None, QueryParameter(ge=1, le=40_000, description="between our cells")] = None,
    latitude: Annotated[float | None, QueryParameter(ge=-90, le=90, description="with longitude: from where to search")] = None,
    longitude: Annotated[float | None, QueryParameter(ge=-180, le=180, description="belongs to latitude")] = None,
    has_photo: Annotated[bool, QueryParameter(description="only people with a photo")] = False,
    online_only: Annotated[bool, QueryParameter(description="only people active in the last hour or two who show it")] = False,
    last_seen_id: Annotated[int | None, QueryParameter(gt=-1, lt=2**53, description="the last person of the page before")] = None,
    order: Annotated[Order, QueryParameter(description="how people are sorted")] = "recommended",
) -> list[Candidate]:
    """One page of people."""
    wish = Search(
        page_size=page_size or limit or 20,
        gender=gender,
        interested_in=interested_in,
        min_age=min_age,
        max_age=max_age,
        max_distance_km=max_distance_km,
        latitude=latitude,
        longitude=longitude,
        has_photo=has_photo,
        online_only=online_only,
        last_seen_id=last_seen_id,
        order=order,
    )
    return await db.read(candidates.search, me.user_id, wish)


handlers = [search]
