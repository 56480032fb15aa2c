"""What operators and load balancers ask: is it alive, is it ready, which version is it, what does it count.

Nothing here is about people. `watch` connects the parts of one server to what the operations report of them.
"""

from functools import partial
from typing import Annotated, Any, Literal

import msgspec
from litestar import MediaType, Request, Response, get
from litestar.di import NamedDependency
from msgspec import Meta

from dating import __version__
from dating.database import Database, Transaction
from dating.errors import NotFound, Problem, Unavailable
from dating.observe import METRICS_TYPE, Metrics, Readiness, check_disk, may_scrape
from dating.realtime.hub import Hub, Leaving
from dating.settings import Settings

ALIVE = "SELECT 1"
RETRY_SECONDS = 2

Counts = Annotated[str, Meta(examples=['dating_requests_total{method="GET",route="/ping",status="200"} 7.0\n'])]


class Health(msgspec.Struct, frozen=True):
    """The process runs and answers."""

    status: Annotated[Literal["ok"], Meta(examples=["ok"])] = "ok"


class Pong(msgspec.Struct, frozen=True):
    """The answer to a ping."""

    message: Annotated[Literal["pong"], Meta(examples=["pong"])] = "pong"


class About(msgspec.Struct, frozen=True):
    """What this server is."""

    name: Annotated[str, Meta(examples=["dating"])]
    version: Annotated[str, Meta(examples=[__version__])]


class Ready(msgspec.Struct, frozen=True):
    """The server takes requests; each thing that it depends on with its state."""

    status: Annotated[Literal["ok", "degraded"], Meta(examples=["ok"])]
    checks: Annotated[dict[str, str], Meta(examples=[{"database": "ok", "sockets": "ok", "disk": "ok"}])]


class NotReady(Problem, frozen=True, kw_only=True):
    """The problem that /readyz answers with, and the states that it comes from."""

    checks: dict[str, str]


def watch(db: Database, hub: Hub, metrics: Metrics) -> Readiness:
    """Connect the parts of a server with its metrics; what its readiness depends on."""
    metrics.watch("sockets", "Sockets open now", hub.count)
    metrics.watch("inbox_behind", "Most events that any socket is behind its inbox", hub.lag)
    metrics.watch("database_waiting", "Changes that wait for the database", db.waiting)
    for kind in hub.sent:
        metrics.watch(f"events_{kind}", f"Events written to sockets: {kind}", partial(hub.sent.__getitem__, kind))
    readiness = Readiness()

    async def ask_database() -> None:
        await db.read(answer)

    async def ask_hub() -> None:
        if hub.draining:
            raise Leaving

    readiness.need("database", ask_database)
    readiness.need("sockets", ask_hub)
    readiness.need("disk", partial(check_disk, db.settings.database_path.parent))
    return readiness


async def answer(tx: Transaction) -> int | None:
    """Something that only a working database can say."""
    return await tx.one(int, ALIVE)


@get(
    "/healthz",
    summary="Is the process alive?",
    description="Asks nobody else: a failing answer means that the process should be restarted.",
    tags=["Operations"],
    opt={"access": "public"},
)
async def healthz() -> Health:
    """Alive, since it answers."""
    return Health()


@get(
    "/health",
    summary="Is the server healthy?",
    description="The same as `/healthz`, under the name that older clients know.",
    tags=["Operations"],
    opt={"access": "public"},
)
async def health() -> Health:
    """Healthy, since it answers."""
    return Health()


@get(
    "/ping",
    summary="Ping",
    description="Answers `pong` at once, for measuring the way to the server.",
    tags=["Operations"],
    opt={"access": "public"},
)
async def ping() -> Pong:
    """Pong."""
    return Pong()


@get(
    "/api",
    summary="Name and version",
    description="What this server is and in which version.",
    tags=["Operations"],
    opt={"access": "public"},
)
async def about() -> About:
    """Name and version."""
    return About("dating", __version__)


@get(
    "/readyz",
    summary="May requests come?",
    description="200 when what the server depends on answers and it does not shut down, else 503; `checks` has the states.",
    tags=["Operations"],
    opt={"access": "public"},
)
async def readyz(readiness: NamedDependency[Readiness]) -> Response[Ready]:
    """Ask every dependency; a refusal lists them all."""
    report = await readiness.report()
    if report.http_status == 200:
        return Response(Ready("degraded" if report.status == "degraded" else "ok", report.checks))
    return refuse(report.checks)


def refuse(checks: dict[str, str]) -> Response[Any]:
    """A problem that shows what is missing."""
    failing = ", ".join(name for name, state in checks.items() if state != "ok") or "start"
    problem = NotReady("about:blank", Unavailable.title, Unavailable.status, f"Not ready: {failing}.", "not_ready", checks=checks)
    return Response(
        msgspec.json.encode(problem),
        status_code=problem.status,
        media_type="application/problem+json",
        headers={"retry-after": str(RETRY_SECONDS)},
    )


@get(
    "/metrics",
    media_type=MediaType.TEXT,
    summary="Counters for Prometheus",
    description="Needs the token of `DATING_METRICS_TOKEN`; without one only the machine itself may ask, in development.",
    tags=["Operations"],
    opt={"access": "public", "refuses": (404,)},
)
async def scrape(
    request: Request[Any, Any, Any],
    settings: NamedDependency[Settings],
    metrics: NamedDependency[Metrics],
    address: NamedDependency[str],
) -> Response[Counts]:
    """Everything that is counted, or as if there were no such page."""
    if not may_scrape(settings, address, request.headers.get("authorization")):
        raise NotFound
    # Litestar names the charset itself, for every type that begins with text/.
    return Response(metrics.render().decode(), media_type=METRICS_TYPE.removesuffix("; charset=utf-8"))


handlers = [healthz, health, ping, about, readyz, scrape]
