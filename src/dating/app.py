"""The composition root: settings → database → bus → hub → routes. The only file that knows everyone.

`create_app(Settings(...))` makes a whole server and touches nothing; the work begins with the lifespan.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, NamedTuple

from litestar import Litestar
from litestar.config.cors import CORSConfig
from litestar.datastructures import State
from litestar.di import Provide

from dating.accounts import routes as accounts
from dating.accounts import service as accounts_service
from dating.accounts.mail import make_mailer
from dating.accounts.passwords import Passwords
from dating.bodies import JSONRequest
from dating.calls import routes as calls
from dating.chat import limits, receipts
from dating.chat import routes as chat
from dating.database import Database, connect
from dating.documentation import openapi
from dating.gate import Doorkeeper, Gate, admit, answer_error, provide_address, provide_me, provide_viewer
from dating.idempotency import provide_commit
from dating.jobs import Jobs
from dating.matching import routes as matching
from dating.matching.decks import Decks
from dating.matching.feed import MANY, Feed
from dating.matching.index import Index
from dating.migrate import bring_up
from dating.moderation import routes as moderation
from dating.moderation.screening import Screener
from dating.observe import Metrics
from dating.operations import handlers as operations
from dating.operations import watch
from dating.presence.watcher import Watcher
from dating.profiles import routes as profiles
from dating.realtime import routes as realtime
from dating.realtime.bus import Bus, Deliver, LocalBus
from dating.realtime.events import Ack, SendDelivered, SendTyping, Watch
from dating.realtime.hub import Hub
from dating.realtime.inbox import Missed
from dating.realtime.redis_tickets import RedisTickets
from dating.realtime.session import Session
from dating.redis.store import RedisStore
from dating.safety import routes as safety
from dating.search import routes as search
from dating.settings import Settings
from dating.shortcut import Shortcut
from dating.throttle import Throttle
from dating.tokens import LocalTickets, Tickets

logger = logging.getLogger(__name__)

HANDLERS = [
    *operations,
    *accounts.handlers,
    *profiles.handlers,
    *matching.handlers,
    *chat.handlers,
    *calls.handlers,
    *search.handlers,
    *safety.handlers,
    *moderation.handlers,
    realtime.start_socket,
    realtime.refuse_plain,
]


def create_app(settings: Settings) -> Litestar:
    """A server that is not running yet."""
    db = connect(settings)
    shared = share(settings, db)
    hub = Hub(settings, db, shared.bus)
    doorkeeper = Doorkeeper(settings, db)
    metrics = Metrics()

    def seen_since(moment: float) -> set[int]:
        return doorkeeper.seen_since(moment) | {session.identity.user_id for session in hub.sessions()}

    index = Index() if settings.candidate_index != "sql" else None
    feed = Feed(db, index, MANY if settings.candidate_index == "auto" else 0) if index is not None else None
    postbox = make_mailer(settings)
    watcher = Watcher(settings, db, shared.bus, hub.say)
    state = State(
        {
            "settings": settings,
            "db": db,
            "hub": hub,
            "watcher": watcher,
            "tickets": shared.tickets,
            "throttle": shared.throttle,
            "store": shared.store,
            "metrics": metrics,
            "readiness": watch(db, hub, metrics),
            "passwords": Passwords(settings),
            "mailer": postbox,
            "screener": Screener(settings, db),
            "jobs": Jobs(settings, db, postbox, seen_since),
            "decks": Decks(),
            "index": index,
            "feed": feed,
            "rules": limits.read_rules(settings),
        },
        deep_copy=False,
    )

    if settings.redis_url is not None:
        state.readiness.want("redis", shared.bus.check)
        for name in shared.bus.counts:
            metrics.watch(f"bus_{name}", f"Notices between processes: {name}", partial(shared.bus.counts.__getitem__, name))
    db.committed = shared.bus.publish
    db.doubted = partial(shared.bus.publish, [Missed()])
    hub.heard = doorkeeper.forget if feed is None else tell_both(doorkeeper.forget, feed.hear)
    hub.living = accounts_service.living
    hub.intake.authenticate = doorkeeper.identify
    listen(hub, db, watcher)
    app = Litestar(
        HANDLERS,
        state=state,
        lifespan=[run],
        guards=[admit],
        dependencies=dependencies(),
        request_class=JSONRequest,
        request_max_body_size=settings.body_limit,
        exception_handlers={Exception: answer_error},
        cors_config=cors(settings),
        openapi_config=openapi(settings),
        logging_config=None,
    )
    app.asgi_handler = Gate(Shortcut(app), settings, doorkeeper, metrics)
    return app


def tell_both(one: Deliver, other: Deliver) -> Deliver:
    """Something that hands notices to both."""

    def hear(notices: list[object]) -> None:
        one(notices)
        other(notices)

    return hear


class Shared(NamedTuple):
    """What one process keeps to itself, or several keep together."""

    bus: Bus
    tickets: Tickets
    throttle: Throttle
    store: RedisStore | None


def share(settings: Settings, db: Database) -> Shared:
    """In Redis where the settings name one, else in memory."""
    if settings.redis_url is None:
        return Shared(LocalBus(), LocalTickets(settings), Throttle(settings), None)
    from dating.realtime.redis_bus import RedisBus

    store = RedisStore(settings.redis_url)
    return Shared(RedisBus(settings.redis_url), RedisTickets(settings, store, db), Throttle(settings, store), store)


def listen(hub: Hub, db: Database, watcher: Watcher) -> None:
    """What the features do with the frames that clients send."""

    async def on_typing(session: Session, frame: SendTyping) -> None:
        people, event = await db.read(receipts.announce_typing, session.identity.user_id, frame.chat_id, frame.what)
        hub.send(people, event)

    async def on_delivered(session: Session, frame: SendDelivered) -> None:
        await db.write(receipts.mark_delivered, session.identity.user_id, frame.chat_id, frame.message_id)

    async def on_watch(session: Session, frame: Watch) -> None:
        await watcher.watch(session, frame.chat_ids)

    async def on_ack(session: Session, frame: Ack) -> None:
        await db.write(receipts.acknowledge, session.identity.user_id, frame.seq)

    hub.intake.handlers = {SendTyping: on_typing, SendDelivered: on_delivered, Watch: on_watch, Ack: on_ack}


def cors(settings: Settings) -> CORSConfig | None:
    """Exactly the listed origins, without credentials: the API knows bearer tokens only."""
    if not settings.cors_origins:
        return None
    headers = ["Authorization", "Content-Type", "Idempotency-Key"]
    return CORSConfig(
        allow_origins=list(settings.cors_origins),
        allow_methods=["GET", "POST", "PUT", "PATCH", "DELETE"],
        allow_headers=headers,
        expose_headers=["RateLimit", "Retry-After", "X-Request-Id"],
        max_age=600,
    )


def from_state(name: str) -> Provide:
    """A dependency that is the same object for every request."""

    def provide(state: State) -> Any:
        return state[name]

    return Provide(provide, sync_to_thread=False)


def dependencies() -> dict[str, Provide]:
    """What handlers may ask for by name."""
    shared = (
        "db", "hub", "settings", "tickets", "throttle", "metrics", "readiness", "passwords", "mailer", "decks", "index", "rules",
    )  # fmt: skip
    return {
        **{name: from_state(name) for name in shared},
        "me": Provide(provide_me, sync_to_thread=False),
        "viewer": Provide(provide_viewer, sync_to_thread=False),
        "address": Provide(provide_address, sync_to_thread=False),
        "commit": Provide(provide_commit),
    }


@asynccontextmanager
async def run(app: Litestar) -> AsyncIterator[None]:
    """The life of a server: open the database and bring up its schema, start hub and jobs; close them the other way round."""
    state = app.state
    await state.db.open()
    try:
        await bring_up(state.db)
        await state.hub.start()
        if state.feed is not None:
            await state.feed.start()
        state.watcher.start()
        state.jobs.start()
        state.screener.start()
        state.readiness.open()
        loop_lag = asyncio.create_task(state.metrics.measure_loop())
        yield
        loop_lag.cancel()
    finally:
        await state.screener.close()
        await state.jobs.close()
        await state.decks.close()
        if state.feed is not None:
            await state.feed.close()
        await state.watcher.close()
        await state.hub.close()
        if state.store is not None:
            await state.store.close()
        await state.mailer.close()
        state.passwords.close()
        await state.db.close()
