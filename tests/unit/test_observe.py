"""Observation: counting, readiness, and log lines that hold no secret and no foreign line break."""

import asyncio
import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from dating.observe import (
    JsonLines,
    Metrics,
    Readiness,
    TextLines,
    check_disk,
    configure_logs,
    may_scrape,
    new_request_id,
    request_id,
)
from dating.settings import Settings


def value(metrics: Metrics, name: str, /, **labels: str) -> float | None:
    """What a scrape would say."""
    return metrics.registry.get_sample_value(name, labels)


def test_metrics_count_what_happened() -> None:
    """Requests and whatever is watched are in the text."""
    metrics = Metrics()
    for _ in range(3):
        metrics.request("GET", "/users/{id}", 200, 0.002)
    metrics.watch("database_waiting", "Writes that wait", lambda: 7)
    assert value(metrics, "dating_requests_total", method="GET", route="/users/{id}", status="200") == 3
    assert value(metrics, "dating_request_seconds_count", route="/users/{id}") == 3
    assert value(metrics, "dating_database_waiting") == 7
    assert b"dating_request_seconds_bucket" in metrics.render()


def test_metrics_of_two_applications_are_apart() -> None:
    """Every application has its own registry."""
    first, second = Metrics(), Metrics()
    first.watch("sockets", "Sockets open now", lambda: 1)
    second.watch("sockets", "Sockets open now", lambda: 2)
    assert (value(first, "dating_sockets"), value(second, "dating_sockets")) == (1, 2)


def test_strange_methods_make_no_new_series() -> None:
    """A caller cannot fill the memory with names of its own."""
    metrics = Metrics()
    for number in range(50):
        metrics.request(f"X{number}", "none", 405, 0.0)
    assert value(metrics, "dating_requests_total", method="other", route="none", status="405") == 50


async def test_loop_lag_is_measured() -> None:
    """The task notes every turn until it is cancelled."""
    metrics = Metrics()
    task = asyncio.create_task(metrics.measure_loop(0.001))
    while not value(metrics, "dating_loop_lag_seconds_count"):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(
    ("settings", "client", "authorization", "allowed"),
    [
        (Settings(), "127.0.0.1", None, True),
        (Settings(), "::1", None, True),
        (Settings(), "10.0.0.1", None, False),
        (Settings(), None, None, False),
        (Settings(), "testclient", None, False),
        (Settings(env="production"), "127.0.0.1", None, False),
        (Settings(metrics_token="t"), "127.0.0.1", None, False),
        (Settings(metrics_token="t"), "127.0.0.1", "Bearer é", False),
        (Settings(env="production", metrics_token="t"), "10.0.0.1", "Bearer t", True),
    ],
)
def test_who_may_scrape(settings: Settings, client: str | None, authorization: str | None, allowed: bool) -> None:
    """The token decides where there is one; without it only loopback in development."""
    assert may_scrape(settings, client, authorization) is allowed


async def works() -> None:
    """A dependency within reach."""


async def fails() -> None:
    """A dependency that is away."""
    raise OSError("password=canary")


async def hangs() -> None:
    """A dependency that does not answer."""
    await asyncio.Event().wait()


async def test_readiness_follows_the_life_of_the_server() -> None:
    """Not before the start, not while draining."""
    readiness = Readiness()
    readiness.need("database", works)
    assert (await readiness.report()).http_status == 503
    readiness.open()
    report = await readiness.report()
    assert (report.status, report.checks, report.http_status) == ("ok", {"database": "ok"}, 200)
    readiness.drain()
    report = await readiness.report()
    assert (report.status, report.http_status) == ("draining", 503)


async def test_a_wanted_dependency_only_degrades() -> None:
    """Without Redis the server still answers; without the database it does not."""
    degraded, unavailable = Readiness(), Readiness()
    degraded.want("redis", fails)
    unavailable.want("redis", works)
    unavailable.need("database", fails)
    degraded.open()
    unavailable.open()
    assert msgspec.to_builtins(await degraded.report()) == {"status": "degraded", "checks": {"redis": "failing"}}
    assert (await degraded.report()).http_status == 200
    assert (await unavailable.report()).status == "unavailable"
    assert (await unavailable.report()).http_status == 503


async def test_a_hanging_check_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check has a deadline, so that /readyz answers."""
    monkeypatch.setattr("dating.observe.CHECK_SECONDS", 0.01)
    readiness = Readiness()
    readiness.need("database", hangs)
    readiness.open()
    assert (await readiness.report()).status == "unavailable"


async def test_many_questions_are_one_check() -> None:
    """Asking a hundred times at once asks the database once."""
    asked: list[int] = []

    async def count() -> None:
        asked.append(1)

    readiness = Readiness()
    readiness.need("database", count)
    readiness.open()
    await asyncio.gather(*(readiness.report() for _ in range(100)))
    assert len(asked) == 1


async def test_a_full_disk_is_found(tmp_path: Path) -> None:
    """The check passes with room and raises without."""
    await check_disk(tmp_path, 1)
    with pytest.raises(OSError, match="free"):
        await check_disk(tmp_path, 1 << 62)


def test_request_ids_differ() -> None:
    """No id is given twice, and each is a plain word."""
    ids = {new_request_id() for _ in range(1000)}
    assert len(ids) == 1000
    assert all(identity.isalnum() for identity in ids)


def test_slow_and_broken_answers_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """A quick good answer is only counted; a slow or failed one leaves a line with its fields."""
    metrics = Metrics()
    metrics.request("GET", "/a", 200, 0.01)
    metrics.request("GET", "/b", 200, 3.0)
    metrics.request("GET", "/c", 503, 0.01)
    assert [(line.levelname, line.__dict__["route"]) for line in caplog.records] == [
        ("WARNING", "/b"),
        ("WARNING", "/c"),
    ]


def record(message: str, *args: object, **extra: object) -> logging.LogRecord:
    """A line as the application logs it."""
    made = logging.makeLogRecord({"name": "dating.chat", "levelname": "INFO", "msg": message, "args": args})
    made.__dict__.update(extra)
    return made


FORMATTERS = [JsonLines(), TextLines(quote=True), TextLines(quote=False)]


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_one_event_is_one_line(formatter: logging.Formatter) -> None:
    """No line break, escape code or separator of a user starts a line of its own; Cyrillic and emoji stay."""
    line = formatter.format(record("Привет 💌 %s", "a\r\nb\x1b[2Jc\u2028d\x85e", reason="f\ng"))
    assert len(line.splitlines()) == 1
    assert "\x1b" not in line
    assert "Привет 💌" in line


@pytest.mark.parametrize("formatter", FORMATTERS)
def test_only_listed_fields_are_logged(formatter: logging.Formatter) -> None:
    """An extra field reaches the log only when it is on the list, with the request's id beside it."""
    mark = request_id.set("abc12345")
    line = formatter.format(record("Sent.", user_id=5, body="canary", latitude=52.1))
    request_id.reset(mark)
    assert "user_id" in line
    assert "abc12345" in line
    assert "canary" not in line
    assert "52.1" not in line


@pytest.mark.parametrize("formatter", FORMATTERS)
@pytest.mark.parametrize(
    "text",
    [
        "GET /ws/chat?session=canary&since=5",
        "Authorization: Bearer canary",
        'password="canary"',
        "eyJcanary.eyJcanary.canary",
        "refresh_token: canary",
    ],
)
def test_credentials_are_blotted_out(formatter: logging.Formatter, text: str) -> None:
    """Even a careless line shows no token and no password."""
    assert "canary" not in formatter.format(record("Odd: %s", text))


def caught() -> logging.LogRecord:
    """A line with an exception that quotes a secret."""
    try:
        raise LookupError("Key (email)=(canary)\nforged line")
    except LookupError:
        return record("Failed.", exc_info=sys.exc_info())


def test_exceptions_are_placed_without_their_words() -> None:
    """For machines an exception is its type and its place; what it quotes stays out."""
    line = json.loads(JsonLines().format(caught()))
    assert line["error"] == "LookupError"
    assert line["trace"][-1].startswith("test_observe.py:")
    for formatter in (JsonLines(), TextLines(quote=False)):
        text = formatter.format(caught())
        assert "LookupError" in text
        assert "canary" not in text
        assert len(text.splitlines()) == 1


def test_tracebacks_for_people_are_indented() -> None:
    """In development the whole traceback follows, every line of it indented."""
    first, *rest = TextLines(quote=True).format(caught()).splitlines()
    assert first.endswith("Failed.")
    assert all(line.startswith("    ") for line in rest)
    assert rest[-1].strip() == "forged line"


@pytest.fixture
def logging_as_before() -> Iterator[None]:
    """Gives the process its logging back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.mark.usefixtures("logging_as_before")
def test_logs_go_where_the_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Our lines from the level on, other libraries' warnings, and no line of a socket's address."""
    monkeypatch.setattr("sys.stderr", stream := io.StringIO())
    configure_logs(Settings(log_format="json", log_level="info"))
    logging.getLogger("dating.x").info("ours")
    logging.getLogger("dating.x").debug("too fine")
    logging.getLogger("uvicorn.error").info("WebSocket /ws/chat?session=canary [accepted]")
    logging.getLogger("asyncio").info("theirs")
    logging.getLogger("asyncio").warning("their warning")
    assert [json.loads(line)["message"] for line in stream.getvalue().splitlines()] == ["ours", "their warning"]


def test_a_refused_socket_is_no_error() -> None:
    """uvicorn's complaint about a socket that was refused with an HTTP answer stays out of the log; other errors do not."""
    configure_logs(Settings())
    log = logging.getLogger("uvicorn.error")
    complaint = log.makeRecord(log.name, logging.ERROR, "", 0, "ASGI callable returned without completing handshake.", (), None)
    other = log.makeRecord(log.name, logging.ERROR, "", 0, "Exception in ASGI application", (), None)
    assert not log.filter(complaint)
    assert log.filter(other)
