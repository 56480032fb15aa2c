"""The command line: serve, migrate, check, create-admin, replay, simulate, eval, replay-log.

Every command imports what it needs when it runs, so that help is quick and the server loads nothing of the others.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn, cast

import msgspec
import rich_click as click

from dating import __version__
from dating.settings import Settings, SettingsError, describe, find_oddities, load, write_example

if TYPE_CHECKING:
    from dating.database import Database
    from dating.simulation import Host

FOUND, USAGE, AWAY = 1, 2, 3
EXIT_CODES = """Exit codes: 0 all is well; 1 the work found something wrong; 2 the command or a setting is wrong;
3 a database or Redis cannot be reached."""
DEADLINE = 5.0
LONG, SHORT = 3600.0, 1.0
WIDTH = 160
HOSTED: dict[str, Any] = {
    "argon2_memory_kib": 64,
    "argon2_time": 1,
    "rate_limits": False,
    "access_token_seconds": 60 * 86400,
}
"""Settings of a server that simulates: its people do not exist and need no protection."""


class Commands(click.RichGroup):
    """Turns what the commands raise into a sentence and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command. Unforeseen errors keep their traceback."""
        try:
            return super().invoke(ctx)
        except Exception as error:
            if (code := judge(error)) is None:
                raise
            fail(str(error), code)


def judge(error: Exception) -> int | None:
    """The exit code for what a command raised, or None for a bug."""
    from dating.errors import Malformed, Refusal, Unavailable
    from dating.migrate import SchemaError
    from dating.simulation.exposures import BadLog

    if isinstance(error, SettingsError | Malformed | BadLog):
        return USAGE
    if isinstance(error, Unavailable):
        return AWAY
    return FOUND if isinstance(error, Refusal | SchemaError) else None


def fail(sentence: str, code: int) -> NoReturn:
    """Say why on standard error and leave with this code."""
    click.echo(sentence, err=True)
    raise SystemExit(code)


def read_settings(**changes: object) -> Settings:
    """The settings of the environment with what the command line says otherwise. Raises SettingsError."""
    said = {name.upper(): str(value) for name, value in changes.items() if value is not None}
    return load({**os.environ, **said})


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator["Database"]:
    """The settings' database while the block runs. Raises DatabaseAway."""
    from dating.database import connect

    db = connect(settings)
    await db.open()
    try:
        yield db
    finally:
        await db.close()


@click.group(cls=Commands, epilog=EXIT_CODES, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="dating", message="%(prog)s %(version)s")
def main() -> None:
    """A whole dating service in one process: register, swipe, match and chat over WebSocket.

    Settings come from the environment and from `.env`; `dating check` shows them.
    """
    os.umask(0o077)  # databases hold people's lives: nobody else on the machine may read what we make


@main.command()
@click.option("--host", metavar="ADDRESS", help="Listen on this address instead of HOST.")
@click.option("--port", type=int, metavar="NUMBER", help="Listen on this port instead of PORT; 0 takes a free one.")
@click.option("--workers", type=click.IntRange(1, 256), default=1, show_default=True, help="Server processes on the one port.")
def serve(host: str | None, port: int | None, workers: int) -> None:
    """Start the server; brings the schema up to date first (PostgreSQL in production: `dating migrate` does that).

    SIGTERM and Ctrl-C send the connected people away gently; a second one stops at once. Several workers need PostgreSQL and
    Redis; one that dies is replaced, and SIGHUP replaces them all without a gap.
    """
    settings = read_settings(host=host, port=port)
    if workers > 1:
        from dating.workers import serve_many

        serve_many(settings, workers)
    else:
        from dating.serve import serve as run

        run(settings)


@main.command(hidden=True)
@click.argument("listener", type=int)
@click.argument("control", type=int)
def worker(listener: int, control: int) -> None:
    """Be one of the processes that `serve --workers` starts, on descriptors inherited from it."""
    from dating.workers import serve_shared

    serve_shared(read_settings(), listener, control)


@main.command()
def migrate() -> None:
    """Bring the schema of the database up to date; safe to repeat, from several machines, and while servers run."""
    from rich.console import Console
    from rich.progress import Progress

    from dating.migrate import Migration
    from dating.migrate import migrate as apply

    async def run(settings: Settings, progress: Progress) -> list[str]:
        task = progress.add_task("Migrations")

        def show(migration: Migration, number: int, total: int) -> None:
            progress.update(task, completed=number, total=total, description=migration.name)

        async with opened(settings) as db:
            return await apply(db, on_step=show)

    # An index over millions of rows takes its time; a lock that all others wait behind must not.
    settings = msgspec.structs.replace(read_settings(), postgres_statement_seconds=LONG, postgres_lock_seconds=SHORT)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        done = asyncio.run(run(settings, progress))
    for name in done:
        click.echo(f"applied {name}")
    click.echo(f"The schema is up to date; {len(done)} applied now.")


@main.command()
def check() -> None:
    """Show the settings in force, without secrets, and try the database and Redis."""
    from rich.console import Console
    from rich.table import Column, Table
    from rich.text import Text

    settings = read_settings()
    table = Table(Column("variable", no_wrap=True), Column("value", overflow="fold"), "meaning", box=None)
    for row in describe(settings):
        table.add_row(*(Text(cell) for cell in row))
    console = Console()
    console.width = console.width if console.is_terminal else WIDTH
    console.print(table)
    oddities = find_oddities(settings)
    for oddity in oddities:
        click.echo(f"odd: {oddity}")
    raise SystemExit(max(FOUND if oddities else 0, asyncio.run(probe(settings))))


async def probe(settings: Settings) -> int:
    """Try what the server depends on and say how it went; the exit code."""
    codes = [await _try("database", probe_database(settings))]
    if settings.redis_url:
        codes.append(await _try("Redis", probe_redis(settings.redis_url)))
    return max(codes)


async def _try(name: str, attempt: Coroutine[Any, Any, tuple[str, int]]) -> int:
    try:
        async with asyncio.timeout(DEADLINE):
            said, code = await attempt
    except Exception as error:
        known = judge(error)
        said = str(error) if known else f"cannot be reached: {type(error).__name__}"
        code = known or AWAY
    click.echo(f"{name}: {said}")
    return code


async def probe_database(settings: Settings) -> tuple[str, int]:
    """Whether the database answers and has the schema of this code."""
    from dating.migrate import pending

    if not settings.database_url and not settings.database_path.exists():
        return f"{settings.database_path} will be made at the first start", 0
    async with opened(settings) as db:
        missing = await pending(db)
    if missing:
        return f"answers, and lacks {', '.join(missing)}: run `dating migrate`", FOUND
    return "answers, and its schema is up to date", 0


async def probe_redis(url: str) -> tuple[str, int]:
    """Whether Redis answers and takes writes."""
    from dating.redis.store import check_redis

    await check_redis(url)
    return "answers", 0


@main.command("create-admin")
@click.argument("username")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking.")
def create_admin(username: str, password_stdin: bool) -> None:
    """Make an administrator. An account of that name is promoted and keeps its password."""
    asked = sys.stdin.readline() if password_stdin else click.prompt("Password", hide_input=True, confirmation_prompt=True)
    settings = read_settings()
    from dating.accounts.passwords import Passwords
    from dating.accounts.service import create_admin as create
    from dating.migrate import bring_up

    async def run() -> str:
        passwords = Passwords(settings)
        try:
            async with opened(settings) as db:
                await bring_up(db)
                return await create(db, passwords, username, asked.rstrip("\r\n"))
        finally:
            passwords.close()

    click.echo(asyncio.run(run()))


@main.command()
@click.argument("directory", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--server", default="http://127.0.0.1:8088", show_default=True, help="The running server.")
@click.option("--concurrency", type=click.IntRange(1, 1000), default=32, show_default=True, help="Requests at once.")
@click.option("--messages", type=click.IntRange(1, 1000), default=4, show_default=True, help="Messages of each pair.")
@click.option("--drop", type=click.FloatRange(0, 1), default=0.2, show_default=True, help="Share of sockets lost.")
@click.option("--seed", type=int, default=1, show_default=True, help="Fixes every choice.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures as JSON too.")
def replay(directory: Path, server: str, **options: Any) -> None:
    """Replay the speed-dating experiment in DIRECTORY on a running server and check everything that comes back."""
    from dating.replay import run

    raise SystemExit(run(directory, server, **options))


@main.command()
@click.option("--people", type=click.IntRange(50, 20_000), default=4000, show_default=True, help="Size of the population.")
@click.option("--seeds", type=click.IntRange(1, 100), default=5, show_default=True, help="Populations to average over.")
@click.option("--policy", "policies", metavar="NAME", multiple=True, help="Only this policy; may be repeated.")
@click.option("--processes", type=click.IntRange(1, 64), help="Runs at once; as many as there are cores.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Folder for simulation.json and the charts.")
@click.option("--log", type=click.Path(dir_okay=False, path_type=Path), help="File for the exposures of ours, for replay-log.")
@click.option("--services", is_flag=True, help="Drive the real services on a real database in this process, not arrays.")
@click.option("--server", metavar="URL", help="Drive a running server, whose limits are off; its clock stands still meanwhile.")
def simulate(policies: tuple[str, ...], services: bool, server: str | None, **options: Any) -> None:
    """Compare ways to choose who is shown to whom, on people who do not exist, over four weeks.

    Policies: random, popularity, one-sided, inbox, reciprocal, ours, ceiling. docs/discovery.md explains them and the figures.
    On arrays, 4,000 people take minutes; through the services, 200 do.
    """
    from dating.simulation import POLICIES, Trouble, run

    if unknown := sorted(set(policies) - set(POLICIES)):
        raise click.BadParameter(f"{unknown[0]} is not one of {', '.join(POLICIES)}.", param_hint="--policy")
    host = (lambda: open_host(server)) if services or server else None
    try:
        raise SystemExit(run(policies=policies or tuple(POLICIES), host=host, **options))
    except Trouble as trouble:
        fail(str(trouble), FOUND)


@asynccontextmanager
async def open_host(server: str | None) -> AsyncIterator["Host"]:
    """A running server, or one of its own in this process: a new SQLite database without limits, and a clock that can be set.

    Four weeks lie behind the present when they begin, so that no token comes from the future.
    """
    import httpx

    from dating.app import create_app
    from dating.clock import DAY, now_microseconds
    from dating.simulation import Host

    if server is not None:
        async with httpx.AsyncClient(base_url=server, timeout=60) as http:
            yield Host(http, lambda day: None)
        return
    with TemporaryDirectory() as folder:
        app = create_app(Settings(database_path=Path(folder) / "simulation.db", **HOSTED))
        start, transport = now_microseconds() - 30 * DAY, httpx.ASGITransport(cast(Any, app))
        async with app.lifespan(), httpx.AsyncClient(transport=transport, base_url="http://inside") as http:
            yield Host(http, lambda day: setattr(app.state.db, "clock", lambda: start + round(day * DAY)))


@main.command("eval")
@click.option(
    "--speed-dating",
    "directory",
    required=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder with people.csv and dates.csv.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Fixes every choice.")
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures as JSON too.")
def evaluate(directory: Path, seed: int, report: Path | None) -> None:
    """Say how well the ranking tells, of real dates that it has not seen, which became a match."""
    from dating.evaluation import evaluate as run

    raise SystemExit(run(directory, seed, report))


@main.command("replay-log")
@click.argument("file", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--sharpness", type=click.FloatRange(0, 20), default=2.0, show_default=True, help="How strictly the best are taken."
)
@click.option("--report", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures as JSON too.")
def replay_log(file: Path | None, sharpness: float, report: Path | None) -> None:
    """Say what each policy would have brought, from the slots filled by chance in the database's exposure log, or in FILE.

    FILE has one JSON object in a line: at (microseconds), viewer, viewer_gender, shown, shown_gender, propensity, liked.
    """
    from dating.evaluation import judge_log
    from dating.evaluation.queries import read_exposures
    from dating.matching.weights import read_weights
    from dating.simulation.exposures import Impression, read_log

    async def read(settings: Settings) -> list[Impression]:
        async with opened(settings) as db:
            return await read_exposures(db)

    settings = read_settings()
    log = asyncio.run(read(settings)) if file is None else read_log(file)
    raise SystemExit(judge_log(log, read_weights(settings), sharpness, report))


@main.command("env-example", hidden=True)
def env_example() -> None:
    """Print the text of `.env.example`."""
    click.echo(write_example(), nl=False)


if __name__ == "__main__":
    main(prog_name="dating")
