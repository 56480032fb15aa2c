"""All SQL of accounts and sessions."""

import msgspec

from dating.accounts.models import Account, Device, InboxRow, OwnAccount, OwnSession, Purpose, RefreshRow, SealedRow, SessionRow
from dating.database import SWEPT, Transaction

INSERT_USER = """
INSERT INTO users (username, username_key, email, email_key, password, role, created_at)
VALUES (:username, :username_key, :email, :email_key, :password, :role, :now)
ON CONFLICT DO NOTHING RETURNING id
"""
HOLDER_OF_NAME = "SELECT id FROM users WHERE username_key = :key"
HOLDER_OF_EMAIL = "SELECT id FROM users WHERE email_key = :key"
ACCOUNT = """
SELECT u.id, u.username, u.email, u.email_verified_at, u.password, u.role, u.banned_at,
       EXISTS (SELECT 1 FROM sessions s WHERE s.user_id = u.id AND s.device = CAST(:device AS TEXT)) AS known
FROM users u
"""
ACCOUNT_BY_LOGIN = f"{ACCOUNT} WHERE u.username_key = :login OR u.email_key = :login"
ACCOUNT_BY_ID = f"{ACCOUNT} WHERE u.id = :user_id AND u.deleted_at IS NULL"
SEALED = """
SELECT u.id, u.email IS NOT NULL AS has_email,
       EXISTS (SELECT 1 FROM handles h WHERE h.user_id = u.id AND h.kind = 'mail' AND h.key = CAST(:key AS TEXT))
       AND EXISTS (SELECT 1 FROM mailboxes m WHERE m.user_id = u.id AND m.key = CAST(:key AS TEXT)) AS is_sealed
FROM users u WHERE u.id > :after_id ORDER BY u.id LIMIT :limit
"""
HOLD_USER = "UPDATE users SET deleted_at = deleted_at WHERE id = :user_id"
VERIFY_EMAIL = "UPDATE users SET email_verified_at = COALESCE(email_verified_at, :now) WHERE id = :user_id"
SET_PASSWORD = "UPDATE users SET password = :new WHERE id = :user_id AND password = :old"  # noqa: S105  # a statement
SET_ROLE = "UPDATE users SET role = :role WHERE id = :user_id"
BAN = "UPDATE users SET banned_at = :now, suspended_until = CAST(:until_at AS BIGINT) WHERE id = :user_id AND deleted_at IS NULL"
LIFT = "UPDATE users SET banned_at = NULL, suspended_until = NULL WHERE id = :user_id"
LIFT_EXPIRED = """
UPDATE users SET banned_at = NULL, suspended_until = NULL WHERE suspended_until <= :now AND deleted_at IS NULL
RETURNING id
"""
BURY_USER = """
UPDATE users SET username = '', username_key = :tombstone, email = NULL, email_key = NULL, email_verified_at = NULL,
                 password = '', role = 'user', created_at = :now, banned_at = NULL, suspended_until = NULL,
                 deleted_at = :now
WHERE id = :user_id AND deleted_at IS NULL
"""

LATELY_GONE = "SELECT id FROM users WHERE deleted_at > :since ORDER BY id"
CORRESPONDENTS = """
SELECT CASE WHEN low_id = :user_id THEN high_id ELSE low_id END FROM chats WHERE low_id = :user_id OR high_id = :user_id
UNION
SELECT other.user_id FROM members AS mine JOIN members AS other ON other.chat_id = mine.chat_id
WHERE mine.user_id = :user_id AND other.user_id <> :user_id
"""

ROLE = """
SELECT u.role FROM sessions s JOIN users u ON u.id = s.user_id
WHERE s.id = :session_id AND s.user_id = :user_id AND s.created_at = :since AND s.expires_at > :now
  AND u.banned_at IS NULL AND u.deleted_at IS NULL
"""
LIVING = """
SELECT s.id FROM sessions s JOIN users u ON u.id = s.user_id
WHERE s.id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
  AND s.expires_at > :now AND u.banned_at IS NULL AND u.deleted_at IS NULL
"""
INSERT_SESSION = """
INSERT INTO sessions (user_id, device, name, family, refresh, rotated_at, created_at, used_at, expires_at)
VALUES (:user_id, :device, :name, :family, :refresh, :now, :now, :now, :expires_at)
RETURNING id
"""
ROTATE = """
UPDATE sessions SET previous = refresh, refresh = :successor, rotated_at = :now, used_at = :now, expires_at = :expires_at
WHERE family = :family AND refresh = :refresh AND expires_at > :now
  AND EXISTS (SELECT 1 FROM users u WHERE u.id = sessions.user_id AND u.banned_at IS NULL AND u.deleted_at IS NULL)
RETURNING id, user_id, refresh, previous, rotated_at, created_at
"""
FIND_FAMILY = "SELECT id, user_id, refresh, previous, rotated_at, created_at FROM sessions WHERE family = :family"
SESSIONS = """
SELECT id, name, created_at, used_at FROM sessions WHERE user_id = :user_id AND expires_at > :now
ORDER BY used_at DESC, id DESC
"""
OPENED_SINCE = "SELECT 1 FROM sessions WHERE id = :session_id AND user_id = :user_id AND created_at > :since"
END_SESSION = "DELETE FROM sessions WHERE id = :session_id AND user_id = :user_id"
END_DEVICE = "DELETE FROM sessions WHERE user_id = :user_id AND device = CAST(:device AS TEXT) RETURNING id"
END_OLDEST = """
DELETE FROM sessions WHERE user_id = :user_id AND id NOT IN
    (SELECT id FROM sessions WHERE user_id = :user_id ORDER BY used_at DESC, id DESC LIMIT :kept)
RETURNING id
"""
END_OTHERS = "DELETE FROM sessions WHERE user_id = :user_id AND id <> :spare"
END_EXPIRED = (
    "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at <= :now ORDER BY expires_at LIMIT :most)"
)

PUT_CODE = """
INSERT INTO codes (subject, purpose, code, tries, expires_at) VALUES (:subject, :purpose, :code, 0, :expires_at)
ON CONFLICT (subject, purpose) DO UPDATE SET code = excluded.code, tries = 0, expires_at = excluded.expires_at
"""
TRY_CODE = """
UPDATE codes SET tries = tries + 1
WHERE subject = :subject AND purpose = :purpose AND tries < :tries AND expires_at > :now
RETURNING code
"""
DROP_CODE = "DELETE FROM codes WHERE subject = :subject AND purpose = :purpose"
DROP_CODES = "DELETE FROM codes WHERE subject = :subject"
DROP_EXPIRED_CODES = """
DELETE FROM codes
WHERE (subject, purpose) IN (SELECT subject, purpose FROM codes WHERE expires_at <= :now ORDER BY expires_at LIMIT :most)
"""

EXPORT_ACCOUNT = "SELECT id, username, email, email_verified_at, role, created_at FROM users WHERE id = :user_id"
EXPORT_SESSIONS = "SELECT id, name, created_at, used_at, expires_at FROM sessions WHERE user_id = :user_id ORDER BY id"
EXPORT_INBOX = """
SELECT seq, created_at, event FROM inbox WHERE user_id = :user_id AND seq > :after ORDER BY seq LIMIT :limit
"""
VISIBLE = """
SELECT id FROM people
WHERE id IN (SELECT CAST(value AS BIGINT) FROM json_each(CAST(:ids AS TEXT)))
  AND NOT EXISTS (SELECT 1 FROM hidden WHERE viewer_id = :user_id AND other_id = people.id)
"""


async def insert_user(
    tx: Transaction, username: str, key: str, email: str | None, email_key: str | None, password: str, role: str
) -> int | None:
    """A new account's id; None when the name or the address belongs to somebody."""
    return await tx.one(
        int,
        INSERT_USER,
        username=username,
        username_key=key,
        email=email,
        email_key=email_key,
        password=password,
        role=role,
        now=tx.now,
    )


async def holds_name(tx: Transaction, key: str) -> bool:
    """Whether somebody has this name."""
    return await tx.one(int, HOLDER_OF_NAME, key=key) is not None


async def holds_email(tx: Transaction, key: str) -> bool:
    """Whether somebody has this address."""
    return await tx.one(int, HOLDER_OF_EMAIL, key=key) is not None


async def find_login(tx: Transaction, login: str, device: str | None = None) -> Account | None:
    """Whose name or address this is (names hold no @), and whether the device is one of theirs."""
    return await tx.one(Account, ACCOUNT_BY_LOGIN, login=login, device=device)


async def find_account(tx: Transaction, user_id: int) -> Account | None:
    """An account that is not deleted."""
    return await tx.one(Account, ACCOUNT_BY_ID, user_id=user_id, device=None)


async def hold_user(tx: Transaction, user_id: int) -> None:
    """Take the person's row until the transaction ends: what opens and closes their sessions goes one by one."""
    await tx.run(HOLD_USER, user_id=user_id)


async def list_sealed(tx: Transaction, key: str, after_id: int, limit: int) -> list[SealedRow]:
    """The next people by id, each with whether there is an address, and both are sealed by the secret that `key` names."""
    return await tx.all(SealedRow, SEALED, key=key, after_id=after_id, limit=limit)


async def verify_email(tx: Transaction, user_id: int) -> None:
    """The address has been proved."""
    await tx.run(VERIFY_EMAIL, user_id=user_id, now=tx.now)


async def set_password(tx: Transaction, user_id: int, old: str, new: str) -> bool:
    """Change the hash if it is still the one that was checked."""
    return await tx.run(SET_PASSWORD, user_id=user_id, old=old, new=new) == 1


async def set_role(tx: Transaction, user_id: int, role: str) -> None:
    """Give somebody a role."""
    await tx.run(SET_ROLE, user_id=user_id, role=role)


async def ban(tx: Transaction, user_id: int, until_at: int | None) -> None:
    """Keep somebody out, until a moment or for good."""
    await tx.run(BAN, user_id=user_id, until_at=until_at, now=tx.now)


async def lift(tx: Transaction, user_id: int) -> None:
    """Let somebody back in."""
    await tx.run(LIFT, user_id=user_id)


async def lift_expired(tx: Transaction) -> list[int]:
    """Let everybody back in whose suspension is over."""
    return await tx.all(int, LIFT_EXPIRED, now=tx.now)


async def bury_user(tx: Transaction, user_id: int) -> bool:
    """Leave only the id of an account; False when it was deleted already. No name begins with #, so the key is free."""
    return await tx.run(BURY_USER, user_id=user_id, tombstone=f"#{user_id}", now=tx.now) == 1


async def list_gone(tx: Transaction, since: int) -> list[int]:
    """Whose accounts were deleted after a moment, in microseconds."""
    return await tx.all(int, LATELY_GONE, since=since)


async def list_correspondents(tx: Transaction, user_id: int) -> list[int]:
    """Everybody who has or had a chat with the person."""
    return await tx.all(int, CORRESPONDENTS, user_id=user_id)


async def find_role(tx: Transaction, user_id: int, session_id: int, since: int) -> str | None:
    """The person's role while the session that was opened at `since` lasts and the person may come in."""
    return await tx.one(str, ROLE, user_id=user_id, session_id=session_id, since=since, now=tx.now)


async def list_living(tx: Transaction, session_ids: list[int]) -> list[int]:
    """Those of the sessions that are not over, of people who may come in."""
    return await tx.all(int, LIVING, ids=msgspec.json.encode(session_ids).decode(), now=tx.now)


async def insert_session(tx: Transaction, user_id: int, device: Device, family: str, refresh: str, expires_at: int) -> int:
    """A new session's id."""
    found = await tx.one(
        int,
        INSERT_SESSION,
        user_id=user_id,
        device=device.hash,
        name=device.name,
        family=family,
        refresh=refresh,
        now=tx.now,
        expires_at=expires_at,
    )
    assert found is not None
    return found


async def rotate(tx: Transaction, family: str, refresh: str, successor: str, expires_at: int) -> RefreshRow | None:
    """Put the successor in the place of the current token; None when the token is not the current one."""
    return await tx.one(
        RefreshRow, ROTATE, family=family, refresh=refresh, successor=successor, now=tx.now, expires_at=expires_at
    )


async def find_family(tx: Transaction, family: str) -> RefreshRow | None:
    """The session of a family of refresh tokens."""
    return await tx.one(RefreshRow, FIND_FAMILY, family=family)


async def list_sessions(tx: Transaction, user_id: int) -> list[SessionRow]:
    """The person's sessions, used last first."""
    return await tx.all(SessionRow, SESSIONS, user_id=user_id, now=tx.now)


async def was_opened_since(tx: Transaction, user_id: int, session_id: int, since: int) -> bool:
    """Whether the person has signed in on this device after a moment."""
    return await tx.one(int, OPENED_SINCE, user_id=user_id, session_id=session_id, since=since) is not None


async def end_session(tx: Transaction, user_id: int, session_id: int) -> bool:
    """End one; False when there is none."""
    return await tx.run(END_SESSION, user_id=user_id, session_id=session_id) == 1


async def end_device(tx: Transaction, user_id: int, device: str | None) -> list[int]:
    """End the session of a device; its id."""
    return await tx.all(int, END_DEVICE, user_id=user_id, device=device)


async def end_oldest(tx: Transaction, user_id: int, kept: int) -> list[int]:
    """End all but the `kept` sessions used last; the ids of those that ended."""
    return await tx.all(int, END_OLDEST, user_id=user_id, kept=kept)


async def end_others(tx: Transaction, user_id: int, spare: int) -> None:
    """End every session but `spare` (0: every one)."""
    await tx.run(END_OTHERS, user_id=user_id, spare=spare)


async def end_expired(tx: Transaction) -> int:
    """Drop the oldest sessions that nobody has used for their whole life; how many."""
    return await tx.run(END_EXPIRED, now=tx.now, most=SWEPT)


async def put_code(tx: Transaction, subject: str, purpose: Purpose, code: str, expires_at: int) -> None:
    """Keep a new code; the one before it is good no more."""
    await tx.run(PUT_CODE, subject=subject, purpose=purpose, code=code, expires_at=expires_at)


async def try_code(tx: Transaction, subject: str, purpose: Purpose, tries: int) -> str | None:
    """Count one try and say what the code is (hashed); None when there is none, it is too old or was tried `tries` times."""
    return await tx.one(str, TRY_CODE, subject=subject, purpose=purpose, tries=tries, now=tx.now)


async def drop_code(tx: Transaction, subject: str, purpose: Purpose) -> None:
    """The code has been used."""
    await tx.run(DROP_CODE, subject=subject, purpose=purpose)


async def drop_codes(tx: Transaction, subject: str) -> None:
    """No code for this address is good any more."""
    await tx.run(DROP_CODES, subject=subject)


async def drop_expired_codes(tx: Transaction) -> int:
    """Drop the oldest codes whose time is over; how many."""
    return await tx.run(DROP_EXPIRED_CODES, now=tx.now, most=SWEPT)


async def own_account(tx: Transaction, user_id: int) -> list[OwnAccount]:
    """The person's account without its secrets."""
    return await tx.all(OwnAccount, EXPORT_ACCOUNT, user_id=user_id)


async def own_sessions(tx: Transaction, user_id: int) -> list[OwnSession]:
    """The person's sessions without their secrets, those that are over and not yet swept included."""
    return await tx.all(OwnSession, EXPORT_SESSIONS, user_id=user_id)


async def own_inbox(tx: Transaction, user_id: int, after: int, limit: int) -> list[InboxRow]:
    """The next of what is kept of what the person was told."""
    return await tx.all(InboxRow, EXPORT_INBOX, user_id=user_id, after=after, limit=limit)


async def keep_visible(tx: Transaction, user_id: int, ids: list[int]) -> list[int]:
    """Those of the people whom the person may see."""
    return await tx.all(int, VISIBLE, user_id=user_id, ids=msgspec.json.encode(ids).decode())
