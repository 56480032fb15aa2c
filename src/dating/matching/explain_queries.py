"""The SQL behind the explanation: everybody whom I fit, counted by the set of my rules that they fail.

The rules of the search do the first half, with mine loosened; see `candidate_queries`. A person has two bits for an age
rule: that they fail it, and that they still fail it when it is loosened.
"""

from enum import IntFlag

import msgspec

from dating.database import Transaction
from dating.matching.candidate_queries import FITS, Fineness

Parameters = dict[str, object]


class Bit(IntFlag):
    """The rules of mine that somebody fails. The values stand in the SQL below."""

    GENDER = 1
    YOUNG = 2
    TOO_YOUNG = 4
    OLD = 8
    TOO_OLD = 16
    FAR = 32
    PHOTO = 64
    AWAY = 128


# The gender is in the lane's last bits: the indexes of the cells do not hold it.
FAILED = """
    CASE WHEN CAST(l.value AS BIGINT) & 15 & :wanted = 0 THEN 1 ELSE 0 END
    + CASE WHEN CAST(:latest_born AS BIGINT) IS NULL OR q.born <= :latest_born THEN 0 ELSE 2 END
    + CASE WHEN CAST(:latest_born_far AS BIGINT) IS NULL OR q.born <= :latest_born_far THEN 0 ELSE 4 END
    + CASE WHEN CAST(:earliest_born AS BIGINT) IS NULL OR q.born >= :earliest_born THEN 0 ELSE 8 END
    + CASE WHEN CAST(:earliest_born_far AS BIGINT) IS NULL OR q.born >= :earliest_born_far THEN 0 ELSE 16 END
    + CASE WHEN CAST(:near AS DOUBLE PRECISION) IS NULL OR q.x * :x + q.y * :y + q.z * :z >= :near THEN 0 ELSE 32 END
    + CASE WHEN q.has_photo OR NOT :photo THEN 0 ELSE 64 END
    + CASE WHEN CAST(:active_since AS BIGINT) IS NULL OR (q.recency >= :active_since AND q.show_last_active)
      THEN 0 ELSE 128 END
"""


def count_by(column: str) -> str:
    """The statement that counts the people of lanes of one fineness."""
    return f"""
SELECT (
    SELECT json_group_array(c.entry) FROM (
        SELECT CAST(t.failed AS TEXT) || ' ' || CAST(COUNT(*) AS TEXT) AS entry FROM (
            SELECT {FAILED} AS failed FROM profiles q
            WHERE q.{column} = CAST(l.value AS BIGINT) AND {FITS}
            ORDER BY q.recency DESC, q.user_id DESC LIMIT :each
        ) t GROUP BY t.failed
    ) c
) AS counts
FROM json_each(CAST(:lanes AS TEXT)) l
"""


COUNT_NEAR = count_by("near_lane")
COUNT_AREA = count_by("area_lane")
COUNT_REGION = count_by("region_lane")
COUNT_EARTH = count_by("gender")
COUNT_BY: dict[Fineness, str] = {"near": COUNT_NEAR, "area": COUNT_AREA, "region": COUNT_REGION, "earth": COUNT_EARTH}


async def count(
    tx: Transaction, fineness: Fineness, lanes: list[int], each: int, rules: Parameters
) -> tuple[dict[int, int], bool]:
    """How many people of all lanes fail each set of rules, and whether a lane had more than the `each` that were looked at."""
    listed = msgspec.json.encode(lanes).decode()
    total: dict[int, int] = {}
    full = False
    for text in await tx.all(str, COUNT_BY[fineness], lanes=listed, each=each, **rules):
        found = [tuple(map(int, entry.split())) for entry in msgspec.json.decode(text, type=list[str])]
        full = full or sum(number for _, number in found) >= each
        for failed, number in found:
            total[failed] = total.get(failed, 0) + number
    return total, full
