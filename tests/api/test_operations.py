"""What operators ask: liveness, readiness with its dependencies, version, counters; and who may not."""

import re
from typing import Any

import msgspec
import pytest

from dating import __version__
from dating.settings import Settings
from tests.kit import Api, Server, running


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/healthz", {"status": "ok"}),
        ("/health", {"status": "ok"}),
        ("/ping", {"message": "pong"}),
        ("/api", {"name": "dating", "version": __version__}),
        ("/readyz", {"status": "ok", "checks": {"database": "ok", "sockets": "ok", "disk": "ok"}}),
    ],
)
async def test_state_is_told_to_anybody(api: Api, path: str, answer: dict[str, Any]) -> None:
    """Liveness, readiness and version need no token, and a bad one does not matter."""
    for headers in ({}, {"Authorization": "Bearer nonsense"}):
        response = await api.http.get(path, headers=headers)
        said = response.json()
        if api.app.state.settings.redis_url:
            assert said.get("checks", {}).pop("redis", "ok") == "ok"
        assert (response.status_code, said) == (200, answer)


@pytest.mark.one_process("drains the application from inside")
async def test_readiness_ends_with_the_drain(api: Api) -> None:
    """A server that sends its sockets away is alive but not ready, and says which part is not."""
    await api.app.state.hub.drain()
    response = await api.http.get("/readyz")
    assert response.status_code == 503
    assert response.headers["content-type"] == "application/problem+json"
    assert int(response.headers["retry-after"]) > 0
    assert response.json()["code"] == "not_ready"
    assert response.json()["checks"] == {"database": "ok", "sockets": "failing", "disk": "ok"}
    assert (await api.http.get("/healthz")).status_code == 200


@pytest.mark.one_process("takes the database away from inside")
async def test_readiness_needs_the_database(settings: Settings) -> None:
    """Without its database a server is not ready, still alive, and other requests are told to come back."""
    async with running(settings) as api:
        person = await api.person()
        await api.app.state.db.close()
        api.app.state.db.read = away
        response = await api.http.get("/readyz")
        assert response.status_code == 503
        assert response.json()["checks"] == {"database": "failing", "sockets": "ok", "disk": "ok"}
        assert (await api.http.get("/healthz")).status_code == 200
        assert person.id


async def away(*_: object) -> None:
    """What a database says that has gone."""
    raise ConnectionError


@pytest.mark.one_process("each process counts for itself")
async def test_metrics_count_requests_by_template(api: Api) -> None:
    """Requests are counted under the route's template, unknown paths under one name, and gauges show the server."""
    await api.http.get("/ping")
    await api.http.get("/ping/")
    for number in range(3):
        await api.http.get(f"/no/such/path{number}")
    answer = await api.http.get("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.text
    assert re.search(r'dating_requests_total\{method="GET",route="/ping",status="200"\} 2\.0', text)
    assert re.search(r'dating_requests_total\{method="GET",route="unknown",status="404"\} 3\.0', text)
    for gauge in ("sockets", "inbox_behind", "database_waiting", "events_durable", "events_passing", "events_repaired"):
        assert re.search(rf"^dating_{gauge} 0\.0$", text, re.MULTILINE), gauge
    assert "dating_loop_lag_seconds_count" in text


@pytest.mark.one_process("each process counts for itself")
async def test_metrics_follow_the_sockets(server: Server) -> None:
    """An open socket is in the gauge, an event that reached it in its counter."""
    anna, boris = await server.people(2)
    async with server.socket(anna) as socket:
        await anna.match(boris)
        await socket.wait("match")
        text = (await server.http.get("/metrics")).text
        assert "\ndating_sockets 1.0\n" in text
        assert "\ndating_events_durable 1.0\n" in text


@pytest.mark.parametrize(
    ("changes", "token", "status"),
    [
        ({}, None, 200),
        ({"env": "production"}, None, 404),
        ({"metrics_token": "scrape-me"}, None, 404),
        ({"metrics_token": "scrape-me"}, "wrong", 404),
        ({"metrics_token": "scrape-me"}, "scrape-me", 200),
        ({"metrics_token": "scrape-me", "env": "production"}, "scrape-me", 200),
    ],
)
async def test_metrics_are_for_operators(settings: Settings, changes: dict[str, Any], token: str | None, status: int) -> None:
    """The token opens /metrics; without one only this machine in development; to all others there is no such page."""
    async with running(msgspec.structs.replace(settings, **changes)) as api:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        response = await api.http.get("/metrics", headers=headers)
        assert response.status_code == status
        if status == 404:
            assert response.json()["code"] == "not_found"


async def test_metrics_tell_nothing_of_people(api: Api) -> None:
    """No name, id or token of anybody is in the text."""
    anna = await api.person("metrics_canary")
    await anna.get(f"/user/{anna.id}")
    text = (await api.http.get("/metrics")).text
    assert "canary" not in text
    assert anna.token not in text
