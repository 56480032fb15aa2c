"""Messages that somebody's hidden words keep away from them.

Such a message is written as any other and told to everybody else; of the one who does not want to read it, only a number goes
into the inbox. It is in none of their chats, counts as read by them without a receipt, and waits in a list of its own.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

from dating.chat import access, access_queries, drafts, history, post_queries, receipt_queries
from dating.chat import veil_queries as queries
from dating.chat.message_models import Message
from dating.chat.models import Done
from dating.chat.veil_models import Unseen
from dating.database import Transaction
from dating.realtime import events, inbox
from dating.safety import words

Said = tuple[int, int, int, str]
"""The chat, the sender, the id and the text of a message."""


async def find(tx: Transaction, said: Iterable[Said]) -> list[Unseen]:
    """Who is not to read which of these messages."""
    said = list(said)
    wary: dict[int, list[tuple[int, str]]] = {}
    for one in await queries.list_wary(tx, sorted({chat_id for chat_id, *_ in said})):
        wary.setdefault(one.chat_id, []).append((one.user_id, one.words))
    return [
        Unseen(chat_id, user_id, message_id)
        for chat_id, sender_id, message_id, content in said
        for text in [words.Text(content)]
        for user_id, list_ in wary.get(chat_id, ())
        if user_id != sender_id and text.holds(list_)
    ]


async def keep_away(tx: Transaction, said: Iterable[Said]) -> list[Unseen]:
    """Keep new messages away from whoever is not to read them, and say from whom; they still count as unread."""
    found = await find(tx, said)
    if found:
        await queries.veil(tx, found)
    return found


async def sink(tx: Transaction, messages: Sequence[Message], unseen: Sequence[Unseen]) -> None:
    """Do not lift the chats of new messages in the lists of those who see none of them."""
    said = Counter(message.chat_id for message in messages)
    missed = Counter((one.chat_id, one.user_id) for one in unseen)
    await queries.sink(tx, [one for one in unseen if missed[one.chat_id, one.user_id] == said[one.chat_id]])


async def list_hidden(tx: Transaction, me: int, limit: int, before_id: int | None) -> list[Message]:
    """What my words keep away, the latest first; before the message `before_id`, if one is given."""
    return await history.complete(tx, me, await queries.list_worded(tx, me, before_id or access.BEYOND, limit))


async def lift(tx: Transaction, me: int, message_id: int) -> Done:
    """Let me read a message that my words keep away: my devices are told it as if it came now. Raises MessageNotFound."""
    room = await access_queries.take_chat_of(tx, me, message_id) if message_id < access.BEYOND else None
    if room is None or not await queries.lift(tx, me, message_id):
        raise access.MessageNotFound
    await queries.lift_chat(tx, me, room.id)
    message = await history.show_message(tx, me, message_id)
    await inbox.tell(tx, [me], drafts.describe(message, request=room.asker_id is not None))
    return Done()


async def judge_edit(tx: Transaction, me: int, chat_id: int, message_id: int, content: str) -> set[int]:
    """Who is not to hear of this edit of mine; those from whom it is kept away from now on lose the message."""
    veiled = set(await queries.list_veiled(tx, message_id))
    found = [one for one in await find(tx, [(chat_id, me, message_id, content)]) if one.user_id not in veiled]
    fresh = await queries.veil(tx, found) if found else []
    unread = [one for one in found if await receipt_queries.list_unread(tx, one.user_id, chat_id, [message_id])]
    await post_queries.count_as_read(tx, unread)
    for user_id in fresh:
        await inbox.tell(tx, [user_id], events.MessageDeleted(chat_id, message_id, user_id, for_all=False))
    return veiled.union(fresh)
