"""Statistics over HTTP: the public fairness page, and what I may know of myself."""

from typing import Annotated

from litestar import Response, get
from litestar.di import NamedDependency
from msgspec import Meta

from dating.database import Database
from dating.matching import fairness, fairness_chart
from dating.matching.fairness import Fairness, MyStatistics
from dating.tokens import Identity

Picture = Annotated[str, Meta(examples=['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 900 480">…</svg>'])]
SVG = "image/svg+xml"
CACHED = {"cache-control": "public, max-age=600"}
PUBLIC = {"access": "public"}


@get(
    "/v1/statistics/fairness",
    summary="How fair it is",
    description="Of the last whole week: how evenly people were shown (Gini, Lorenz curve), who had no match, effective matches "
    "by group, likes that await an answer. Of people who were here before that week began. Made every six hours. Nothing is said "
    "of fewer than 20 people, nor what would let it be worked out.",
    tags=["Matching"],
    opt=PUBLIC,
)
async def read_fairness(db: NamedDependency[Database]) -> Fairness:
    """The figures."""
    return await db.read(fairness.read)


@get(
    "/v1/statistics/fairness/chart",
    summary="How fair it is, as a picture",
    description="The same figures as SVG: the Lorenz curve of exposure, and effective matches by group.",
    tags=["Matching"],
    opt=PUBLIC,
    media_type=SVG,
)
async def draw_fairness(db: NamedDependency[Database]) -> Response[Picture]:
    """The picture."""
    return Response(fairness_chart.draw(await db.read(fairness.read)), media_type=SVG, headers=CACHED)


@get(
    "/me/statistics",
    summary="How often I was shown",
    description="To how many different people in the last seven days (UTC).",
    tags=["Matching"],
)
async def read_mine(me: NamedDependency[Identity], db: NamedDependency[Database]) -> MyStatistics:
    """My own figures."""
    return await db.read(fairness.mine, me.user_id)


handlers = [read_fairness, draw_fairness, read_mine]
