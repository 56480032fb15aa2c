"""The two databases behind one small class. The only folder that knows the drivers.

A transaction is a function: `await db.write(fn, *args)` runs `async def fn(tx, *args)` inside one transaction and returns what it
returned, after the commit. `db.read` is the same without the right to write. Inside, only `tx` may be awaited.

That form is what makes both databases cheap and safe behind one service code:

* SQLite: the function is driven on the database's own thread. One thread hop carries a whole batch of functions, each in a
  savepoint, with one commit (and one fsync) for all of them: group commit. A function that fails rolls back alone.
* PostgreSQL: the function is awaited on a pooled connection, and run again when the server reports a serialization failure or a
  deadlock.

What comes often and alike (messages) is written by `db.write_together(fn, item)`: `fn(tx, items)` gets what many callers brought,
and does it with as many statements as it would need for one.

SQL is one text for both, with `:name` parameters; rows become msgspec structs. Nothing here knows a table.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, Protocol, TypeVar

import msgspec

from dating.clock import now_microseconds
from dating.errors import Conflict, Refusal, Unavailable
from dating.settings import Settings

if TYPE_CHECKING:
    from dating.database.together import Together

logger = logging.getLogger(__name__)

T = TypeVar("T")
Row = TypeVar("Row")
P = ParamSpec("P")
Item = TypeVar("Item")
Outcome = TypeVar("Outcome")

DOUBT_SECONDS = 0.5
SWEPT = 1000  # rows that one transaction drops of what is over: keeps the writer free for others in between


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


class Locked(DatabaseAway):
    """503: somebody held a row for too long; others' rows are free."""


class Overtaken(Exception):
    """What a function read at its beginning was changed by others before it held the rows: the function runs again."""


class Oversized(Exception):
    """A batch would write more rows than one transaction should: each half of it runs by itself."""


class Transaction(ABC):
    """What a service function works with. Valid only while the function runs.

    `now` is the transaction's time in microseconds since the epoch, UTC. `notices` are handed to the database's listener after
    the commit and forgotten on a rollback; on PostgreSQL those of two commits may come crosswise, so listeners go by numbers.
    """

    now: int
    notices: list[object]

    @abstractmethod
    async def all(self, row: type[Row], sql: str, /, **parameters: object) -> list[Row]:
        """Every row as `row`: a struct by column names, `tuple`, or a scalar type (the first column)."""

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

    @abstractmethod
    async def think(self, fn: Callable[P, T], /, *args: P.args, **options: P.kwargs) -> T:
        """What `fn` returns, which takes the CPU for more than a millisecond: on a thread that is not the event loop's."""

    async def one(self, row: type[Row], sql: str, /, **parameters: object) -> Row | None:
        """The first row, or None."""
        rows = await self.all(row, sql, **parameters)
        return rows[0] if rows else None


class Committed(Protocol):
    """Called on the event loop with the notices of one or more transactions, right after their commit."""

    def __call__(self, notices: list[object], /) -> None: ...


class Database(ABC):
    """One of the two databases.

    `clock` gives microseconds. `committed` hears the notices of each commit. `doubted` is called a moment after a commit of which
    nobody knows whether it was made: its notices are not handed on, and whoever would have heard them has to look.
    """

    dialect: str

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.clock: Callable[[], int] = now_microseconds
        self.committed: Committed = lambda notices: None
        self.doubted: Callable[[], None] = lambda: None
        self._groups: dict[Callable[..., Any], Together[Any, Any]] = {}

    @property
    @abstractmethod
    def place(self) -> str:
        """What and where it is, for a sentence; never a password."""

    @abstractmethod
    async def write(self, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **options: P.kwargs) -> T:
        """Run `fn(tx, *args)` in one transaction; return its result after the commit.

        Raises what `fn` raises (everything rolled back), Overloaded when the queue is full, DatabaseAway when the commit could
        not be made: the outcome is then unknown to the caller, as after a lost connection.
        """

    @abstractmethod
    async def note(self, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **options: P.kwargs) -> T:
        """Like `write`, but nobody waits for the disk: what was noted in the last second may be lost with the machine's power.

        Others see it at once, and it outlives the process. For what costs nobody anything when it is lost.
        """

    @abstractmethod
    async def read(self, fn: Callable[Concatenate[Transaction, P], Awaitable[T]], /, *args: P.args, **options: P.kwargs) -> T:
        """Run `fn(tx, *args)` without the right to write."""

    async def write_together(
        self, fn: Callable[[Transaction, list[Item]], Awaitable[Sequence[Outcome | Refusal]]], item: Item
    ) -> Outcome:
        """Run `fn(tx, items)` for this item and those of others that wait; return this one's outcome after the commit.

        `fn` gives an outcome or a refusal for each item, in their order. When `fn` raises, each item runs by itself, so that
        an unexpected error is that of one item. Raises the item's refusal, and what `write` raises.
        """
        group = self._groups.get(fn)
        if group is None:
            from dating.database.together import Together

            pairwise = self.dialect == "postgres"  # SQLite writes one transaction at a time anyway
            group = self._groups[fn] = Together(lambda items: self.write(fn, items), self.settings.write_queue, pairwise=pairwise)
        outcome: Outcome = await group.add(item)
        return outcome

    async def finish_groups(self) -> None:
        """Write what still waits to be written together."""
        for group in self._groups.values():
            await group.close()

    def announce(self, notices: list[object]) -> None:
        """Hand on what commits have to tell. What is committed stays so, and is answered, even if the listener fails."""
        try:
            if notices:
                self.committed(notices)
        except Exception:
            logger.exception("notices were not announced; sockets find their events in the inboxes")

    def doubt(self) -> None:
        """The connection was lost while it committed. Have it looked for when the database has had the time to finish it."""
        asyncio.get_running_loop().call_later(DOUBT_SECONDS, self.doubted)

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
    if settings.database_url:
        from dating.database.postgres import PostgresDatabase

        return PostgresDatabase(settings)
    from dating.database.sqlite import SqliteDatabase

    return SqliteDatabase(settings)


def milliseconds(seconds: float) -> str:
    """A period as both databases want it in their settings."""
    return str(round(seconds * 1000))


def is_struct(row: type[object]) -> bool:
    """Whether rows become structs of this type rather than plain values."""
    return issubclass(row, msgspec.Struct)
