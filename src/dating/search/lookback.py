"""My latest messages, looked through before the index is asked.

The index names every message that has a word, and a common one is in tens of thousands of mine, of which a page wants the newest
few; on PostgreSQL all of them are read to find those. So a few of my latest messages are looked through first. How many of them
have the words says what is the shorter way to the rest: to look through as many more as that promises to take, or the index,
where a rare word is in few. Half a page is enough: the next one begins where this one ended.
"""

from collections.abc import Sequence

from dating.database import Transaction
from dating.search import queries
from dating.search.models import Look, Reach
from dating.search.words import write_patterns

FEW = 300  # messages looked through at first
MORE = 1000  # and then at most
MARGIN = 1.2  # times as many as the first ones promise to be enough
ENOUGH = 3000  # messages in my chats: below that, the index is the shorter way to any word
START = 400  # messages that are looked through in the time in which the index finds nothing, for each of the words
NAMED = 0.65  # of a message are looked through in the time in which the index names another one


async def look_back(
    tx: Transaction, me: int, reach: Reach, words: Sequence[str], before_id: int, many: int
) -> tuple[list[int], int]:
    """Messages of my chats before an id that have all the words, the newest first, and the id below which the others are.

    At least half of `many`, and that many most of the time, if the index takes longer for that; some, or none, if it does not.
    """
    if reach.said < max(1, ENOUGH):
        return [], before_id
    before_id = min(before_id, reach.newest_id + 1)
    patterns = write_patterns(words)
    each = before_id / reach.said  # ids to one message of mine, if my chats are no livelier now than ever
    found: list[int] = []
    count = FEW
    for _ in ("first", "more"):
        first = before_id - round(count * each)
        look = await queries.look(tx, me, patterns, first, before_id, count)
        found += look.hits
        before_id = look.lowest_id if look.looked == count else first
        count = count_more(look, many, len(words), reach.said)
        if count == 0:
            break
    return found, before_id


def count_more(look: Look, many: int, words: int, said: int) -> int:
    """How many more to look through after such a look; 0: enough are found, or the index is the shorter way."""
    hits = len(look.hits)
    if hits >= many or hits == 0:
        return 0
    share = hits / look.looked
    count = min(MORE, round(MARGIN * (many - hits) / share))
    is_enough = 2 * (hits + share * count) >= many
    return count if is_enough and count <= START * words + NAMED * share * said else 0
