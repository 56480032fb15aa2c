"""Fixtures: servers with a proxy on one of their ways."""

from collections.abc import AsyncIterator
from typing import NamedTuple

import pytest

from dating.settings import Settings
from tests.cluster.proxy import Proxy
from tests.kit import CHEAP, Postgres, Server, serving


class Behind(NamedTuple):
    """A server, and the proxy on its way to PostgreSQL."""

    server: Server
    proxy: Proxy


@pytest.fixture
async def behind(postgres: Postgres, postgres_template: str) -> AsyncIterator[Behind]:
    """A server that waits a second for a statement, and reaches PostgreSQL through a proxy."""
    name = postgres.lend(postgres_template)
    proxy = await Proxy(postgres.socket).start()
    url = postgres.url(name, proxy.port)
    settings = Settings(database_url=url, postgres_pool=4, postgres_statement_seconds=1.0, tops_seconds=3600.0, **CHEAP)
    async with serving(settings) as server:
        yield Behind(server, proxy)
    await proxy.close()
    postgres.take_back(name, postgres_template)
