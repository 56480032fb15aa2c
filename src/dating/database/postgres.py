"""PostgreSQL through asyncpg: a pool for writes and one for reads.

What runs again by itself: whatever the server has certainly undone, so serialization failures, deadlocks, and functions whose
connection was lost before the commit was sent. When it is lost after that, the outcome is unknown: the caller hears 503 and may
ask again by the key that the operation is idempotent by.
"""

import asyncio
import contextlib
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

import msgspec

from dating.database import Clash, Database, DatabaseAway, Locked, Overloaded, Overtaken, Transaction, is_struct, milliseconds
from dating.errors import Malformed
from dating.settings import Settings

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

T = TypeVar("T")
Row = TypeVar("Row")
P = ParamSpec("P")


PARAMETER = re.compile(r"(?<![:\w]):([a-z_][a-z0-9_]*)")
ATTEMPTS = 5
NOTE = "BEGIN; SET LOCAL synchronous_commit TO off"


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


class Undone(Exception):
    """The connection was lost before the commit was sent: the server has undone everything, and the function runs again."""


class PostgresTransaction(Transaction):
    """One pooled connection for the time of one function."""

    def __init__(self, connection: "Connection", now: int) -> None:
        self._connection = connection
        self.now = now
        self.notices = []

    async def all(self, row: type[Row], sql: str, /, **parameters: object) -> list[Row]:
        text, names = numbered(sql)
        records = await self._connection.fetch(text, *[parameters[name] for name in names])
        if row is tuple:
            return cast(list[Row], list(map(tuple, records)))
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

    async def think(self, fn: Callable[P, T], /, *args: P.args, **options: P.kwargs) -> T:
        return await asyncio.to_thread(fn, *args, **options)

    async def lock(self) -> None:
        await self._connection.execute("SELECT pg_advisory_xact_lock(20261120)")


class PostgresDatabase(Database):
    """A pool for writes and one for reads."""

    dialect = "postgres"

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._writes: asyncpg.Pool[asyncpg.Record] | None = None
        self._reads: asyncpg.Pool[asyncpg.Record] | None = None
        self._running: set[asyncio.Task[Any]] = set()

    @property
    def place(self) -> str:
        return f"PostgreSQL at DATABASE_URL ({name_place(self.settings)})"

    async def write(self, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **options: P.kwargs) -> T:
        if len(self._running) >= self.settings.write_queue:
            raise Overloaded(retry_after=1)
        return await self._finish(self._retry(self._write, fn, args, options))

    async def note(self, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **options: P.kwargs) -> T:
        if len(self._running) >= self.settings.write_queue:
            raise Overloaded(retry_after=1)
        return await self._finish(self._retry(partial(self._write, durable=False), fn, args, options))

    async def _finish(self, writing: Coroutine[Any, Any, T]) -> T:
        """A caller that is cancelled must not leave a commit without its notices."""
        task = asyncio.create_task(writing)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)

    async def read(self, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **options: P.kwargs) -> T:
        return await self._retry(self._read, fn, args, options)

    async def _write(
        self, fn: Callable[..., Awaitable[T]], args: tuple[object, ...], options: dict[str, object], durable: bool = True
    ) -> T:
        async with self._borrow(self._writes) as connection:
            done = False
            try:
                async with connection.transaction() if durable else noting(connection):
                    tx = PostgresTransaction(connection, self.clock())
                    result = await fn(tx, *args, **options)
                    done = True
            except BaseException as error:
                if done:  # it was to be committed, and nobody heard whether it was
                    self.doubt()
                elif isinstance(error, Exception) and is_lost(connection, error):
                    raise Undone from error
                raise
            self.announce(tx.notices)
            return result

    async def _read(self, fn: Callable[..., Awaitable[T]], args: tuple[object, ...], options: dict[str, object]) -> T:
        async with self._borrow(self._reads) as connection:
            try:
                return await fn(PostgresTransaction(connection, self.clock()), *args, **options)
            except Exception as error:
                if is_lost(connection, error):
                    raise Undone from error
                raise

    @contextlib.asynccontextmanager
    async def _borrow(self, pool: "asyncpg.Pool[asyncpg.Record] | None") -> AsyncIterator["Connection"]:
        """A connection of the pool. Raises DatabaseAway at once when no connection can be made, later when none comes free."""
        assert pool is not None, "the database is not open"
        try:
            connection = await pool.acquire(timeout=self.settings.postgres_acquire_seconds)
        except connection_errors() as error:
            raise DatabaseAway(retry_after=1) from error
        try:
            yield connection
        finally:
            await pool.release(connection)

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
            except (Overtaken, Undone, asyncpg.SerializationError, asyncpg.DeadlockDetectedError) as error:
                if attempt == ATTEMPTS:
                    raise DatabaseAway(retry_after=1) from error
                await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))
            except asyncpg.IntegrityConstraintViolationError as error:
                # What was deleted or written meanwhile, the service sees when it looks again, and says it in its own words.
                if attempt == ATTEMPTS or not isinstance(error, asyncpg.ForeignKeyViolationError | asyncpg.UniqueViolationError):
                    raise Clash from error
            except asyncpg.LockNotAvailableError as error:
                raise Locked(retry_after=1) from error
            except (asyncpg.DataError, asyncpg.exceptions.InterfaceError) as error:
                if isinstance(error, asyncpg.DataError) or "query argument" in str(error):
                    raise Malformed("A value is out of range.") from error
                raise DatabaseAway(retry_after=1) from error
            except (
                OSError,
                TimeoutError,
                asyncpg.PostgresConnectionError,
                asyncpg.OperatorInterventionError,
                asyncpg.InternalClientError,  # the driver's word when the connection ends between two of its steps
                asyncpg.TooManyConnectionsError,
                asyncpg.IdleInTransactionSessionTimeoutError,
            ) as error:
                raise DatabaseAway(retry_after=1) from error
        raise AssertionError("unreachable")

    async def open(self) -> None:
        try:
            self._writes = await self._pool({}, "read-write")
            self._reads = await self._pool({"default_transaction_read_only": "on"}, "primary")
        except connection_errors() as error:
            await self.close()
            raise DatabaseAway(describe_failure(self.settings, error)) from error

    async def _pool(self, options: dict[str, str], server: str) -> "asyncpg.Pool[asyncpg.Record]":
        """Connections to the one of the URL's hosts that takes writes: a standby would not have yet what was just answered."""
        import asyncpg
        from asyncpg.connect_utils import SessionAttribute

        limits = {
            "statement_timeout": milliseconds(self.settings.postgres_statement_seconds),
            "lock_timeout": milliseconds(self.settings.postgres_lock_seconds),
            "idle_in_transaction_session_timeout": milliseconds(self.settings.postgres_idle_seconds),
            "timezone": "UTC",
            "application_name": "dating",
            "random_page_cost": "1.1",  # what is read often is in memory: by an index, also where a table is still small
            # Every statement is written so that its plan is the same for everybody, and planned once for a connection: a list of
            # chats takes longer to plan than to read. A test compares the two plans.
            "plan_cache_mode": "force_generic_plan",
            "jit": "off",  # compiling takes longer than any statement here
        }
        return await asyncpg.create_pool(
            self.settings.database_url,
            min_size=1,
            max_size=self.settings.postgres_pool,
            timeout=self.settings.postgres_connect_seconds,
            command_timeout=1.5 * self.settings.postgres_statement_seconds,  # for a server that cannot even say that it is late
            server_settings=limits | options,
            target_session_attrs=SessionAttribute(server),
            reset=tidy,
        )

    async def close(self) -> None:
        await self.finish_groups()
        if self._running:
            await asyncio.wait(self._running, timeout=5)
        for pool in (self._writes, self._reads):
            if pool is not None:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(pool.close(), 5)
        self._writes = self._reads = None

    def waiting(self) -> int:
        return max(0, len(self._running) - self.settings.postgres_pool)


@contextlib.asynccontextmanager
async def noting(connection: "Connection") -> AsyncIterator[None]:
    """What the driver's own transaction does, for a commit that does not wait for the disk."""
    await connection.execute(NOTE)
    try:
        yield
    except BaseException:
        await connection.execute("ROLLBACK")
        raise
    await connection.execute("COMMIT")


async def tidy(connection: "asyncpg.Connection[asyncpg.Record]") -> None:
    """What the pool does when a connection comes back. Nothing here changes a session, so there is nothing to be asked for."""
    if connection.is_in_transaction():
        await connection.reset()


def is_lost(connection: "Connection", error: Exception) -> bool:
    """Whether a function failed because its connection has ended."""
    import asyncpg

    endings = (ConnectionError, asyncpg.PostgresConnectionError, asyncpg.AdminShutdownError, asyncpg.CrashShutdownError)
    try:
        closed = connection.is_closed()
    except asyncpg.InterfaceError:  # the pool has thrown it away already
        closed = True
    return isinstance(error, endings) or (closed and not isinstance(error, TimeoutError))


def describe_failure(settings: Settings, error: BaseException) -> str:
    """What is wrong and where, in one sentence; never the password."""
    import asyncpg

    if isinstance(error, ValueError):  # its text may quote any part of the URL
        return "DATABASE_URL cannot be read: it is postgresql://user:password@host:port/name, odd characters as %XX."
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return f"PostgreSQL at DATABASE_URL ({name_place(settings)}) takes no writes: DATABASE_URL must name the primary."
    if isinstance(error, asyncpg.PostgresError):
        return f"PostgreSQL at DATABASE_URL ({name_place(settings)}) refuses us: {error}."
    reason = str(error) or f"no answer within {settings.postgres_connect_seconds:g} s"
    return f"PostgreSQL does not answer at DATABASE_URL ({name_place(settings)}): {reason}."


def name_place(settings: Settings) -> str:
    """Host, port and name of the database, without the user and the password."""
    parts = urlsplit(settings.database_url or "")
    hosts = parse_qs(parts.query).get("host", [])
    return ",".join(hosts or [parts.netloc.rpartition("@")[2]]) + parts.path


def connection_errors() -> tuple[type[BaseException], ...]:
    """What opening a pool may raise, a wrong address included."""
    import asyncpg

    return (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
