"""How the screening of a message ends: it is delivered, dropped, or shown to a moderator.

A held message that is released is written as a message of that moment, under a new id, at the end of the chat: so ids, counts and
receipts stay in order. Everybody hears it once; the sender's devices first hear that the held one is gone, and find the same
`client_id` in the new one. What can be delivered to nobody any more (a block, an unmatch, an account that is gone) is dropped.

An edit that is released is made at that moment, if its sender might make it now; else it is dropped, as is one that is refused:
the message stays what it was.
"""

from dating.chat import access, changes, holds, post_queries, posts
from dating.chat import hold_queries as queries
from dating.chat.hold_models import Due, HeldRow, Screened
from dating.chat.post_models import Post
from dating.database import Transaction
from dating.errors import Conflict, NotFound
from dating.realtime import events, inbox
from dating.safety import queries as safety


async def claim(tx: Transaction, limit: int, until: int) -> list[Due]:
    """What the classifier is to be asked about now, for nobody else until a moment (microseconds). Gone messages are dropped."""
    due = []
    for one in await queries.claim(tx, limit, until):
        if one.draft is not None:
            due.append(one.give(holds.read_draft(HeldRow(one.message_id, one.draft, 0)).text))
        elif (text := await queries.read_text(tx, one.message_id)) is not None:
            due.append(one.give(text if one.edit is None else one.edit))
        else:
            await queries.take(tx, one.message_id, one.due_at)
    return due


async def settle(tx: Transaction, message_id: int, claimed: int | None) -> bool:
    """End a screening well: deliver what was held; False when somebody has ended it. `claimed`: see `hold_queries.take`."""
    row = await queries.take(tx, message_id, claimed)
    if row is None:
        return False
    if row.edit is not None:
        await rewrite(tx, row, row.edit)
    elif row.draft is not None:
        await deliver(tx, message_id, holds.read_draft(HeldRow(message_id, row.draft, row.created_at)))
    return True


async def rewrite(tx: Transaction, row: Screened, content: str) -> None:
    """Make an edit that was held."""
    try:
        room, target = await access.take_message(tx, row.sender_id, row.message_id)
        await changes.judge_edit(tx, target)
    except (NotFound, Conflict):
        return
    await changes.rewrite(tx, row.sender_id, room, target, content)


async def deliver(tx: Transaction, held_id: int, draft: Post) -> None:
    """Write a message that was held, as one of now."""
    await inbox.tell(tx, [draft.me], events.MessageDeleted(draft.chat_id, held_id, draft.me, for_all=False))
    draft.n = 0
    if not await safety.is_there(tx, draft.me):
        return
    verdict = (await post_queries.look(tx, [draft])).get(0)
    if verdict is None or verdict.first_id is not None:
        return
    if not verdict.has_original:
        draft.reply_to_id = None
    await posts.write(tx, [draft], {0: verdict})


async def discard(tx: Transaction, message_id: int) -> bool:
    """End a screening by dropping what was held, a message or an edit, and else deleting the message for all.

    The sender's devices hear that a message is gone; of an edit they had heard nothing. False when somebody has ended it.
    """
    row = await queries.take(tx, message_id, None)
    if row is None:
        return False
    if row.edit is not None:
        return True
    if row.draft is None:
        await changes.remove(tx, message_id)
        return True
    draft = holds.read_draft(HeldRow(message_id, row.draft, row.created_at))
    await inbox.tell(tx, [draft.me], events.MessageDeleted(draft.chat_id, message_id, None, for_all=True))
    return True
