"""The SQL of the search.

A *lane* is everybody of one gender in one cell, most recent first, straight from an index that holds every column the rules look
at (see migration 0004). One statement takes many lanes and answers the first few of each who fit; the page is merged from them.
"""

from typing import Literal

import msgspec

from dating.database import Transaction
from dating.profiles.models import Card

Fineness = Literal["near", "area", "region", "land", "earth"]
Parameters = dict[str, object]

# The rules both ways, the cheap ones first: q is somebody, the parameters are me. Three subqueries remain for those who pass:
# swiped or passed on, blocked, banned. (CASE finds the one row of a pair with one look-up.)
RULES = """
q.user_id <> :me AND q.recency >= :since
    AND q.seeks & :my_gender <> 0 AND q.min_age <= :age_low AND q.max_age >= :age_high
    AND (:any_age OR q.born BETWEEN :born_from AND :born_to)
    AND (q.reach IS NULL OR q.x * :x + q.y * :y + q.z * :z >= q.reach)
    AND (CAST(:reach AS DOUBLE PRECISION) IS NULL OR q.x * :x + q.y * :y + q.z * :z >= :reach)
    AND (q.has_photo OR NOT :has_photo) AND (q.show_last_active OR NOT :online_only)
    AND NOT EXISTS (
        SELECT 1 FROM pairs s
        WHERE s.low_id = CASE WHEN q.user_id < :me THEN q.user_id ELSE :me END
          AND s.high_id = CASE WHEN q.user_id < :me THEN :me ELSE q.user_id END
          AND (CASE WHEN q.user_id < :me THEN s.high_action ELSE s.low_action END IS NOT NULL
               OR CASE WHEN q.user_id < :me THEN s.low_action ELSE s.high_action END = 'dislike'
               OR (:without_likers AND CASE WHEN q.user_id < :me THEN s.low_action ELSE s.high_action END IS NOT NULL))
    )
    AND q.user_id NOT IN (SELECT h.other_id FROM unwanted h WHERE h.viewer_id = :me)
    AND EXISTS (SELECT 1 FROM people n WHERE n.id = q.user_id)
"""
# Of people who fit by profile: those between whom and me nothing stands.
OPEN = """
SELECT CAST(l.value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)) l
WHERE NOT EXISTS (
        SELECT 1 FROM pairs s
        WHERE s.low_id = CASE WHEN CAST(l.value AS BIGINT) < :me THEN CAST(l.value AS BIGINT) ELSE :me END
          AND s.high_id = CASE WHEN CAST(l.value AS BIGINT) < :me THEN :me ELSE CAST(l.value AS BIGINT) END
          AND (CASE WHEN s.low_id = :me THEN s.low_action ELSE s.high_action END IS NOT NULL
               OR CASE WHEN s.low_id = :me THEN s.high_action ELSE s.low_action END = 'dislike'
               OR (:without_likers AND CASE WHEN s.low_id = :me THEN s.high_action ELSE s.low_action END IS NOT NULL))
    )
    AND CAST(l.value AS BIGINT) NOT IN (SELECT h.other_id FROM unwanted h WHERE h.viewer_id = :me)
"""
# Who is in the lanes. Whoever is incognito is not, and is met by those whom they like.
FITS = f"q.discoverable AND {RULES}"
MEETS = f"(q.discoverable OR (q.incognito AND NOT q.paused)) AND {RULES}"
LIKES_ME = """
COALESCE((
    SELECT CASE WHEN q.user_id < :me THEN a.low_action ELSE a.high_action END IN ('like', 'superlike') FROM pairs a
    WHERE a.low_id = CASE WHEN q.user_id < :me THEN q.user_id ELSE :me END
      AND a.high_id = CASE WHEN q.user_id < :me THEN :me ELSE q.user_id END
), FALSE)"""


def lanes_by(column: str, after: str, order: str) -> str:
    """The statement that asks lanes of one fineness in one order."""
    return f"""
SELECT CAST(l.value AS BIGINT) AS lane, (
    SELECT json_group_array(t.entry) FROM (
        SELECT CAST(q.recency AS TEXT) || ' ' || CAST(q.user_id AS TEXT) AS entry FROM profiles q
        WHERE q.{column} = CAST(l.value AS BIGINT) AND {after} AND {FITS}
        ORDER BY {order} LIMIT :limit
    ) t
) AS entries
FROM json_each(CAST(:lanes AS TEXT)) l
"""


LATEST = ("(q.recency, q.user_id) < (:recency, :user_id)", "q.recency DESC, q.user_id DESC")
LATEST_NEAR = lanes_by("near_lane", *LATEST)
LATEST_AREA = lanes_by("area_lane", *LATEST)
LATEST_REGION = lanes_by("region_lane", *LATEST)
LATEST_EARTH = lanes_by("gender", *LATEST)
LATEST_BY: dict[Fineness, str] = {"near": LATEST_NEAR, "area": LATEST_AREA, "region": LATEST_REGION, "earth": LATEST_EARTH}

FIRST = ("q.user_id > :user_id", "q.user_id")
FIRST_NEAR = lanes_by("near_lane", *FIRST)
FIRST_AREA = lanes_by("area_lane", *FIRST)
FIRST_REGION = lanes_by("region_lane", *FIRST)
FIRST_BY: dict[Fineness, str] = {"near": FIRST_NEAR, "area": FIRST_AREA, "region": FIRST_REGION}

FIRST_OF_ALL = f"""
SELECT q.user_id FROM profiles q
WHERE q.user_id > :user_id AND q.user_id <= :until AND q.gender & :seeks <> 0 AND {FITS}
ORDER BY q.user_id LIMIT :limit
"""

LIKERS_ABOVE = f"""
SELECT l.high_id AS user_id, l.high_at AS liked_at FROM pairs l JOIN profiles q ON q.user_id = l.high_id
WHERE l.low_id = :me AND l.low_action IS NULL AND l.high_action IN ('like', 'superlike')
  AND (l.high_at, l.high_id) < (:liked_at, :user_id) AND q.gender & :seeks <> 0 AND {MEETS}
ORDER BY l.high_at DESC, l.high_id DESC LIMIT :limit
"""
LIKERS_BELOW = f"""
SELECT l.low_id AS user_id, l.low_at AS liked_at FROM pairs l JOIN profiles q ON q.user_id = l.low_id
WHERE l.high_id = :me AND l.high_action IS NULL AND l.low_action IN ('like', 'superlike')
  AND (l.low_at, l.low_id) < (:liked_at, :user_id) AND q.gender & :seeks <> 0 AND {MEETS}
ORDER BY l.low_at DESC, l.low_id DESC LIMIT :limit
"""


# Of people found before: the cards of those who still fit. Whom I have not swiped is no match of mine.
FITTING = f"""
SELECT q.user_id, u.username, u.email_verified_at IS NOT NULL AS verified, q.name, q.gender, q.born, q.bio, q.photo_url,
       q.location, q.interests, q.prompts, q.cell, q.show_distance, q.show_last_active, q.last_active, FALSE AS matched,
       {LIKES_ME} AS likes_me
FROM profiles q JOIN users u ON u.id = q.user_id
WHERE q.user_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
  AND q.gender & :seeks <> 0 AND (q.discoverable OR {LIKES_ME}) AND {MEETS}
"""


def newcomers_by(column: str) -> str:
    """The statement that names those in lanes of one fineness who joined lately and lack impressions, the oldest account first.

    They are found apart, by an index that holds newcomers alone: for the rules, a database would go through the whole lanes.
    """
    return f"""
WITH newcomers AS MATERIALIZED (
    SELECT p.user_id FROM json_each(CAST(:lanes AS TEXT)) l CROSS JOIN profiles p
    WHERE p.is_new AND p.{column} = CAST(l.value AS BIGINT)
)
SELECT q.user_id FROM newcomers n CROSS JOIN profiles q
WHERE q.user_id = n.user_id
  AND EXISTS (SELECT 1 FROM users u WHERE u.id = q.user_id AND u.created_at > :joined_after)
  AND NOT EXISTS (SELECT 1 FROM standings s WHERE s.user_id = q.user_id AND s.ever_shown >= :enough)
  AND {FITS}
ORDER BY q.user_id LIMIT :limit
"""


NEW_AREA = newcomers_by("area_lane")
NEW_REGION = newcomers_by("region_lane")
NEW_EARTH = newcomers_by("gender")
NEW_BY: dict[Fineness, str] = {"area": NEW_AREA, "region": NEW_REGION, "earth": NEW_EARTH}

TRAITS = """
SELECT user_id, born, x, y, z FROM profiles WHERE user_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
"""


def cells_by(where: str) -> str:
    """The statement that lists the cells in which people live, nearest first."""
    return f"""
SELECT c.cell FROM cells c
WHERE {where} AND c.x * :x + c.y * :y + c.z * :z >= :least AND (c.x * :x + c.y * :y + c.z * :z, c.cell) < (:most, :cell)
ORDER BY c.x * :x + c.y * :y + c.z * :z DESC, c.cell DESC LIMIT :limit
"""


LISTED = "IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:within AS TEXT)))"
CELLS_NEAR = cells_by(f"c.cell {LISTED}")
CELLS_AREA = cells_by(f"c.area {LISTED}")
CELLS_REGION = cells_by(f"c.region {LISTED}")
CELLS_LAND = cells_by(f"c.land {LISTED}")
CELLS_EARTH = cells_by("CAST(:within AS TEXT) IS NOT NULL")
CELLS_BY: dict[Fineness, str] = {
    "near": CELLS_NEAR,
    "area": CELLS_AREA,
    "region": CELLS_REGION,
    "land": CELLS_LAND,
    "earth": CELLS_EARTH,
}

# Somebody whom I may not see is no place to go on from: where they stand would tell something about them.
LAST_SEEN = """
SELECT p.user_id, p.recency, p.cell, (
    SELECT s.other_acted_at FROM swipes s
    WHERE s.user_id = :me AND s.other_id = p.user_id AND s.other_action IN ('like', 'superlike')
) AS liked_at
FROM profiles p JOIN people n ON n.id = p.user_id
WHERE p.user_id = :user_id AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.viewer_id = :me AND h.other_id = p.user_id)
"""


class Entry(msgspec.Struct, frozen=True, order=True):
    """Somebody in a lane: when last active (coarse) and who."""

    recency: int
    user_id: int


class Liker(msgspec.Struct, frozen=True, order=True):
    """Somebody who likes me and awaits my swipe."""

    liked_at: int
    user_id: int


class Fitting(Card, frozen=True, kw_only=True):
    """Somebody who still fits, and whether they like me."""

    likes_me: bool


class Need(msgspec.Struct, frozen=True):
    """Who is a newcomer: whoever joined after that (microseconds) and was shown less than `enough` times."""

    joined_after: int
    enough: int


class Trait(msgspec.Struct, frozen=True):
    """When somebody was born (a day number) and the middle of their cell, as far as they are said."""

    user_id: int
    born: int | None
    x: float | None
    y: float | None
    z: float | None


class LastSeen(msgspec.Struct, frozen=True):
    """Where the last page ended."""

    user_id: int
    recency: int
    cell: int | None
    liked_at: int | None


class Ring(msgspec.Struct, frozen=True):
    """Cells of a kind that may hold the ring, and its cosines: from below `most` (and a cell, for ties) down to `least`."""

    fineness: Fineness
    within: tuple[int, ...]
    most: tuple[float, int]
    least: float


class LaneRow(msgspec.Struct, frozen=True):
    """A lane and its first people as a JSON list of `recency user_id`."""

    lane: int
    entries: str


async def ask_lanes(
    tx: Transaction, sql: str, lanes: list[int], after: Entry, limit: int, rules: Parameters
) -> dict[int, list[Entry]]:
    """The first `limit` people of each lane who fit and come after the given one."""
    place = {"lanes": msgspec.json.encode(lanes).decode(), "recency": after.recency, "user_id": after.user_id, "limit": limit}
    return {row.lane: read_entries(row.entries) for row in await tx.all(LaneRow, sql, **place, **rules)}


def read_entries(text: str) -> list[Entry]:
    """The people of one lane."""
    return [Entry(*map(int, entry.split())) for entry in msgspec.json.decode(text, type=list[str])]


async def open_to(tx: Transaction, ids: list[int], rules: Parameters) -> set[int]:
    """Those of the people whom I have not swiped, who have not passed on me and are not hidden from me."""
    encoded = msgspec.json.encode(ids).decode()
    return set(await tx.all(int, OPEN, ids=encoded, me=rules["me"], without_likers=rules["without_likers"]))


async def first_of_all(tx: Transaction, after_id: int, until_id: int, limit: int, rules: Parameters) -> list[int]:
    """The first people by id who fit, found by looking at one account after the other up to `until_id`."""
    return await tx.all(int, FIRST_OF_ALL, user_id=after_id, until=until_id, limit=limit, **rules)


async def likers(tx: Transaction, after: Liker, limit: int, rules: Parameters) -> list[Liker]:
    """The first people who like me, await my swipe and fit, the latest like first."""
    place = {"liked_at": after.liked_at, "user_id": after.user_id, "limit": limit}
    found = [await tx.all(Liker, sql, **place, **rules) for sql in (LIKERS_ABOVE, LIKERS_BELOW)]
    return sorted(found[0] + found[1], reverse=True)[:limit]


async def fitting(tx: Transaction, ids: list[int], rules: Parameters) -> dict[int, Fitting]:
    """Those of these people who fit now."""
    rows = await tx.all(Fitting, FITTING, ids=msgspec.json.encode(ids).decode(), **rules)
    return {row.user_id: row for row in rows}


async def newcomers(tx: Transaction, sql: str, lanes: list[int], need: Need, limit: int, rules: Parameters) -> list[int]:
    """The first of these lanes who fit and lack impressions, the oldest account first."""
    encoded = msgspec.json.encode(lanes).decode()
    return await tx.all(int, sql, lanes=encoded, joined_after=need.joined_after, enough=need.enough, limit=limit, **rules)


async def traits(tx: Transaction, ids: list[int]) -> list[Trait]:
    """Age and place of these people."""
    return await tx.all(Trait, TRAITS, ids=msgspec.json.encode(ids).decode())


async def nearest_cells(tx: Transaction, ring: Ring, limit: int, rules: Parameters) -> list[int]:
    """The first cells of a ring in which people live, nearest first."""
    place = {"within": msgspec.json.encode(ring.within).decode(), "most": ring.most[0], "cell": ring.most[1], "least": ring.least}
    return await tx.all(int, CELLS_BY[ring.fineness], **place, limit=limit, **{name: rules[name] for name in "xyz"})


async def last_seen(tx: Transaction, me_id: int, user_id: int) -> LastSeen | None:
    """Where to go on after this person; None when I may not see them."""
    return await tx.one(LastSeen, LAST_SEEN, me=me_id, user_id=user_id)
