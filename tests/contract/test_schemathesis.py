"""Schemathesis over the whole OpenAPI document, all checks, against a server that runs as it would for anybody.

The suite runs it with few examples, the same every time. The long run, as a release wants it, has a hundred for each operation
and another seed each time:

    CONTRACT_EXAMPLES=100 make test ARGS="tests/contract -s"
"""

import asyncio
import os
import re
import sys
from pathlib import Path

import httpx
import pytest

from tests.kit import Process

ROOT = Path(__file__).parents[2]
EXAMPLES = int(os.environ.get("CONTRACT_EXAMPLES", "0"))
FEW = ["--max-examples", "10", "--seed", "1", "--generation-deterministic"]
MANY = ["--max-examples", str(EXAMPLES)]


async def run_schemathesis(url: str, *options: str) -> tuple[int, str]:
    """Exit status and report of one run."""
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", "tests/contract/schemathesis.toml", "run"]
    command += [
        f"{url}/docs/openapi.json",
        "--checks",
        "all",
        "--continue-on-failure",
        "--no-color",
        "--warnings",
        "off",
        *options,
    ]
    environment = {**os.environ, "CONTRACT_URL": url}
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, env=environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    report, _ = await process.communicate()
    return process.returncode or 0, report.decode()


@pytest.mark.timeout(3600 if EXAMPLES else 300)
@pytest.mark.parametrize("database", ["sqlite", "postgres"])
async def test_the_server_keeps_its_contract(request: pytest.FixtureRequest, tmp_path: Path, database: str) -> None:
    """No request that Schemathesis makes up, well-formed or not, gets an answer that the document does not foresee."""
    where = {"DATABASE_PATH": str(tmp_path / "dating.db")}
    if database == "postgres":
        where["DATABASE_URL"] = request.getfixturevalue("postgres").create("contract")
    server = Process(**where, DATING_RATE_LIMITS="0", DATING_ARGON2_TIME="1")
    await server.start()
    try:
        status, report = await run_schemathesis(server.url, *(MANY if EXAMPLES else FEW))
        print(report)
        assert status == 0, report
        tested = re.search(r"Tested: (\d+)", report)
        async with httpx.AsyncClient(base_url=server.url) as http:
            paths = (await http.get("/docs/openapi.json")).json()["paths"]
            assert (await http.get("/readyz")).status_code == 200
        methods = {"get", "post", "put", "patch", "delete"}
        assert tested
        assert int(tested[1]) == sum(len(methods & set(item)) for item in paths.values())
    finally:
        server.stop()
