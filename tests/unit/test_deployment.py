"""The files that run the server elsewhere: what they copy exists, what they set is a setting, their deadlines fit the server."""

import asyncio
import configparser
import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from dating.__main__ import main
from dating.serve import DRAIN_GRACE_SECONDS, FINISH_SECONDS
from dating.settings import PRODUCTION, Settings, load
from tests.kit import CHEAP, free_port, serving

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
SERVICES: dict[str, Any] = COMPOSE["services"]
PROXY = (ROOT / "deploy" / "haproxy.cfg").read_text("utf-8")
SECRET = "Zq3rP0vXw9LmN2bT5yHs8dFg1JcE4uAo-kR7"
GIVEN = {"JWT_SECRET": SECRET, "POSTGRES_PASSWORD": "p@ss/word", "VALKEY_PASSWORD": "geheim#1"}
LONGEST_END = PRODUCTION["drain_seconds"] + DRAIN_GRACE_SECONDS + FINISH_SECONDS


def read_dockerfile() -> list[tuple[str, str]]:
    """Each instruction with its words, continued lines put together."""
    text = re.sub(r"\\\n", " ", (ROOT / "Dockerfile").read_text("utf-8"))
    return [(line.partition(" ")[0], line.partition(" ")[2]) for line in text.splitlines() if line and line[0] not in "# "]


def read_unit() -> configparser.SectionProxy:
    """The [Service] of the unit; of repeated names the last."""
    unit = configparser.RawConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]  # names keep their letters
    unit.read(ROOT / "deploy" / "dating.service", "utf-8")
    return unit["Service"]


def interpolate(text: str) -> str:
    """What compose makes of a value, with every variable that has to be given."""
    return re.sub(r"\$\{(\w+)(?::[-?]([^}]*))?\}", lambda found: GIVEN.get(found[1], found[2] or ""), text)


def seconds(text: str) -> float:
    """A time as HAProxy and compose write it."""
    number, unit = re.fullmatch(r"(\d+)(ms|s|m)?", text).groups()  # type: ignore[union-attr]  # else the test fails here
    return int(number) * {"ms": 0.001, "s": 1, "m": 60}[unit or "s"]


def accepts(words: list[str]) -> bool:
    """Whether our command line knows these words."""
    return CliRunner().invoke(main, [*words, "--help"]).exit_code == 0


# --- the image ---------------------------------------------------------------------------------------------------------------


def test_the_image_copies_what_exists() -> None:
    """Every file that the build takes from here is here."""
    copied = [words.split()[:-1] for name, words in read_dockerfile() if name == "COPY" and "--from" not in words]
    assert copied
    assert [path for paths in copied for path in paths if not (ROOT / path).exists()] == []


def test_the_image_runs_our_command_as_nobody_special() -> None:
    """The last user is a number, not root, and the entry point is the script of the package."""
    instructions = read_dockerfile()
    users = [words for name, words in instructions if name == "USER"]
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", users[-1])
    entry = json.loads(next(words for name, words in instructions if name == "ENTRYPOINT"))
    assert entry[0] in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["scripts"]
    assert accepts(json.loads([words for name, words in instructions if name == "CMD"][-1]))


def test_the_image_has_settings_of_ours() -> None:
    """The environment of the image is a production server on all addresses, with its file where the volume is."""
    words = [words for name, words in read_dockerfile() if name == "ENV"][-1]
    environment = dict(word.split("=", 1) for word in words.split())
    settings = load(environment | {"JWT_SECRET": SECRET}, None)
    assert (settings.env, settings.host, str(settings.database_path)) == ("production", "0.0.0.0", "/data/dating.db")
    assert ("EXPOSE", str(settings.port)) in read_dockerfile()


async def test_the_health_check_sees_a_server(tmp_path: Path) -> None:
    """The command of the image succeeds where a server answers, and fails where none does."""
    words = next(words for name, words in read_dockerfile() if name == "HEALTHCHECK")
    command = [sys.executable, *json.loads(words.partition("CMD ")[2])[1:]]

    async def check(port: int) -> int:
        given = os.environ | {"PORT": str(port)}
        done = await asyncio.to_thread(subprocess.run, command, env=given, capture_output=True, timeout=20, check=False)
        return done.returncode

    async with serving(Settings(database_path=tmp_path / "dating.db", **CHEAP)) as server:
        assert await check(server.port) == 0
    assert await check(free_port()) != 0


# --- compose -----------------------------------------------------------------------------------------------------------------


def test_compose_names_what_it_has() -> None:
    """Networks, volumes, services and files that services name are there; who is waited for healthy has a health check."""
    for title, service in SERVICES.items():
        assert service["restart"] == ("on-failure:5" if title == "migrate" else "unless-stopped")
        assert set(service["networks"]) <= set(COMPOSE["networks"])
        depends = service.get("depends_on", {})
        assert set(depends) <= set(SERVICES)
        for name in depends if isinstance(depends, dict) else ():
            ends = name == "migrate"
            assert depends[name] == {"condition": "service_completed_successfully" if ends else "service_healthy"}
            assert ends or SERVICES[name]["healthcheck"]["test"]
        for volume in service.get("volumes", []):
            source = volume.partition(":")[0]
            assert (ROOT / source).exists() if source.startswith(".") else source in COMPOSE["volumes"]


def test_compose_pins_versions() -> None:
    """What is not built here is named with a version."""
    ours = SERVICES["server"]["image"]
    images = [service["image"] for service in SERVICES.values() if service["image"] != ours]
    assert len(images) == len(SERVICES) - 2
    assert [image for image in images if not re.fullmatch(r"[\w/.-]+:\d[\w.-]*", image)] == []


def test_compose_starts_a_server_of_ours() -> None:
    """The server's environment is a production server that finds its PostgreSQL and its Valkey, whatever is in the passwords."""
    server = SERVICES["server"]
    assert accepts(server["command"])
    settings = load({name: interpolate(str(value)) for name, value in server["environment"].items()}, None)
    assert settings.env == "production"
    assert settings.database_url == "postgresql://dating:p%40ss%2Fword@postgres:5432/dating"
    assert settings.redis_url == "redis://:geheim%231@valkey:6379/0"
    assert settings.trusted_proxies == (COMPOSE["networks"]["front"]["ipam"]["config"][0]["subnet"],)
    assert seconds(server["stop_grace_period"]) > LONGEST_END


def test_compose_migrates_before_it_serves() -> None:
    """The schema is brought up by a service of its own, with the server's settings, that ends before the server starts."""
    migrate, server = SERVICES["migrate"], SERVICES["server"]
    assert accepts(migrate["command"])
    assert (migrate["image"], migrate["environment"]) == (server["image"], server["environment"])
    assert "migrate" in server["depends_on"]


def test_compose_keeps_secrets_out() -> None:
    """No secret has a default, and PostgreSQL and Valkey are on the inner network only."""
    text = (ROOT / "compose.yaml").read_text("utf-8")
    for name in GIVEN:
        assert f"${{{name}:?" in text
        assert f"${{{name}:-" not in text
    assert COMPOSE["networks"]["back"] == {"internal": True}
    for name in ("postgres", "valkey"):
        assert SERVICES[name]["networks"] == ["back"]
        assert "ports" not in SERVICES[name]


# --- the unit ----------------------------------------------------------------------------------------------------------------


def test_the_unit_starts_a_server_of_ours() -> None:
    """Its command is one of ours, its environment a production server's."""
    unit = read_unit()
    python, *words = unit["ExecStart"].split()
    assert python.endswith("/bin/python")
    assert words[:2] == ["-m", "dating"]
    assert accepts(words[2:])
    assert unit["ExecStartPre"] == f"{python} -m dating migrate"
    environment = dict(word.split("=", 1) for word in unit["Environment"].split())
    assert load(environment | {"JWT_SECRET": SECRET}, None).env == "production"


def test_the_unit_lets_it_end() -> None:
    """Only the supervisor gets the signal, and there is time for an orderly end."""
    unit = read_unit()
    assert unit["KillMode"] == "mixed"
    assert float(unit["TimeoutStopSec"]) > LONGEST_END
    assert (unit["Restart"], unit["NoNewPrivileges"], unit["DynamicUser"]) == ("always", "yes", "yes")


# --- the proxy ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["http-request", "http-keep-alive", "client", "connect", "queue", "server", "tunnel"])
def test_the_proxy_has_deadlines(name: str) -> None:
    """Headers, bodies, idle and broken connections end; a socket ends by the server's own deadline first."""
    [deadline] = re.findall(rf"^\s*timeout {name}\s+(\w+)$", PROXY, re.MULTILINE)
    silence = Settings().socket_silence_seconds
    assert silence < seconds(deadline) < 2 * silence if name == "tunnel" else 0 < seconds(deadline) <= 30


def test_the_proxy_lets_through_what_the_server_takes() -> None:
    """A body as large as the server's limit fits, with its headers, into one buffer; a larger one is refused here."""
    limit = Settings().body_limit
    assert f"deny deny_status 413 if {{ req.body_size gt {limit} }}" in PROXY
    [headers] = re.findall(r"status 431 if \{ req\.hdrs,length gt (\d+) \}", PROXY)
    [buffer] = re.findall(r"tune\.bufsize (\d+)", PROXY)
    assert int(buffer) > limit + int(headers)


def test_the_proxy_may_open_what_it_promises() -> None:
    """Two descriptors for each connection: HAProxy does not start with fewer."""
    [connections] = re.findall(r"^\s*maxconn (\d+)$", PROXY, re.MULTILINE)
    assert SERVICES["proxy"]["ulimits"]["nofile"] > 2 * int(connections) + 100


def test_the_proxy_asks_for_readiness() -> None:
    """A server that drains gets nothing new, operators' pages stay inside, and clients do not say who they are."""
    assert "http-check send meth GET uri /readyz" in PROXY
    assert "deny deny_status 404 if { path_beg /metrics }" in PROXY
    assert "set-header X-Forwarded-For %[src]" in PROXY
    assert f"server:{Settings().port}" in PROXY
