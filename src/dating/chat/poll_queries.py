"""The SQL of voting."""

from dating.chat.poll_models import PollRow
from dating.database import Transaction

FIND = "SELECT message_id, options, multiple FROM polls WHERE message_id = :message_id"
OWN = "SELECT choice FROM votes WHERE message_id = :message_id AND user_id = :me ORDER BY choice"
TAKE_BACK = "DELETE FROM votes WHERE message_id = :message_id AND user_id = :me"
CHOOSE = "INSERT INTO votes (message_id, user_id, choice) VALUES (:message_id, :me, :choice)"


async def find(tx: Transaction, message_id: int) -> PollRow | None:
    """What a message asks."""
    return await tx.one(PollRow, FIND, message_id=message_id)


async def list_own(tx: Transaction, me: int, message_id: int) -> list[int]:
    """What I have chosen."""
    return await tx.all(int, OWN, me=me, message_id=message_id)


async def replace(tx: Transaction, me: int, message_id: int, choices: list[int]) -> None:
    """Let this be my vote."""
    await tx.run(TAKE_BACK, me=me, message_id=message_id)
    await tx.many(CHOOSE, [{"me": me, "message_id": message_id, "choice": choice} for choice in choices])
