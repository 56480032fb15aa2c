"""What the server says of itself: whether it is ready, what it counts, and how it logs.

Knows no feature and no database: whoever has something to watch hands over a function. One `Metrics` and one
`Readiness` belong to one application; nothing here is global but the logging of the process.
"""

import asyncio
import hmac
import itertools
import json
import logging
import re
import secrets
import shutil
import sys
import time
import traceback
from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator
from contextvars import ContextVar
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Literal

from msgspec import Struct
from prometheus_client import CollectorRegistry, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as METRICS_TYPE
from prometheus_client.metrics_core import CounterMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from dating.settings import Settings

__all__ = [
    "METRICS_TYPE",
    "JsonLines",
    "Metrics",
    "Readiness",
    "Report",
    "TextLines",
    "check_disk",
    "configure_logs",
    "may_scrape",
    "new_request_id",
    "request_id",
]

log = logging.getLogger("dating.observe")
request_id: ContextVar[str] = ContextVar("request_id", default="")
"""The id of the request that this task works for."""

_PREFIX = secrets.token_hex(4)
_numbers = itertools.count(1)


def new_request_id() -> str:
    """An id that no other request of any process has."""
    return f"{_PREFIX}{next(_numbers):x}"


METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
CHECK_SECONDS = 2.0
REPORT_SECONDS = 1.0
SLOW_SECONDS = 1.0


class Timing:
    """How often a route has answered, and how fast: `counts` by the bounds of `FAST`, the last one beyond them."""

    def __init__(self) -> None:
        self.counts = [0] * (len(FAST) + 1)
        self.seconds = 0.0

    def observe(self, seconds: float) -> None:
        """Count one answer."""
        self.counts[bisect_left(FAST, seconds)] += 1
        self.seconds += seconds

    def pile_up(self) -> list[tuple[str, float]]:
        """How many took at most so long, as Prometheus wants it."""
        return list(zip((*map(floatToGoString, FAST), "+Inf"), itertools.accumulate(self.counts), strict=True))


class Answers(Collector):
    """What was answered. Counted by the loop alone, so without the locks of the library's own counters: a tenth of their cost."""

    def __init__(self) -> None:
        self._answered: dict[tuple[str, str, int], int] = {}
        self._timings: dict[str, Timing] = {}

    def count(self, key: tuple[str, str, int], seconds: float) -> None:
        """One more with this method, route and status."""
        self._answered[key] = self._answered.get(key, 0) + 1
        timing = self._timings.get(key[1])
        if timing is None:
            timing = self._timings[key[1]] = Timing()
        timing.observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """What Prometheus is shown."""
        requests = CounterMetricFamily("dating_requests", "HTTP requests answered", labels=["method", "route", "status"])
        for (method, route, status), count in list(self._answered.items()):
            requests.add_metric([method, route, str(status)], count)
        seconds = HistogramMetricFamily("dating_request_seconds", "Time to answer", labels=["route"])
        for route, timing in list(self._timings.items()):
            seconds.add_metric([route], timing.pile_up(), timing.seconds)
        yield requests
        yield seconds


class Metrics:
    """The counters of one application, cheap enough for every request."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self._answers = Answers()
        registry.register(self._answers)
        self._loop = Histogram("dating_loop_lag_seconds", "Lateness of the event loop", buckets=FAST, registry=registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer, and log it when it is slow or broken (at the level debug: always).

        `route` is the template of the path, never the path: there must be few of them.
        """
        key = (method if method in METHODS else "other", route, status)
        self._answers.count(key, seconds)
        severity = logging.WARNING if status >= 500 or seconds > SLOW_SECONDS else logging.DEBUG
        if log.isEnabledFor(severity):
            extra = {"method": key[0], "route": route, "status": status, "milliseconds": round(seconds * 1000, 1)}
            log.log(severity, "Answered.", extra=extra)

    def watch(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        """A gauge `dating_<name>` that is asked for when somebody scrapes: sockets, queues, pools."""
        Gauge(f"dating_{name}", meaning, registry=self.registry).set_function(value)

    async def measure_loop(self, period: float = 0.5) -> None:
        """Note how late the loop wakes this task up, forever: run it as a task of the application."""
        while True:
            due = time.monotonic() + period
            await asyncio.sleep(period)
            self._loop.observe(max(0.0, time.monotonic() - due))

    def render(self) -> bytes:
        """Everything in Prometheus's text format, of the type `METRICS_TYPE`."""
        return generate_latest(self.registry)


def may_scrape(settings: Settings, client: str | None, authorization: str | None) -> bool:
    """Whether /metrics answers this caller: the token where one is set, else only loopback in development."""
    if settings.metrics_token:
        given = (authorization or "").removeprefix("Bearer ").encode()
        return hmac.compare_digest(given, settings.metrics_token.encode())
    try:
        return not settings.production and ip_address(client or "").is_loopback
    except ValueError:
        return False


class Report(Struct, frozen=True):
    """The answer of /readyz: the state, and each dependency as `ok` or `failing`. Reasons are in the log."""

    status: Literal["ok", "degraded", "unavailable", "starting", "draining"]
    checks: dict[str, str]

    @property
    def http_status(self) -> int:
        """200 where requests may come, else 503."""
        return 200 if self.status in ("ok", "degraded") else 503


class Readiness:
    """Whether requests may come: started, not draining, and everything needed within reach."""

    def __init__(self) -> None:
        self.state: Literal["starting", "open", "draining"] = "starting"
        self._checks: dict[str, tuple[Callable[[], Awaitable[object]], bool]] = {}
        self._asking = asyncio.Lock()
        self._failing: dict[str, bool] = {}
        self._asked = float("-inf")

    def need(self, name: str, check: Callable[[], Awaitable[object]]) -> None:
        """Without this there is no service. A check raises when it fails and has `CHECK_SECONDS`."""
        self._checks[name] = (check, True)

    def want(self, name: str, check: Callable[[], Awaitable[object]]) -> None:
        """Without this the service is degraded but goes on."""
        self._checks[name] = (check, False)

    def open(self) -> None:
        """The application has started."""
        self.state = "open"

    def drain(self) -> None:
        """The application is going away; there is no way back."""
        self.state = "draining"

    async def report(self) -> Report:
        """Ask everything at once; answers are good for `REPORT_SECONDS`, so that asking often costs nothing."""
        async with self._asking:
            if time.monotonic() - self._asked > REPORT_SECONDS:
                outcomes = await asyncio.gather(*(self._ask(name) for name in self._checks))
                self._failing = dict(zip(self._checks, outcomes, strict=True))
                self._asked = time.monotonic()
        checks = {name: "failing" if failing else "ok" for name, failing in self._failing.items()}
        return Report(self._judge(), checks)

    def _judge(self) -> Literal["ok", "degraded", "unavailable", "starting", "draining"]:
        if self.state != "open":
            return self.state
        failing = [self._checks[name] for name, failing in self._failing.items() if failing]
        if any(needed for _, needed in failing):
            return "unavailable"
        return "degraded" if failing else "ok"

    async def _ask(self, name: str) -> bool:
        """Whether this check fails."""
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._checks[name][0]()
        except Exception as error:
            log.warning("Not ready: %s fails with %s.", name, type(error).__name__)
            return True
        return False


async def check_disk(folder: Path, least: int = 64 << 20) -> None:
    """Raises OSError when the disk of this folder has less room than `least` bytes."""
    if (free := shutil.disk_usage(folder).free) < least:
        raise OSError(f"{free} bytes are free")


FIELDS = ("method", "route", "status", "milliseconds", "user_id", "conn", "event", "code", "count", "reason")
"""The only `extra` fields that reach a log line."""

CREDENTIALS = re.compile(r"(?i)((?:session|token|password|secret)[\"']?[=:]\s*|bearer\s+)[^\s&,;]+|eyJ[\w-]+\.[\w-]+\.[\w-]+")
CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    ord("\n"): "\\n",
    ord("\r"): "\\r",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}


def _clean(text: str) -> str:
    """One line without credentials: a second defense behind not logging them."""
    return CREDENTIALS.sub(lambda match: f"{match[1] or ''}***", text).translate(CONTROLS)


def _fields(record: logging.LogRecord) -> dict[str, object]:
    found = {name: record.__dict__[name] for name in FIELDS if name in record.__dict__}
    cleaned: dict[str, object] = {
        name: value if isinstance(value, int | float) else _clean(str(value)) for name, value in found.items()
    }
    return cleaned | ({"request_id": identity} if (identity := request_id.get()) else {})


def _trace(error: BaseException) -> list[str]:
    """Where it happened. What it says stays out: a database quotes the row that it refuses."""
    return [f"{Path(frame.filename).name}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)]


class JsonLines(logging.Formatter):
    """One JSON object a line, for machines."""

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": _clean(record.getMessage()),
        }
        line |= _fields(record)
        if record.exc_info and record.exc_info[1]:
            line |= {"error": type(record.exc_info[1]).__name__, "trace": _trace(record.exc_info[1])}
        return json.dumps(line, ensure_ascii=False)


class TextLines(logging.Formatter):
    """One line an event, for people; `quote` adds the whole traceback, indented, with what the error says."""

    def __init__(self, *, quote: bool) -> None:
        super().__init__()
        self.quote = quote

    def format(self, record: logging.LogRecord) -> str:
        clock = datetime.fromtimestamp(record.created, UTC).strftime("%H:%M:%S.%f")[:-3]
        parts = [clock, f"{record.levelname:<7}", record.name, _clean(record.getMessage())]
        parts += [f"{name}={value}" for name, value in _fields(record).items()]
        line = " ".join(parts)
        return line + self._explain(record.exc_info[1]) if record.exc_info and record.exc_info[1] else line

    def _explain(self, error: BaseException) -> str:
        if not self.quote:
            return f" error={type(error).__name__} trace={' < '.join(reversed(_trace(error)))}"
        text = "".join(traceback.format_exception(error)).rstrip("\n")
        return "".join(f"\n    {_clean(line)}" for line in text.split("\n"))


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """uvicorn takes a socket that was refused with an HTTP answer for a mistake of the application, and would log each one."""
    return record.msg != "ASGI callable returned without completing handshake."


def configure_logs(settings: Settings) -> None:
    """Log to standard error in the settings' format and level; other people's libraries only their warnings.

    uvicorn would log the whole address of every socket, with its one-time token.
    """
    handler = logging.StreamHandler(sys.stderr)
    as_json = settings.log_format == "json"
    handler.setFormatter(JsonLines() if as_json else TextLines(quote=not settings.production))
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    logging.getLogger("dating").setLevel(settings.log_level.upper())
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "uvicorn.asgi"):
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_no_refusal)
