"""The way of an archive: asked for, made in the background by any process, told, fetched once by its owner, gone.

It waits in the database, where every process finds it: for `KEPT`, until it is fetched, or until the account is deleted. The link
is made when its owner asks whether it is ready, so no letter and no inbox holds one; it opens nothing for anybody else. Who asks
says the password, or has just signed in: a token that somebody else got hold of does not open a whole life. And its owner is
mailed when one is asked for, and when it is ready.
"""

import asyncio
import base64
import logging

from dating.accounts import export, guessing, mail
from dating.accounts import export_queries as queries
from dating.accounts import queries as account_queries
from dating.accounts.mail import Postbox
from dating.accounts.models import ExportState
from dating.accounts.passwords import Passwords
from dating.clock import DAY, SECOND, rfc3339
from dating.database import Database, Transaction
from dating.errors import NotFound, Refusal
from dating.realtime import events, inbox
from dating.throttle import Throttle
from dating.tokens import Identity, hash_secret, new_secret

logger = logging.getLogger(__name__)

KEPT = DAY
"""Microseconds for which an archive waits for its owner, and a wish for its archive."""
CLAIMED = 600 * SECOND
"""Microseconds after which an archive is begun anew: whoever was making it has died."""
AT_ONCE = 20
"""Archives that one transaction drops: they are large."""


class ExportNotFound(NotFound):
    """404: the link leads nowhere (any more), or not for me."""

    code = "export_not_found"
    detail = "There is no such archive: it was fetched, it is too old, or there is a newer link."


async def ask_again(db: Database, postbox: Postbox, throttle: Throttle, me: Identity) -> ExportState:
    """What `ask` does, for who has just signed in. Raises PasswordNeeded or RateLimited."""
    await db.read(guessing.require_recent, me)
    return await ask(db, postbox, throttle, me.user_id)


async def ask_with(
    db: Database, passwords: Passwords, postbox: Postbox, throttle: Throttle, me: Identity, password: str
) -> ExportState:
    """What `ask` does, for who says the password. Raises WrongPassword, RateLimited or Busy."""
    await guessing.confirm(db, passwords, throttle, me, password)
    return await ask(db, postbox, throttle, me.user_id)


async def ask(db: Database, postbox: Postbox, throttle: Throttle, me: int) -> ExportState:
    """How my archive stands; without one, let it be made, of which I am mailed. Raises RateLimited."""
    found = await db.read(queries.find, me)
    if found is not None and found.ready:
        token = new_secret()
        dies_at = await db.write(queries.link, me, hash_secret(token))
        if dies_at is not None:
            return ExportState("ready", f"/me/export/{token}", rfc3339(dies_at))
    if found is None or found.ready:
        await throttle.take("export", str(me))
        if await db.write(enqueue, me) and (account := await db.read(account_queries.find_account, me)) and account.email:
            postbox.post(mail.write_export_asked(account.email))
    return ExportState("preparing")


async def enqueue(tx: Transaction, me: int) -> bool:
    """Let an archive of mine be made; False when one is under way."""
    return await queries.ask(tx, me, tx.now + KEPT)


async def fetch(db: Database, me: int, token: str) -> bytes:
    """My archive, once. Raises ExportNotFound."""
    archive = await db.write(queries.take, me, hash_secret(token))
    if archive is None:
        raise ExportNotFound
    return await asyncio.to_thread(base64.b64decode, archive)


async def make_next(db: Database, postbox: Postbox) -> bool:
    """Make the archive that waits longest, and mail its owner that it is there; False when none waits.

    One that cannot be made waits until its claim has lapsed.
    """
    stale = db.clock() - CLAIMED
    user_id = await db.read(queries.find_next, stale)
    if user_id is None:
        return False
    claimed_at = await db.write(queries.claim, user_id, stale)
    if claimed_at is not None:
        try:
            archive = await asyncio.to_thread(encode, await db.read(export.collect, user_id))
            dies_at = await db.write(keep, user_id, claimed_at, archive)
            account = await db.read(account_queries.find_account, user_id)
            if dies_at is not None and account is not None and account.email:
                postbox.post(mail.write_export_ready(account.email, rfc3339(dies_at)))
        except Refusal:
            raise
        except Exception:
            logger.exception("an archive could not be made")
    return True


def encode(kinds: export.Kinds) -> str:
    """The archive as it is kept."""
    return base64.b64encode(export.pack(kinds)).decode()


async def keep(tx: Transaction, user_id: int, claimed_at: int, archive: str) -> int | None:
    """Keep an archive that was made, and tell its owner; until when it is there, None when the claim had lapsed."""
    dies_at = tx.now + KEPT
    if not await queries.store(tx, user_id, claimed_at, archive, dies_at):
        return None
    await inbox.tell(tx, [user_id], events.Exported(rfc3339(dies_at)))
    return dies_at


async def forget(db: Database) -> None:
    """Drop the archives that nobody has fetched in time."""
    while await db.write(queries.forget, AT_ONCE) == AT_ONCE:
        pass
