"""The rules of presence: members of a chat may look at each other while it is open to them."""

from dating.chat import access
from dating.database import Transaction
from dating.presence import queries
from dating.presence.models import Look, Sight


async def look(tx: Transaction, me: int, chat_ids: list[int]) -> list[Sight]:
    """The other members of these chats who show when they are active. Raises ChatNotFound if one is not open to me."""
    for chat_id in chat_ids:
        await access.see(tx, me, chat_id)
    return await queries.sights(tx, [Look(0, me, chat_id) for chat_id in chat_ids])


async def look_again(tx: Transaction, looks: list[Look]) -> dict[int, list[Sight]]:
    """Whom each of the looks, by `n`, may show now; what is closed or hidden since shows nobody."""
    seen: dict[int, list[Sight]] = {}
    for sight in await queries.sights(tx, looks):
        seen.setdefault(sight.n, []).append(sight)
    return seen
