"""The command line: what each command says and leaves behind, and its exit code."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from dating import __version__

ELSEWHERE = "postgres://u:canary@127.0.0.1:1/x"


def dating(folder: Path, *arguments: str, typed: str = "", **environ: str) -> subprocess.CompletedProcess[str]:
    """Run one command in this folder with no environment but the given one."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    return subprocess.run(
        [sys.executable, "-m", "dating", *arguments],
        cwd=folder,
        env=kept | {"PYTHONUTF8": "1"} | environ,
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_help_names_every_command_and_exit_code(tmp_path: Path) -> None:
    """The first help says what there is and what the exit codes mean, and touches nothing."""
    done = dating(tmp_path, "--help")
    assert done.returncode == 0
    for word in (
        "serve",
        "migrate",
        "check",
        "create-admin",
        "replay",
        "simulate",
        "eval",
        "replay-log",
        "0 all is well",
        "2 the command",
    ):
        assert word in done.stdout
    assert "env-example" not in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["serve", "migrate", "check", "create-admin", "replay", "simulate", "eval", "replay-log"])
def test_every_command_has_help(tmp_path: Path, command: str) -> None:
    """Each command explains itself."""
    done = dating(tmp_path, command, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"dating {command}" in done.stdout


def test_replay_log_reads_a_file_or_the_database(tmp_path: Path) -> None:
    """A log that says nothing ends with 1, a file that is none with 2, and so does one that is not there."""
    dating(tmp_path, "migrate")
    assert "nothing can be said" in dating(tmp_path, "replay-log").stdout
    (tmp_path / "log").write_text("?")
    assert [dating(tmp_path, "replay-log", *words).returncode for words in ([], ["log"], ["absent"])] == [1, 2, 2]


def test_version(tmp_path: Path) -> None:
    """The version is one word behind the name."""
    assert dating(tmp_path, "--version").stdout == f"dating {__version__}\n"


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["serve", "--port", "many"],
        ["serve", "--port", "70000"],
        ["replay", "no/such/folder"],
        ["simulate", "--policy", "best"],
    ],
)
def test_wrong_usage_is_2(tmp_path: Path, arguments: list[str]) -> None:
    """A command line that makes no sense ends with 2 and a reason on standard error."""
    done = dating(tmp_path, *arguments)
    assert done.returncode == 2
    assert done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", ["serve", "migrate", "check"])
def test_a_wrong_setting_is_2_and_named(tmp_path: Path, command: str) -> None:
    """No command starts with a setting that cannot be read."""
    done = dating(tmp_path, command, DATING_INBOX_DAYS="often")
    assert done.returncode == 2
    assert done.stderr == "DATING_INBOX_DAYS: is not a whole number (days that events are kept for a resume).\n"


@pytest.mark.parametrize("secret", ["", "short", "your-super-secret-key-change-in-production"])
def test_production_does_not_start_with_a_weak_secret(tmp_path: Path, secret: str) -> None:
    """Production without a strong secret ends with 2 before anything is made."""
    done = dating(tmp_path, "serve", DATING_ENV="production", JWT_SECRET=secret)
    assert done.returncode == 2
    assert done.stderr.startswith("JWT_SECRET: ")
    assert list(tmp_path.iterdir()) == []


def test_migrate_applies_once(tmp_path: Path) -> None:
    """The first run makes the schema, the second has nothing to do."""
    first, second = dating(tmp_path, "migrate"), dating(tmp_path, "migrate")
    assert (first.returncode, second.returncode) == (0, 0)
    assert "applied 0001_accounts" in first.stdout
    assert second.stdout == "The schema is up to date; 0 applied now.\n"
    assert (tmp_path / "dating.db").exists()


def test_check_follows_the_database(tmp_path: Path) -> None:
    """Before the first start check makes no database; after `migrate` it finds the schema up to date."""
    before = dating(tmp_path, "check")
    assert (before.returncode, before.stderr) == (0, "")
    assert "will be made at the first start" in before.stdout
    assert not (tmp_path / "dating.db").exists()
    dating(tmp_path, "migrate")
    after = dating(tmp_path, "check")
    assert after.returncode == 0
    assert "database: answers, and its schema is up to date" in after.stdout


def test_check_shows_what_is_in_force_without_secrets(tmp_path: Path) -> None:
    """Values come from `.env` and the environment; no credential is printed; a weak secret is odd, which is 1."""
    (tmp_path / ".env").write_text("PORT=9000 # mine\nDATING_METRICS_TOKEN=canary\n")
    done = dating(tmp_path, "check", JWT_SECRET="canary", DATING_SMTP_URL="smtp://u:canary@mail")
    assert done.returncode == 1
    assert "9000" in done.stdout
    assert "smtp://***@mail" in done.stdout
    assert "odd: JWT_SECRET has 6 bytes" in done.stdout
    assert "canary" not in done.stdout + done.stderr


def test_check_finds_a_database_that_lacks_migrations(tmp_path: Path) -> None:
    """An old database is 1, and the sentence says what to run."""
    (tmp_path / "dating.db").touch()
    done = dating(tmp_path, "check")
    assert done.returncode == 1
    assert "lacks 0001_accounts" in done.stdout


@pytest.mark.parametrize("command", ["serve", "migrate", "check"])
def test_an_unreachable_database_is_3(tmp_path: Path, command: str) -> None:
    """PostgreSQL that does not answer is 3, without its password."""
    done = (
        dating(tmp_path, command, "--port=0", DATABASE_URL=ELSEWHERE)
        if command == "serve"
        else dating(tmp_path, command, DATABASE_URL=ELSEWHERE)
    )
    said = done.stdout + done.stderr
    assert done.returncode == 3
    assert "PostgreSQL does not answer" in said
    assert "Traceback" not in said
    assert "canary" not in said


def test_an_unreachable_redis_is_3(tmp_path: Path) -> None:
    """A Redis that is set must answer."""
    done = dating(tmp_path, "check", REDIS_ADDR="127.0.0.1:1")
    assert done.returncode == 3
    assert "Redis: Redis does not answer at REDIS_URL (127.0.0.1:1)" in done.stdout


def test_a_taken_port_is_2(tmp_path: Path) -> None:
    """When somebody else listens there, the sentence names the address."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = dating(tmp_path, "serve", f"--port={port}")
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr


def test_create_admin_makes_and_promotes(tmp_path: Path) -> None:
    """The first call makes the account, the second finds it; a name or a password that will not do is 2."""
    made = dating(tmp_path, "create-admin", "a b", "--password-stdin", typed="correct horse battery\n")
    assert made.returncode == 2
    made = dating(tmp_path, "create-admin", "anna", "--password-stdin", typed="correct horse battery\n")
    assert (made.returncode, made.stderr) == (0, "")
    assert "was created" in made.stdout
    again = dating(tmp_path, "create-admin", "ANNA", "--password-stdin", typed="another good password\n")
    assert again.returncode == 0
    assert "unchanged" in again.stdout
    assert dating(tmp_path, "create-admin", "boris", "--password-stdin", typed="123\n").returncode == 2


def test_env_example_is_printed(tmp_path: Path) -> None:
    """The hidden command prints what is committed as `.env.example`."""
    done = dating(tmp_path, "env-example")
    assert done.returncode == 0
    assert done.stdout.startswith("# Copy to .env")
    assert "#PORT=8088\n" in done.stdout


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server started by the command line on a free port, and its address."""
    command = [sys.executable, "-m", "dating", "serve", "--port=0"]
    environ = {"PATH": os.environ["PATH"], "DATING_DRAIN_SECONDS": "1"}
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        yield process, line.partition(" listens on ")[2].split(" ")[0]
        process.kill()


def test_serve_says_where_and_stops_on_sigterm(served: tuple[subprocess.Popen[str], str], tmp_path: Path) -> None:
    """One line names the address; the server answers there, keeps its files to itself and ends with 0."""
    process, address = served
    assert httpx.get(f"{address}/healthz").status_code == 200
    assert all(stat.S_IMODE(file.stat().st_mode) == 0o600 for file in tmp_path.iterdir())
    process.send_signal(signal.SIGTERM)
    assert process.wait(20) == 0


def test_serve_sends_sockets_away_before_it_stops(served: tuple[subprocess.Popen[str], str]) -> None:
    """A socket is told to drain and closed with 1012 while requests are still answered; readiness says no."""
    process, address = served
    body = {"username": "anna", "password": "correct horse battery"}
    token = httpx.post(f"{address}/register", json=body).json()["access_token"]
    started = httpx.post(f"{address}/ws/start", headers={"Authorization": f"Bearer {token}"}).json()
    with connect(f"{address.replace('http', 'ws')}/ws/chat?session={started['session_token']}") as chat:
        assert json.loads(chat.recv())["type"] == "hello"
        process.send_signal(signal.SIGTERM)
        assert json.loads(chat.recv())["type"] == "drain"
        assert httpx.get(f"{address}/readyz").status_code == 503
        with pytest.raises(ConnectionClosed) as closed:
            chat.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    assert process.wait(20) == 0
