"""Several server processes on one port, and the supervisor that replaces those that die.

The supervisor binds the address and never accepts; each worker is a fresh `python -m dating worker` that inherits the listening
socket and one end of a control channel. A worker says over it that it serves; its end, whether the supervisor wants the worker
replaced or has died itself, means: accept nobody any more, send the sockets away, and go.

    SIGTERM, SIGINT   stop them all as one server stops; a second one kills
    SIGHUP            replace one after the other, each when its successor serves: new code and settings without a gap
"""

import asyncio
import logging
import signal
import socket
import sys
import time

from dating import __version__
from dating.app import create_app
from dating.observe import configure_logs
from dating.redis.store import check_redis
from dating.serve import DRAIN_GRACE_SECONDS, FINISH_SECONDS, Server, listen, loop_factory, prepare, say_where
from dating.settings import Settings, SettingsError, find_oddities

log = logging.getLogger(__name__)

READY = b"r"
START_SECONDS = 60.0
FIRST_PAUSE = 0.1
LONGEST_PAUSE = 5.0
STEADY_SECONDS = 10.0  # a worker that lived so long did not die of its start


def serve_many(settings: Settings, count: int) -> None:
    """Serve with `count` processes until SIGTERM or SIGINT.

    Raises SettingsError without PostgreSQL and Redis or when the address cannot be had, DatabaseAway, SchemaError and RedisAway.
    """
    require_shared(settings, count)
    configure_logs(settings)
    for oddity in find_oddities(settings):
        log.warning("%s", oddity)
    listener = listen(settings)
    listener.set_inheritable(True)
    asyncio.run(Supervisor(settings, listener, count).run())


def require_shared(settings: Settings, count: int) -> None:
    """Several processes have to share the truth and the news of it. Raises SettingsError naming what to set."""
    missing = {
        "DATABASE_URL": "postgresql://user:password@host/name" if settings.database_url is None else None,
        "REDIS_URL": "redis://host:6379/0" if settings.redis_url is None else None,
    }
    wanted = [f"{name} (such as {example})" for name, example in missing.items() if example]
    if wanted:
        raise SettingsError(f"--workers {count}: several processes need PostgreSQL and Redis; set {' and '.join(wanted)}.")


class Worker:
    """One process as the supervisor sees it."""

    def __init__(self, process: asyncio.subprocess.Process, control: socket.socket) -> None:
        self.process = process
        self._control = control

    async def ready(self) -> bool:
        """Wait until it serves; False when it ended before."""
        try:
            async with asyncio.timeout(START_SECONDS):
                return await asyncio.get_running_loop().sock_recv(self._control, 1) == READY
        except (OSError, TimeoutError):
            return False

    def leave(self) -> None:
        """Ask it to accept nobody any more and to go when its people have been sent away."""
        self._control.close()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it, if it still runs."""
        if self.process.returncode is None:
            self.process.send_signal(number)

    async def gone(self) -> int:
        """Wait for its end; the exit status."""
        code = await self.process.wait()
        self._control.close()
        return code


class Supervisor:
    """Keeps `count` workers alive."""

    def __init__(self, settings: Settings, listener: socket.socket, count: int) -> None:
        self._settings = settings
        self._listener = listener
        self._count = count
        self._workers: list[Worker] = []
        self._stopping = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Until a signal says stop. Raises what makes a start impossible."""
        assert self._settings.redis_url is not None
        await prepare(self._settings)
        await check_redis(self._settings.redis_url)
        self._watch_signals()
        self._workers = [await self._spawn() for _ in range(self._count)]
        keepers = [asyncio.create_task(self._keep(number)) for number in range(self._count)]
        await asyncio.gather(*[worker.ready() for worker in self._workers])
        say_where(self._settings, self._listener, f"{self._count} workers")
        await self._stopping.wait()
        await self._stop()
        for task in (*keepers, *filter(None, [self._renewing])):
            task.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)

    def _watch_signals(self) -> None:
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._hear_stop)
        loop.add_signal_handler(signal.SIGHUP, self._hear_renew)

    def _hear_stop(self) -> None:
        if self._stopping.is_set():
            self._signal_all(signal.SIGKILL)
        self._stopping.set()

    def _hear_renew(self) -> None:
        if self._renewing is None or self._renewing.done():
            self._renewing = asyncio.create_task(self._renew())

    def _signal_all(self, number: signal.Signals) -> None:
        for worker in self._workers:
            worker.signal(number)

    async def _spawn(self) -> Worker:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        # A session of its own: Ctrl-C in a terminal is for the supervisor, which passes it on once.
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "dating",
            "worker",
            str(self._listener.fileno()),
            str(theirs.fileno()),
            pass_fds=(self._listener.fileno(), theirs.fileno()),
            start_new_session=True,
        )
        theirs.close()
        return Worker(process, ours)

    async def _keep(self, number: int) -> None:
        """Replace this worker whenever it dies, later and later while it dies young."""
        pause, born = FIRST_PAUSE, time.monotonic()
        while True:
            worker = self._workers[number]
            code = await worker.gone()
            if self._stopping.is_set():
                return
            if worker is not self._workers[number]:
                continue
            pause = FIRST_PAUSE if time.monotonic() - born > STEADY_SECONDS else min(2 * pause, LONGEST_PAUSE)
            log.error("Worker process %d ended with status %d; it is replaced.", worker.process.pid, code)
            await asyncio.sleep(pause)
            self._workers[number], born = await self._spawn(), time.monotonic()

    async def _renew(self) -> None:
        """Replace every worker in turn by one that already serves."""
        log.info("Replacing the workers one by one.")
        for number in range(self._count):
            successor = await self._spawn()
            if not await successor.ready():
                log.error("The successor of a worker does not start; the others stay as they are.")
                successor.signal(signal.SIGKILL)
                await successor.gone()
                return
            old, self._workers[number] = self._workers[number], successor
            old.leave()
            await self._part(old)

    async def _stop(self) -> None:
        self._signal_all(signal.SIGTERM)
        await asyncio.gather(*[self._part(worker) for worker in self._workers])

    async def _part(self, worker: Worker) -> None:
        """Wait until it has gone, and no longer than an orderly end takes."""
        try:
            async with asyncio.timeout(self._settings.drain_seconds + DRAIN_GRACE_SECONDS + FINISH_SECONDS):
                await worker.gone()
        except TimeoutError:
            log.error("Worker process %d does not end; it is killed.", worker.process.pid)
            worker.signal(signal.SIGKILL)
            await worker.gone()


# --- inside a worker ----------------------------------------------------------------------------------------------------------


class SharedServer(Server):
    """A server on a socket that its siblings accept from too."""

    def __init__(self, settings: Settings, control: socket.socket) -> None:
        super().__init__(create_app(settings), settings)
        self._control = control

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and tell the supervisor."""
        await super().startup(sockets)
        if self.started:
            asyncio.get_running_loop().add_reader(self._control, self._leave)
            self._control.send(READY)

    def announce(self, listener: socket.socket) -> None:
        """The supervisor says where."""

    def _leave(self) -> None:
        """The supervisor is gone or has a successor: accept nobody any more, and go."""
        asyncio.get_running_loop().remove_reader(self._control)
        for server in self.servers:
            server.close()
        self.should_exit = True


def serve_shared(settings: Settings, listener: int, control: int) -> None:
    """Be a worker, on inherited descriptors."""
    configure_logs(settings)
    log.debug("dating %s is a worker.", __version__)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        server = SharedServer(settings, socket.socket(fileno=control))
        runner.run(server.serve([socket.socket(fileno=listener)]))
