"""My latest messages, looked through before the index is asked.

The index names every message that has a word, and a common one is in tens of thousands of mine, of which a page wants the newest
few; on PostgreSQL all of them are read to find those. So a few of my latest messages are looked through first. How many of them
have the words says what is the shorter way to the rest: to look through more, or the index, where a rare word is in few.
"""

from collections.abc import Sequence

from dating.database import Transaction
from dating.search import queries
from dating.search.queries import Seat
from dating.search.words import write_patterns

FEW = 300  # messages looked through at first
MORE = 1200  # and then, if that promises to fill the page
ENOUGH = 3000  # messages in my chats: below that, the index is the shorter way to any word


async def look_back(
    tx: Transaction, me: int, seats: Sequence[Seat], words: list[str], before_id: int, many: int
) -> tuple[list[int], int]:
    """Messages of my chats before an id that have all the words, the newest first, and the id below which the others are.

    At least `many` of them, if that is quickly done.
    """
    said = sum(seat.said for seat in seats)
    if said < max(1, ENOUGH):
        return [], before_id
    before_id = newest = min(before_id, await queries.find_last(tx) + 1)
    found: list[int] = []
    for count in (FEW, MORE):
        first = before_id - count * newest // said  # where they begin if my chats are no livelier now than ever
        ids = await queries.list_late(tx, me, first, before_id, count)
        before_id = ids[-1] if len(ids) == count else first
        found += await queries.keep_matching(tx, ids, write_patterns(words))
        if len(found) >= many or len(found) * (FEW + MORE) < many * FEW:
            break
    return found, before_id
