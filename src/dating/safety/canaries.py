"""Canaries: accounts whom nobody meets, so that whoever opens or swipes them is going through all numbers.

An operator registers ordinary accounts, pauses them, so that no search, deck or pick names them, and lists their ids in
`DATING_CANARIES`. Whoever reaches one all the same is reported by it, and moderators decide. Nothing else happens, and the other
notices nothing. While a canary could be met (it is not paused), it reports nobody.
"""

import msgspec

from dating.database import Database, Transaction
from dating.safety import report_queries as queries
from dating.safety.report_models import NewReport
from dating.settings import Settings
from dating.tokens import Identity

COMMENT = "Automatic: reached a profile that nobody can be shown (a canary), as one does who goes through all ids."


async def watch(db: Database, settings: Settings, viewer: Identity | None, person_id: int) -> None:
    """After somebody reached a person: if that is a canary, let it report them. Moderators may look at anybody."""
    if viewer is None or viewer.role != "user" or person_id == viewer.user_id or person_id not in settings.canaries:
        return
    await db.write(accuse, person_id, viewer.user_id)


async def accuse(tx: Transaction, canary_id: int, accused_id: int) -> None:
    """The canary's report; one that is open already stays as it is."""
    accused = await queries.find_person(tx, canary_id, accused_id)
    if accused is not None and await queries.is_unreachable(tx, canary_id):
        form = NewReport("person", accused_id, "spam", COMMENT)
        await queries.report(tx, canary_id, accused_id, form, msgspec.json.encode(accused).decode())
