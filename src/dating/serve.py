"""Runs the application under uvicorn: one clear line when it listens, and a shutdown that loses nobody.

uvicorn closes every socket at once when it is told to stop, so the sockets are drained before it hears of it: not
ready any more, everybody sent away over `drain_seconds`, requests finished, the database closed. A second signal ends
the process on the spot; what was answered is on disk.
"""

import asyncio
import gc
import logging
import os
import signal
import socket
import sys
import threading
from types import FrameType

import uvicorn
from litestar import Litestar

from dating import __version__
from dating.answers import Answering
from dating.app import create_app
from dating.database import connect
from dating.migrate import bring_up
from dating.observe import configure_logs
from dating.realtime.wire import Wire
from dating.redis.store import check_redis
from dating.settings import Settings, SettingsError, find_oddities

__all__ = ["Server", "listen", "prepare", "serve"]

log = logging.getLogger(__name__)

BACKLOG = 2048
KEEP_ALIVE_SECONDS = 20
FINISH_SECONDS = 6
DRAIN_GRACE_SECONDS = 2
CLOSE_SECONDS = 1  # with the drain of 10 s: gone after 19
GARBAGE_THRESHOLDS = (10_000, 20, 100)
SWITCH_SECONDS = 0.0001  # for which a thread that works (at words, at rows) keeps the others waiting; Python's own are 5 ms


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT.

    Raises SettingsError when the address cannot be had, DatabaseAway and SchemaError when the database cannot,
    RedisAway when a Redis is named and does not answer.
    """
    configure_logs(settings)
    for oddity in find_oddities(settings):
        log.warning("%s", oddity)
    listener = listen(settings)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(prepare(settings))
        if settings.redis_url is not None:
            runner.run(check_redis(settings.redis_url))
        runner.run(Server(create_app(settings), settings).serve([listener]))


def loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """The fastest event loop there is here; None for asyncio's own."""
    try:
        from uvloop import Loop
    except ImportError:  # Windows
        return None
    return Loop


async def prepare(settings: Settings) -> None:
    """Open the database and bring up its schema once before serving, so that what is wrong is one sentence."""
    db = connect(settings)
    await db.open()
    try:
        await bring_up(db)
    finally:
        await db.close()


def listen(settings: Settings) -> socket.socket:
    """A socket bound to the settings' address. Raises SettingsError when it is taken or not ours."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    # Named as TCP: asyncio sends small answers without delay only on sockets that say so.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux; else who stops reading could keep a closed socket for ever
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, round(settings.socket_silence_seconds * 1000))
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
    except OSError as error:
        listener.close()
        reason = error.strerror or str(error)
        raise SettingsError(f"HOST, PORT: cannot listen on {settings.host}:{settings.port}: {reason}.") from error
    return listener


def say_where(settings: Settings, listener: socket.socket, *details: str) -> None:
    """The one line that tells people, and programs that wait for it, where the server listens."""
    host, port = listener.getsockname()[:2]
    name = f"[{host}]" if ":" in host else host
    where = "PostgreSQL" if settings.database_url else f"SQLite in {settings.database_path}"
    about = ", ".join((settings.env, where, *details))
    print(f"dating {__version__} listens on http://{name}:{port} ({about})", flush=True)


class Server(uvicorn.Server):
    """uvicorn's server with the drain before its shutdown."""

    def __init__(self, app: Litestar, settings: Settings) -> None:
        super().__init__(configure(app, settings))
        self.app = app
        self.settings = settings

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, say where, and take what exists now out of the garbage collector's rounds."""
        await super().startup(sockets)
        gc.collect()
        gc.freeze()
        gc.set_threshold(*GARBAGE_THRESHOLDS)
        sys.setswitchinterval(SWITCH_SECONDS)
        for listener in sockets or []:
            self.announce(listener)

    def announce(self, listener: socket.socket) -> None:
        """Say that it listens."""
        say_where(self.settings, listener)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """The first signal begins the shutdown; the second ends the process. Nothing is raised again at the end."""
        if self.should_exit:
            os._exit(128 + sig)
        log.info("Stopping on %s; a second one ends at once.", signal.Signals(sig).name)
        self.should_exit = True

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Send the sockets away while requests are still answered, then stop as uvicorn does."""
        self.app.state.readiness.drain()
        watch = self._watch()
        try:
            async with asyncio.timeout(self.settings.drain_seconds + DRAIN_GRACE_SECONDS):
                # Even without sockets the balancer in front needs the time to see that we are not ready.
                await asyncio.gather(self.app.state.hub.drain(), asyncio.sleep(self.settings.drain_seconds))
        except Exception as error:
            log.error("The drain was not finished.", exc_info=error)
        await super().shutdown(sockets)
        watch.cancel()
        log.info("Stopped.")

    def _watch(self) -> threading.Timer:
        """End the process by force when the orderly end takes too long, whatever hangs: what was answered is on disk."""
        longest = self.settings.drain_seconds + DRAIN_GRACE_SECONDS + FINISH_SECONDS + CLOSE_SECONDS
        watch = threading.Timer(longest, os._exit, [1])
        watch.daemon = True
        watch.start()
        return watch


def configure(app: Litestar, settings: Settings) -> uvicorn.Config:
    """uvicorn as a dating server wants it. Addresses behind proxies are the gate's business, not uvicorn's."""
    return uvicorn.Config(
        app,
        interface="asgi3",
        lifespan="on",
        http=Answering,
        ws=Wire,
        ws_per_message_deflate=False,
        ws_max_size=2 * settings.socket_frame_bytes,
        ws_ping_interval=settings.heartbeat_seconds,
        ws_ping_timeout=max(1.0, settings.socket_silence_seconds - settings.heartbeat_seconds),
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=FINISH_SECONDS,
        backlog=BACKLOG,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
    )
