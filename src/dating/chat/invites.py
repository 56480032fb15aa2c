"""Links into a group: whoever has the token may come in, until it expires, is used up, or is taken back.

A token is shown once and kept hashed. One that leads nowhere, for whatever reason, answers like one that never was.
"""

from dating.chat import access, groups
from dating.chat import group_queries as queries
from dating.chat.group_models import Invite, NewInvite
from dating.chat.models import Done, Opened
from dating.clock import SECOND, rfc3339
from dating.database import Transaction
from dating.errors import Conflict, NotFound
from dating.tokens import hash_secret

MOST_INVITES = 50  # of one group


class InviteNotFound(NotFound):
    """404: the link leads nowhere, or not for me."""

    code = "invite_not_found"
    detail = "This invitation is not valid."


class TooManyInvites(Conflict):
    """409: the group has as many links as it may have."""

    code = "too_many_invites"
    detail = f"A group has at most {MOST_INVITES} invitations at a time."


async def invite(tx: Transaction, me: int, chat_id: int, wish: NewInvite, token: str) -> Invite:
    """Make a link. Raises ChatNotFound, NotAGroup, ManagersOnly or TooManyInvites."""
    room = await groups.take_managed(tx, me, chat_id)
    if len(await queries.list_invites(tx, chat_id)) >= MOST_INVITES:
        raise TooManyInvites
    expires_at = tx.now + wish.expires_in * SECOND
    invite_id = await queries.invite(tx, me, room.id, hash_secret(token), wish.max_uses, expires_at)
    return Invite(invite_id, chat_id, 0, wish.max_uses, rfc3339(expires_at), token)


async def list_invites(tx: Transaction, me: int, chat_id: int) -> list[Invite]:
    """The links that still lead into a group that I manage, without their tokens.

    Raises ChatNotFound, NotAGroup or ManagersOnly.
    """
    room = await access.see(tx, me, chat_id)
    groups.require_manager(room)
    rows = await queries.list_invites(tx, chat_id)
    return [Invite(row.id, row.chat_id, row.uses, row.max_uses, rfc3339(row.expires_at)) for row in rows]


async def revoke(tx: Transaction, me: int, chat_id: int, invite_id: int) -> Done:
    """Take a link back. Raises ChatNotFound, NotAGroup, ManagersOnly or InviteNotFound."""
    await groups.take_managed(tx, me, chat_id)
    if invite_id >= access.BEYOND or not await queries.revoke(tx, chat_id, invite_id):
        raise InviteNotFound
    return Done()


async def join(tx: Transaction, me: int, token: str) -> Opened:
    """Come into the group that the link leads to; a member who comes again uses nothing up.

    Raises InviteNotFound or GroupFull.
    """
    token_hash = hash_secret(token)
    chat_id = await queries.find_invite(tx, token_hash)
    if chat_id is None or not await queries.take_group(tx, chat_id):
        raise InviteNotFound
    if await queries.is_member(tx, me, chat_id):
        return Opened(chat_id, created=False)
    if await queries.was_removed(tx, me, chat_id) or not await queries.use(tx, token_hash):
        raise InviteNotFound
    await groups.welcome(tx, chat_id, [me], by_link=True)
    return Opened(chat_id, created=True)


async def sweep(tx: Transaction) -> int:
    """Drop the first links that lead nowhere any more; how many."""
    return await queries.sweep(tx)
