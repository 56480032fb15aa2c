"""The embedded database: one SQLite file through aiosqlite, with group commit, and checkpoints beside it."""

import asyncio
import logging
import sqlite3
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast

import aiosqlite
import msgspec

from dating.database import Clash, Committed, Database, DatabaseAway, Overloaded, Transaction, is_struct, milliseconds
from dating.errors import Malformed
from dating.settings import Settings

logger = logging.getLogger(__name__)

T = TypeVar("T")
Row = TypeVar("Row")
P = ParamSpec("P")

DISK = ("disk is full", "disk I/O error", "unable to open")
CHECKPOINT_SECONDS = 1.0
BATCH = 256  # functions that share one commit: enough to hide the fsync, few enough to keep the first one's wait short


class SqliteTransaction(Transaction):
    """Statements run at once on the calling thread, which is the connection's own: nothing here ever suspends."""

    def __init__(self, connection: sqlite3.Connection, now: int) -> None:
        self._connection = connection
        self.now = now
        self.notices = []

    async def all(self, row: type[Row], sql: str, /, **parameters: object) -> list[Row]:
        cursor = self._connection.execute(sql, parameters)
        found = cursor.fetchall()
        if not found:
            return []
        if row is tuple:
            return cast(list[Row], found)
        if not is_struct(row):
            return [values[0] for values in found]
        names = [column[0] for column in cursor.description]
        return [msgspec.convert(dict(zip(names, values, strict=True)), row, strict=False) for values in found]

    async def run(self, sql: str, /, **parameters: object) -> int:
        return self._connection.execute(sql, parameters).rowcount

    async def many(self, sql: str, rows: Sequence[Mapping[str, object]], /) -> None:
        self._connection.executemany(sql, rows)

    async def script(self, sql: str, /) -> None:
        for statement in split(sql):
            self._connection.execute(statement)

    async def think(self, fn: Callable[P, T], /, *args: P.args, **options: P.kwargs) -> T:
        return fn(*args, **options)  # this is a thread of its own

    async def lock(self) -> None:
        """Nothing to do: a SQLite write transaction is alone by itself."""


def split(script: str) -> list[str]:
    """The statements of a script, by SQLite's own rule for where a statement ends (so that triggers stay whole)."""
    statements, current = [], ""
    for line in script.splitlines(keepends=True):
        current += line
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return [*statements, current] if current.strip() else statements


class Job(msgspec.Struct, eq=False):
    """A transaction function that waits for the database thread, and the one who waits for it."""

    fn: Callable[..., Awaitable[Any]]
    args: tuple[object, ...]
    options: dict[str, object]
    future: asyncio.Future[Any]
    durable: bool = True
    result: Any = None
    error: BaseException | None = None


def drive(awaitable: Awaitable[T]) -> T:
    """Run a coroutine that never suspends to its end, on this thread."""
    steps = cast(Coroutine[Any, None, T], awaitable)
    try:
        steps.send(None)
    except StopIteration as done:
        return cast(T, done.value)
    steps.close()
    raise RuntimeError("A transaction awaited something other than its own statements.")


class Lane:
    """One SQLite connection with its thread, and the jobs that wait for it. Who arrives while it works rides the next batch."""

    def __init__(self, connection: aiosqlite.Connection, perform: Callable[[list[Job]], list[object]], limit: int) -> None:
        self._connection = connection
        self._perform = perform
        self._limit = limit
        self._waiting: list[Job] = []
        self._carried = 0
        self._pump: asyncio.Task[None] | None = None
        self.announce: Committed = lambda notices: None

    def waiting(self) -> int:
        return len(self._waiting)

    def unfinished(self) -> int:
        """How many jobs wait, or are with the thread."""
        return len(self._waiting) + self._carried

    async def submit(
        self, fn: Callable[..., Awaitable[T]], args: tuple[object, ...], options: dict[str, object], *, durable: bool = True
    ) -> T:
        if len(self._waiting) >= self._limit:
            raise Overloaded(retry_after=1)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(Job(fn, args, options, future, durable))
        if self._pump is None:
            self._pump = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            self._carried = len(batch)
            notices = await self._carry(batch)
            self._carried = 0
            self.announce(notices)
            for job in batch:
                settle(job)
        self._pump = None

    async def _carry(self, batch: list[Job]) -> list[object]:
        # aiosqlite offers single statements only; a batch per thread hop is what makes group commit possible.
        try:
            return await self._connection._execute(self._perform, batch)  # type: ignore[no-untyped-call, no-any-return]  # private on purpose, see above
        except BaseException as error:
            for job in batch:
                job.error = error
            return []

    async def close(self) -> None:
        if self._pump is not None:
            await self._pump
        await self._connection.close()


def settle(job: Job) -> None:
    """Hand the outcome to the one who waits, unless he has gone."""
    if job.future.done():
        return
    if job.error is None:
        job.future.set_result(job.result)
    else:
        job.future.set_exception(translate(job.error))


def translate(error: BaseException) -> BaseException:
    """A driver's error as a refusal; everything else as it is."""
    if isinstance(error, sqlite3.IntegrityError):
        return Clash().with_traceback(error.__traceback__)
    if isinstance(error, sqlite3.OperationalError) and ("locked" in str(error) or "busy" in str(error)):
        return DatabaseAway("The database is locked by another process; try again in a moment.", retry_after=1)
    if isinstance(error, sqlite3.OperationalError) and any(word in str(error) for word in DISK):
        return DatabaseAway("The database cannot write to its disk; try again later.", retry_after=30)
    if isinstance(error, OverflowError):
        return Malformed("A number is out of range.")
    return error


class SqliteDatabase(Database):
    """The embedded default: one writer with group commit at synchronous=FULL, separate readers, all in one file."""

    dialect = "sqlite"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._writer: Lane | None = None
        self._readers: list[Lane] = []
        self._has_written = False
        self._flushes = True
        self._copier: aiosqlite.Connection | None = None
        self._copying: asyncio.Task[None] | None = None

    @property
    def place(self) -> str:
        return f"SQLite in {self.settings.database_path}"

    async def write(self, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **options: P.kwargs) -> T:
        assert self._writer is not None, "the database is not open"
        return await self._writer.submit(fn, args, options)

    async def note(self, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **options: P.kwargs) -> T:
        assert self._writer is not None, "the database is not open"
        return await self._writer.submit(fn, args, options, durable=False)

    async def read(self, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **options: P.kwargs) -> T:
        lane = min(self._readers, key=Lane.unfinished)
        self._readers.append(self._readers.pop(0))
        return await lane.submit(fn, args, options)

    async def open(self) -> None:
        path = Path(self.settings.database_path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = await self._lane(path, writes=True)
            self._readers = [await self._lane(path, writes=False) for _ in range(self.settings.sqlite_readers)]
            self._copier = await self._connect(path, WRITING)
        except (sqlite3.Error, OSError) as error:
            await self.close()
            raise DatabaseAway(f"The database file {path} cannot be opened: {error}.") from error
        self._writer.announce = self.announce
        self._copying = asyncio.create_task(self._keep_log_short(self._copier))

    async def _lane(self, path: Path, *, writes: bool) -> Lane:
        connection = await self._connect(path, WRITING if writes else READING)
        perform = self._commit if writes else self._look
        return Lane(connection, partial(perform, connection._conn), self.settings.write_queue)

    async def _connect(self, path: Path, pragmas: Sequence[str]) -> aiosqlite.Connection:
        connection = await aiosqlite.connect(path, isolation_level=None, cached_statements=512)
        patience = f"PRAGMA busy_timeout = {milliseconds(self.settings.sqlite_busy_seconds)}"
        for pragma in [patience, *PRAGMAS, *pragmas]:
            await connection.execute(pragma)
        return connection

    async def _keep_log_short(self, connection: aiosqlite.Connection) -> None:
        """Copy what is committed from the log into the file, on a connection and a thread of its own: no commit waits for that.

        Else the commit that fills the log's thousandth page does it, and all that have come meanwhile wait for the copying and
        for two more flushes. While commits come without a pause the log is never copied to its end and so never begun anew:
        then the writer does the little that is left, every `wal_autocheckpoint` pages.
        """
        while True:
            await asyncio.sleep(CHECKPOINT_SECONDS)
            if self._has_written:
                self._has_written = False
                await checkpoint(connection)

    def _commit(self, connection: sqlite3.Connection, batch: list[Job]) -> list[object]:
        """On the writer's thread: every job in its own savepoint, one commit for all of them.

        Of a batch that only notes something, the log is flushed with the next commit that is to be durable, or the next copying.
        """
        notices: list[object] = []
        self._flush(connection, any(job.durable for job in batch))
        connection.execute("BEGIN IMMEDIATE")
        try:
            for job in batch:
                if not job.future.cancelled():
                    notices += self._attempt(connection, job)
            connection.execute("COMMIT")
            self._has_written = True
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return notices

    def _flush(self, connection: sqlite3.Connection, durable: bool) -> None:
        """Whether the next commits wait for the disk."""
        if durable != self._flushes:
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            self._flushes = durable

    def _attempt(self, connection: sqlite3.Connection, job: Job) -> list[object]:
        tx = SqliteTransaction(connection, self.clock())
        connection.execute("SAVEPOINT job")
        try:
            job.result = drive(job.fn(tx, *job.args, **job.options))
        except BaseException as error:
            job.error = error
            if not connection.in_transaction:  # the disk is full or broken: SQLite has rolled everything back
                raise
            connection.execute("ROLLBACK TO job")
            tx.notices = []
        connection.execute("RELEASE job")
        return tx.notices

    def _look(self, connection: sqlite3.Connection, batch: list[Job]) -> list[object]:
        """On a reader's thread: each job sees one snapshot."""
        for job in batch:
            if job.future.cancelled():
                continue
            connection.execute("BEGIN")
            try:
                job.result = drive(job.fn(SqliteTransaction(connection, self.clock()), *job.args, **job.options))
            except BaseException as error:
                job.error = error
            finally:
                connection.execute("COMMIT")
        return []

    async def close(self) -> None:
        await self.finish_groups()
        if self._copying is not None:
            self._copying.cancel()
            await asyncio.gather(self._copying, return_exceptions=True)
        if self._copier is not None:
            await self._copier.close()
        self._copier = self._copying = None
        lanes = [*([self._writer] if self._writer else []), *self._readers]
        self._writer, self._readers = None, []
        for lane in lanes:
            await lane.close()

    def waiting(self) -> int:
        return self._writer.waiting() if self._writer else 0


async def checkpoint(connection: aiosqlite.Connection) -> None:
    """Copy what can be copied now. It disturbs neither who reads nor who writes."""
    try:
        await connection.execute_fetchall("PRAGMA wal_checkpoint(PASSIVE)")
    except sqlite3.Error as error:  # such as a full disk: the next one, or the writer, meets it again
        logger.warning("the log was not copied into the database: %s", error)


# FULL: an answered write survives a power cut. The group commit makes it cheap.
PRAGMAS = [
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
]
WRITING = ["PRAGMA cache_size = -32768", "PRAGMA wal_autocheckpoint = 16000"]
# Whatever a reader holds is void after the next commit; a mapped file, too, is mapped and faulted in anew.
READING = ["PRAGMA query_only = ON", "PRAGMA cache_size = -4096"]
