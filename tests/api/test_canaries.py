"""Canaries: whoever goes through all ids is reported by a profile that nobody can be shown; nobody else is."""

from typing import Any

import msgspec

from dating.settings import Settings
from tests.api.test_moderation import make_admin
from tests.kit import running

PAUSED: dict[str, Any] = {"settings": {"discoverable": False}}


async def test_whoever_reaches_a_canary_is_reported(settings: Settings) -> None:
    """By id, by name and by a swipe: one report for each person, which moderators see; the reader notices nothing."""
    async with running(msgspec.structs.replace(settings, canaries=(1,))) as api:
        canary = await api.person()
        scraper, liker, reader, admin, colleague = await api.people(5)
        assert canary.id == 1
        for moderator in (admin, colleague):
            await make_admin(api, moderator)
        assert (await reader.get("/user/1")).status_code == 200  # not paused yet: it could be met
        await canary.patch("/me", json=PAUSED)
        for person_id in range(1, 6):
            await scraper.get(f"/user/{person_id}")
        assert (await scraper.get(f"/api/users/username/{canary.username}")).status_code == 200
        await liker.like(canary)
        await colleague.get("/user/1")  # of whom a report would be seen by others alone
        await api.http.get("/user/1")
        reports = (await admin.get("/api/moderation/reports")).json()["reports"]
        assert {(one["accused_id"], one["reason"]) for one in reports} == {(scraper.id, "spam"), (liker.id, "spam")}
        assert await api.count("reports") == 2  # none about the administrator, who would not see it
        found = (await reader.get("/profiles/search")).json()
        assert canary.id not in {one["id"] for one in found}


async def test_without_canaries_nobody_is_reported(settings: Settings) -> None:
    """The option is off by default."""
    async with running(settings) as api:
        paused, reader, admin = await api.people(3)
        await make_admin(api, admin)
        await paused.patch("/me", json=PAUSED)
        assert (await reader.get(f"/user/{paused.id}")).status_code == 200
        assert (await admin.get("/api/moderation/reports")).json()["reports"] == []
