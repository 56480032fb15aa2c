"""The SQL of profiles and of the cells in which people live."""

import msgspec

from dating.database import Transaction
from dating.profiles.models import Account, Card, Profile

PROFILE = """
SELECT user_id, name, gender, born, bio, photo_url, location, website, interests, prompts, seeks, min_age, max_age,
       max_distance_km, cell, home_cell, dealbreakers, discoverable OR (incognito AND NOT paused) AS discoverable, incognito,
       show_distance, show_last_active, read_receipts, messages_from, notify_matches,
       notify_messages, notify_likes, last_active
FROM profiles WHERE user_id = :user_id
"""
ACCOUNT = """
SELECT username, email, role, email_verified_at IS NOT NULL AS verified FROM users WHERE id = :user_id
"""
CREATE = """
INSERT INTO profiles (user_id, near_lane, area_lane, region_lane, last_active, recency, is_new)
VALUES (:user_id, 8, 8, 8, :last_active, :recency, TRUE)
"""
NO_LONGER_NEW = """
UPDATE profiles SET is_new = FALSE WHERE user_id IN (
    SELECT p.user_id FROM profiles p
    WHERE p.is_new AND (
        EXISTS (SELECT 1 FROM users u WHERE u.id = p.user_id AND u.created_at < :before)
        OR EXISTS (SELECT 1 FROM standings s WHERE s.user_id = p.user_id AND s.ever_shown >= :enough)
    )
    LIMIT :most
)
"""
SAVE = """
UPDATE profiles SET
    name = :name, gender = :gender, born = :born, bio = :bio, photo_url = :photo_url, has_photo = :has_photo,
    location = :location, website = :website, interests = :interests, prompts = :prompts, seeks = :seeks, min_age = :min_age,
    max_age = :max_age, max_distance_km = :max_distance_km, reach = :reach, cell = :cell, x = :x, y = :y, z = :z,
    home_cell = :home_cell, dealbreakers = :dealbreakers, incognito = :incognito, paused = :paused, near_lane = :near_lane,
    area_lane = :area_lane, region_lane = :region_lane, discoverable = :discoverable,
    show_distance = :show_distance, show_last_active = :show_last_active, read_receipts = :read_receipts,
    messages_from = :messages_from, notify_matches = :notify_matches, notify_messages = :notify_messages,
    notify_likes = :notify_likes, recency = :recency
WHERE user_id = :user_id
"""
SETTLE = """
INSERT INTO cells (cell, area, region, land, x, y, z) VALUES (:cell, :area, :region, :land, :x, :y, :z)
ON CONFLICT (cell) DO NOTHING
"""
ERASE = "DELETE FROM profiles WHERE user_id = :user_id"

# Two statements, so that the indexes of the search are written once an hour for each person and not at every sign of life.
TOUCH = """
UPDATE profiles SET last_active = :slot
WHERE last_active < :slot AND user_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
"""
TOUCH_RECENCY = """
UPDATE profiles SET recency = CASE WHEN show_last_active THEN CAST(:hour AS BIGINT) ELSE CAST(:day AS BIGINT) END
WHERE recency < CASE WHEN show_last_active THEN CAST(:hour AS BIGINT) ELSE CAST(:day AS BIGINT) END
  AND user_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
RETURNING user_id
"""

CARDS = """
SELECT p.user_id, u.username, u.email_verified_at IS NOT NULL AS verified, p.name, p.gender, p.born, p.bio, p.photo_url,
       p.location, p.interests, p.prompts, p.cell, p.show_distance, p.show_last_active, p.last_active,
       EXISTS (
           SELECT 1 FROM pairs m
           WHERE m.low_id = CASE WHEN p.user_id < :viewer_id THEN p.user_id ELSE :viewer_id END
             AND m.high_id = CASE WHEN p.user_id < :viewer_id THEN :viewer_id ELSE p.user_id END
             AND m.matched_at IS NOT NULL
       ) AS matched
FROM profiles p JOIN users u ON u.id = p.user_id
WHERE p.user_id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
  AND u.banned_at IS NULL AND u.deleted_at IS NULL
  AND NOT EXISTS (SELECT 1 FROM hidden h WHERE h.viewer_id = :viewer_id AND h.other_id = p.user_id)
"""
NAMED = "SELECT id FROM users WHERE username_key = :key"


async def profile(tx: Transaction, user_id: int) -> Profile | None:
    """Somebody's own profile."""
    return await tx.one(Profile, PROFILE, user_id=user_id)


async def account(tx: Transaction, user_id: int) -> Account | None:
    """What the account adds to one's own profile."""
    return await tx.one(Account, ACCOUNT, user_id=user_id)


async def create(tx: Transaction, user_id: int, last_active: int, recency: int) -> None:
    """An empty profile."""
    await tx.run(CREATE, user_id=user_id, last_active=last_active, recency=recency)


async def forget_newcomers(tx: Transaction, before: int, enough: int, most: int) -> int:
    """Count people as newcomers no more who joined before that or were shown often enough; how many, at most `most`."""
    return await tx.run(NO_LONGER_NEW, before=before, enough=enough, most=most)


async def save(tx: Transaction, row: dict[str, object]) -> None:
    """Write every column of a profile but `last_active`."""
    await tx.run(SAVE, **row)


async def settle(tx: Transaction, row: dict[str, object]) -> None:
    """Note that somebody lives in a cell."""
    await tx.run(SETTLE, **row)


async def erase(tx: Transaction, user_id: int) -> None:
    """Remove the profile."""
    await tx.run(ERASE, user_id=user_id)


async def touch(tx: Transaction, user_ids: list[int], slot: int, hour: int, day: int) -> list[int]:
    """Note when people were last active; those for whom that is news to the search."""
    ids = msgspec.json.encode(user_ids).decode()
    await tx.run(TOUCH, ids=ids, slot=slot)
    return await tx.all(int, TOUCH_RECENCY, ids=ids, hour=hour, day=day)


async def cards(tx: Transaction, viewer_id: int, user_ids: list[int]) -> list[Card]:
    """Those of the people whom the viewer (0: nobody in particular) may see, in any order."""
    return await tx.all(Card, CARDS, viewer_id=viewer_id, ids=msgspec.json.encode(user_ids).decode())


async def named(tx: Transaction, key: str) -> int | None:
    """Whose folded username this is."""
    return await tx.one(int, NAMED, key=key)
