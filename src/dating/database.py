"""The two databases behind one small class. The only file that knows the drivers.

A transaction is a function: `await db.write(fn, *args)` runs `async def fn(tx, *args)` inside one transaction and returns what it
returned, after the commit. `db.read` is the same without the right to write. Inside, only `tx` may be awaited.

That form is what makes both databases cheap and safe behind one service code:

* SQLite: the function is driven on the database's own thread. One thread hop carries a whole batch of functions, each in a
  savepoint, with one commit (and one fsync) for all of them: group commit. A function that fails rolls back alone.
* PostgreSQL: the function is awaited on a pooled connection, and run again when the server reports a serialization failure or a
  deadlock. Reads use connections that plan for the given parameters, because generic plans ruin the discovery query.

SQL is one text for both, with `:name` parameters; rows become msgspec structs. Nothing here knows a table.
"""

import asyncio
import contextlib
import random
import re
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar, cast

import aiosqlite
import msgspec

from dating.clock import now_microseconds
from dating.errors import Conflict, Malformed, Unavailable
from dating.settings import Settings

if TYPE_CHECKING:
    import asyncpg

T = TypeVar("T")
Row = TypeVar("Row")
P = ParamSpec("P")

BATCH = 256  # functions that share one commit: enough to hide the fsync, few enough to keep the first one's wait short


class Clash(Conflict):
    """409: a unique or foreign key or check constraint refused the change; the last defence behind the services' own rules."""

    code = "clash"


class Overloaded(Unavailable):
    """503: too many changes are waiting already."""

    code = "overloaded"
    detail = "The server is overloaded; try again in a moment."


class DatabaseAway(Unavailable):
    """503: the database does not answer, or is locked by somebody else."""

    code = "database_away"
    detail = "The database is not reachable right now; try again in a moment."


class Transaction(ABC):
    """What a service function works with. Valid only while the function runs.

    `now` is the transaction's time in microseconds since the epoch, UTC. `notices` are handed to the database's listener after
    the commit, in commit order, and forgotten on a rollback.
    """

    now: int
    notices: list[object]

    @abstractmethod
    async def all(self, row: type[Row], sql: str, /, **parameters: object) -> list[Row]:
        """Every row as `row`: a struct by column names, or a scalar type (the first column)."""

    @abstractmethod
    async def run(self, sql: str, /, **parameters: object) -> int:
        """The number of rows that the statement changed."""

    @abstractmethod
    async def many(self, sql: str, rows: Sequence[Mapping[str, object]], /) -> None:
        """The same statement for each of the rows."""

    @abstractmethod
    async def script(self, sql: str, /) -> None:
        """Several statements without parameters (migrations)."""

    @abstractmethod
    async def lock(self) -> None:
        """Keep every other starter out until this transaction ends (migrations)."""

    async def one(self, row: type[Row], sql: str, /, **parameters: object) -> Row | None:
        """The first row, or None."""
        rows = await self.all(row, sql, **parameters)
        return rows[0] if rows else None


class Committed(Protocol):
    """Called on the event loop with the notices of one or more transactions, right after their commit."""

    def __call__(self, notices: list[object], /) -> None: ...


class Database(ABC):
    """One of the two databases. `clock` gives microseconds; `committed` hears the notices of each commit."""

    dialect: str

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock: Callable[[], int] = now_microseconds
        self.committed: Committed = lambda notices: None

    @abstractmethod
    async def write(self, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **options: P.kwargs) -> T:
        """Run `fn(tx, *args)` in one transaction; return its result after the commit.

        Raises what `fn` raises (everything rolled back), Overloaded when the queue is full, DatabaseAway when the commit could
        not be made: the outcome is then unknown to the caller, as after a lost connection.
        """

    @abstractmethod
    async def read(self, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **options: P.kwargs) -> T:
        """Run `fn(tx, *args)` without the right to write."""

    @abstractmethod
    async def open(self) -> None:
        """Connect. Raises DatabaseAway with the reason."""

    @abstractmethod
    async def close(self) -> None:
        """Finish what runs and disconnect."""

    @abstractmethod
    def waiting(self) -> int:
        """How many changes wait for a connection (a gauge)."""


def connect(settings: Settings) -> Database:
    """The database that the settings name: PostgreSQL when there is a DATABASE_URL, else the SQLite file."""
    return PostgresDatabase(settings) if settings.database_url else SqliteDatabase(settings)


def milliseconds(seconds: float) -> str:
    """A period as both databases want it in their settings."""
    return str(round(seconds * 1000))


def is_struct(row: type[object]) -> bool:
    """Whether rows become structs of this type rather than plain values."""
    return issubclass(row, msgspec.Struct)


# --- SQLite -------------------------------------------------------------------------------------------------------------------


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
        self._pump: asyncio.Task[None] | None = None
        self.committed: Committed = lambda notices: None

    def waiting(self) -> int:
        return len(self._waiting)

    async def submit(self, fn: Callable[..., Awaitable[T]], args: tuple[object, ...], options: dict[str, object]) -> T:
        if len(self._waiting) >= self._limit:
            raise Overloaded(retry_after=1)
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(Job(fn, args, options, future))
        if self._pump is None:
            self._pump = asyncio.create_task(self._work())
        return await future

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[:BATCH], self._waiting[BATCH:]
            notices = await self._carry(batch)
            if notices:
                self.committed(notices)
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

    async def write(self, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **options: P.kwargs) -> T:
        assert self._writer is not None, "the database is not open"
        return await self._writer.submit(fn, args, options)

    async def read(self, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **options: P.kwargs) -> T:
        lane = min(self._readers, key=Lane.waiting)
        self._readers.append(self._readers.pop(0))
        return await lane.submit(fn, args, options)

    async def open(self) -> None:
        path = Path(self.settings.database_path)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = await self._lane(path, writes=True)
            self._readers = [await self._lane(path, writes=False) for _ in range(self.settings.sqlite_readers)]
        except (sqlite3.Error, OSError) as error:
            await self.close()
            raise DatabaseAway(f"The database file {path} cannot be opened: {error}.") from error
        self._writer.committed = self._announce

    async def _lane(self, path: Path, *, writes: bool) -> Lane:
        connection = await aiosqlite.connect(path, isolation_level=None, cached_statements=512)
        patience = f"PRAGMA busy_timeout = {milliseconds(self.settings.sqlite_busy_seconds)}"
        for pragma in [patience, *PRAGMAS, *([] if writes else ["PRAGMA query_only = ON"])]:
            await connection.execute(pragma)
        perform = self._commit if writes else self._look
        return Lane(connection, partial(perform, connection._conn), self.settings.write_queue)

    def _announce(self, notices: list[object]) -> None:
        self.committed(notices)

    def _commit(self, connection: sqlite3.Connection, batch: list[Job]) -> list[object]:
        """On the writer's thread: every job in its own savepoint, one commit for all of them."""
        notices: list[object] = []
        connection.execute("BEGIN IMMEDIATE")
        try:
            for job in batch:
                if not job.future.cancelled():
                    notices += self._attempt(connection, job)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return notices

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
        lanes = [*([self._writer] if self._writer else []), *self._readers]
        self._writer, self._readers = None, []
        for lane in lanes:
            await lane.close()

    def waiting(self) -> int:
        return self._writer.waiting() if self._writer else 0


# FULL: an answered write survives a power cut. The group commit makes it cheap.
PRAGMAS = [
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",
    "PRAGMA foreign_keys = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA cache_size = -32768",
]


# --- PostgreSQL ---------------------------------------------------------------------------------------------------------------

PARAMETER = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")
ATTEMPTS = 5


@cache
def numbered(sql: str) -> tuple[str, tuple[str, ...]]:
    """The text with `$1 …` for `:name …`, and the names in that order."""
    names: list[str] = []

    def number(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return PARAMETER.sub(number, sql), tuple(names)


class PostgresTransaction(Transaction):
    """One pooled connection for the time of one function."""

    def __init__(self, connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]", now: int) -> None:
        self._connection = connection
        self.now = now
        self.notices = []

    async def all(self, row: type[Row], sql: str, /, **parameters: object) -> list[Row]:
        text, names = numbered(sql)
        records = await self._connection.fetch(text, *[parameters[name] for name in names])
        if not is_struct(row):
            return [record[0] for record in records]
        return [msgspec.convert(dict(record.items()), row, strict=False) for record in records]

    async def run(self, sql: str, /, **parameters: object) -> int:
        text, names = numbered(sql)
        status = await self._connection.execute(text, *[parameters[name] for name in names])
        count = status.rpartition(" ")[2]
        return int(count) if count.isdigit() else 0

    async def many(self, sql: str, rows: Sequence[Mapping[str, object]], /) -> None:
        text, names = numbered(sql)
        await self._connection.executemany(text, [[row[name] for name in names] for row in rows])

    async def script(self, sql: str, /) -> None:
        await self._connection.execute(sql)

    async def lock(self) -> None:
        await self._connection.execute("SELECT pg_advisory_xact_lock(20261120)")


class PostgresDatabase(Database):
    """A pool for writes and one for reads; the reads plan each query for its own parameters."""

    dialect = "postgres"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._writes: asyncpg.Pool[asyncpg.Record] | None = None
        self._reads: asyncpg.Pool[asyncpg.Record] | None = None
        self._running: set[asyncio.Task[Any]] = set()

    async def write(self, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **options: P.kwargs) -> T:
        if len(self._running) >= self.settings.write_queue:
            raise Overloaded(retry_after=1)
        # A caller that is cancelled must not leave a commit without its notices.
        task: asyncio.Task[T] = asyncio.create_task(self._retry(self._write, fn, args, options))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def read(self, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **options: P.kwargs) -> T:
        return await self._retry(self._read, fn, args, options)

    async def _write(self, fn: Callable[..., Awaitable[T]], args: tuple[object, ...], options: dict[str, object]) -> T:
        assert self._writes is not None, "the database is not open"
        async with self._writes.acquire(timeout=self.settings.postgres_acquire_seconds) as connection:
            async with connection.transaction():
                tx = PostgresTransaction(connection, self.clock())
                result = await fn(tx, *args, **options)
            if tx.notices:
                self.committed(tx.notices)
            return result

    async def _read(self, fn: Callable[..., Awaitable[T]], args: tuple[object, ...], options: dict[str, object]) -> T:
        assert self._reads is not None, "the database is not open"
        async with self._reads.acquire(timeout=self.settings.postgres_acquire_seconds) as connection:
            return await fn(PostgresTransaction(connection, self.clock()), *args, **options)

    async def _retry(
        self,
        perform: Callable[..., Coroutine[Any, Any, T]],
        fn: Callable[..., Awaitable[T]],
        args: tuple[object, ...],
        options: dict[str, object],
    ) -> T:
        import asyncpg

        for attempt in range(1, ATTEMPTS + 1):
            try:
                return await perform(fn, args, options)
            except (asyncpg.SerializationError, asyncpg.DeadlockDetectedError) as error:
                if attempt == ATTEMPTS:
                    raise DatabaseAway(retry_after=1) from error
                await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))
            except asyncpg.IntegrityConstraintViolationError as error:
                raise Clash from error
            except (asyncpg.DataError, asyncpg.exceptions.InterfaceError) as error:
                if isinstance(error, asyncpg.DataError) or "query argument" in str(error):
                    raise Malformed("A value is out of range.") from error
                raise DatabaseAway(retry_after=1) from error
            except (
                OSError,
                TimeoutError,
                asyncpg.PostgresConnectionError,
                asyncpg.OperatorInterventionError,
            ) as error:
                raise DatabaseAway(retry_after=1) from error
        raise AssertionError("unreachable")

    async def open(self) -> None:
        try:
            self._writes = await self._pool({})
            self._reads = await self._pool({"plan_cache_mode": "force_custom_plan", "default_transaction_read_only": "on"})
        except connection_errors() as error:
            await self.close()
            raise DatabaseAway(f"PostgreSQL does not answer at DATABASE_URL: {error}.") from error

    async def _pool(self, options: dict[str, str]) -> "asyncpg.Pool[asyncpg.Record]":
        import asyncpg

        limits = {
            "statement_timeout": milliseconds(self.settings.postgres_statement_seconds),
            "lock_timeout": milliseconds(self.settings.postgres_lock_seconds),
            "idle_in_transaction_session_timeout": milliseconds(self.settings.postgres_idle_seconds),
            "timezone": "UTC",
            "application_name": "dating",
        }
        return await asyncpg.create_pool(
            self.settings.database_url,
            min_size=1,
            max_size=self.settings.postgres_pool,
            timeout=self.settings.postgres_connect_seconds,
            command_timeout=self.settings.postgres_statement_seconds + 5,
            server_settings=limits | options,
        )

    async def close(self) -> None:
        if self._running:
            await asyncio.wait(self._running, timeout=5)
        for pool in (self._writes, self._reads):
            if pool is not None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(pool.close(), 5)
        self._writes = self._reads = None

    def waiting(self) -> int:
        return max(0, len(self._running) - self.settings.postgres_pool)


def connection_errors() -> tuple[type[BaseException], ...]:
    """What opening a pool may raise, a wrong address included."""
    import asyncpg

    return (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError)
