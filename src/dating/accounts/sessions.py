"""Sessions: one per device, kept alive by refresh tokens that are exchanged at every use.

A refresh token is good once. Its successor is derived from it (`tokens.succeed`), so a client that lost the answer and asks
again within the grace window gets the same one, although it was never kept. Any older token of the same family means that two
parties hold the session, and ends it. That has to be committed, so it is returned as None and refused outside the transaction.
"""

from dating.accounts import queries
from dating.accounts.models import Device, Opened, Session, Sessions, Status, Tokens
from dating.clock import SECOND, rfc3339
from dating.database import Database, Transaction
from dating.errors import NotFound, Unauthorized
from dating.realtime import inbox
from dating.realtime.protocol import Close
from dating.settings import Settings
from dating.tokens import Identity, family_of, hash_secret, new_refresh, sign_access, succeed

SESSIONS_KEPT = 50  # devices of one person; the one used longest ago goes first


class BadRefreshToken(Unauthorized):
    """401: unknown, expired, or used before."""

    code = "invalid_refresh_token"
    detail = "Invalid or expired refresh token"


class NoSuchSession(NotFound):
    """404: no session of mine has this id."""

    code = "session_not_found"
    detail = "There is no such session."


def name_device(device_id: str | None, agent: str) -> Device:
    """Where somebody signs in."""
    return Device(hash_secret(device_id) if device_id else None, agent)


def hand_out(settings: Settings, opened: Opened) -> Tokens:
    """The pair of tokens of a session."""
    return Tokens(
        user_id=opened.user_id,
        access_token=sign_access(settings, opened.user_id, opened.id, opened.since, opened.now / SECOND),
        refresh_token=opened.refresh_token,
        expires_in=settings.access_token_seconds,
        access_expires=rfc3339(opened.now + settings.access_token_seconds * SECOND),
    )


async def open_session(tx: Transaction, settings: Settings, user_id: int, device: Device) -> Opened:
    """A new session in the place of the device's own one."""
    await queries.hold_user(tx, user_id)
    token = new_refresh()
    ended = await queries.end_device(tx, user_id, device.hash)
    expires_at = tx.now + settings.refresh_token_seconds * SECOND
    session_id = await queries.insert_session(tx, user_id, device, hash_secret(family_of(token)), hash_secret(token), expires_at)
    for old_id in [*ended, *await queries.end_oldest(tx, user_id, SESSIONS_KEPT)]:
        inbox.revoke(tx, user_id, old_id, Close.REVOKED)
    return Opened(session_id, user_id, tx.now, token, tx.now)


async def refresh(db: Database, settings: Settings, token: str) -> Tokens:
    """A new pair for the current refresh token; a repeat within the grace window gets the same one. Raises BadRefreshToken."""
    opened = await db.write(rotate, settings, token)
    if opened is None:
        raise BadRefreshToken
    return hand_out(settings, opened)


async def rotate(tx: Transaction, settings: Settings, token: str) -> Opened | None:
    """Exchange a refresh token for its successor; None when it is no good, and an old one has ended its session."""
    family, presented = hash_secret(family_of(token)), hash_secret(token)
    successor = succeed(settings.jwt_secret, token)
    expires_at = tx.now + settings.refresh_token_seconds * SECOND
    session = await queries.rotate(tx, family, presented, hash_secret(successor), expires_at)
    if session is not None:
        return Opened(session.id, session.user_id, session.created_at, successor, tx.now)
    session = await queries.find_family(tx, family)
    if session is None:
        return None
    in_grace = tx.now - session.rotated_at <= settings.refresh_grace_seconds * SECOND
    if session.previous == presented and in_grace:
        for heir in (succeed(secret, token) for secret in settings.jwt_secrets):
            if hash_secret(heir) == session.refresh:
                return Opened(session.id, session.user_id, session.created_at, heir, tx.now)
    await queries.end_session(tx, session.user_id, session.id)
    inbox.revoke(tx, session.user_id, session.id, Close.REVOKED)
    return None


async def list_sessions(tx: Transaction, me: Identity) -> Sessions:
    """The devices on which I am signed in."""
    rows = await queries.list_sessions(tx, me.user_id)
    sessions = [Session(row.id, row.name, rfc3339(row.created_at), rfc3339(row.used_at), row.id == me.session_id) for row in rows]
    return Sessions(sessions, SESSIONS_KEPT)


async def end_session(tx: Transaction, user_id: int, session_id: int) -> Status:
    """End one session; its sockets close. Raises NoSuchSession."""
    if not await queries.end_session(tx, user_id, session_id):
        raise NoSuchSession
    inbox.revoke(tx, user_id, session_id, Close.REVOKED)
    return Status("logged out")


async def end_others(tx: Transaction, user_id: int, spare: int | None = None) -> Status:
    """End every session but `spare`; their sockets close."""
    await queries.hold_user(tx, user_id)
    await queries.end_others(tx, user_id, spare or 0)
    inbox.revoke(tx, user_id, None, Close.REVOKED, spare=spare)
    return Status("logged out")


async def logout(tx: Transaction, user_id: int, session_id: int, all_of_them: bool) -> Status:
    """End this session, or every one of mine."""
    return await (end_others(tx, user_id) if all_of_them else end_session(tx, user_id, session_id))
