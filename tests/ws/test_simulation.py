"""`dating simulate` on real servers: in this process with a clock of its own, and over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import numpy as np
import pytest

from dating.__main__ import open_host
from dating.simulation import POLICIES, Host
from dating.simulation.market import Outcome
from dating.simulation.population import Sessions, plan_sessions, populate
from dating.simulation.served import Residents, Trouble, play_served
from tests.kit import Server, free_port

PEOPLE = 70


async def play(host: Host, policy: str, sessions: int, number: int = 0) -> Outcome:
    """The first sessions of a small population."""
    people = populate(PEOPLE, 1)
    residents = Residents(host.http, people, f"sim{number}", number)
    planned = Sessions(*(column[:sessions] for column in plan_sessions(people)))
    return await play_served(residents, planned, None if policy == "ours" else POLICIES[policy], host.turn)


def check(outcome: Outcome, least: int = 100) -> None:
    """The hard rules, and that something happened; that the matches are the people's own was checked on the way."""
    seen = [(page.viewer, other) for page in outcome.pages for other in page.others.tolist()]
    assert len(seen) == len(set(seen)) == outcome.swipes > least
    assert outcome.matches
    passed = set()
    for page in outcome.pages:
        assert outcome.people.fits(page.viewer)[page.others].all()
        assert (outcome.people.joined[page.others] <= page.time).all()
        assert not passed & {(page.viewer, other) for other in page.others.tolist()}
        passed |= {(other, page.viewer) for other in page.others[~page.likes].tolist()}


@pytest.mark.parametrize("policy", ["ours", "inbox"])
async def test_the_services_and_the_people_agree(policy: str) -> None:
    """On the real services in this process every match is one of the people's, and nobody is shown against the rules."""
    async with open_host(None) as host:
        check(await play(host, policy, 160))


async def test_two_towns_on_one_server(server: Server) -> None:
    """Over HTTP too; a second population on the same server lives elsewhere, and the two never see each other."""
    host = Host(server.http, lambda day: None)
    first, second = [await play(host, "random", 45, number) for number in (0, 1)]
    check(first, least=50)
    check(second, least=50)


async def test_the_same_people_decide_the_same_on_arrays() -> None:
    """What somebody thinks of somebody does not depend on where they meet."""
    async with open_host(None) as host:
        outcome = await play(host, "random", 60)
    people = populate(PEOPLE, 1)
    assert all((people.decide(page.viewer, page.others) == page.likes).all() for page in outcome.pages)


@asynccontextmanager
async def open_nowhere() -> AsyncIterator[Host]:
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{free_port()}") as http:
        yield Host(http, lambda day: None)


async def test_no_server_is_said() -> None:
    """Without a server there is a sentence."""
    async with open_nowhere() as host:
        with pytest.raises(Trouble, match="not answered"):
            await play(host, "random", 10)


async def test_a_refusal_is_said(server: Server) -> None:
    """A server that refuses ends the run with what it said."""
    residents = Residents(server.http, populate(PEOPLE, 1), "x y", 0)
    with pytest.raises(Trouble, match="/register was answered with 400"):
        await asyncio.gather(residents.join(int(np.argmin(residents.people.joined))))
