"""Who may see whom.

A block hides two people from each other everywhere, at once and both ways; it changes nothing else, so everything is back after
the unblock. Queries ask the view `hidden`; a service asks `require_visible`. Lists of people ask the view `unwanted`, which adds
whom the viewer has hidden from these lists alone, one way, and those who know each other by an address book (`contacts`), both
ways; nobody is told.

**A block wins over every later delivery.** Blocking first takes the rows under which both people's inboxes grow, so the block
commits either before or after any transaction that tells one of them something. Whoever tells somebody about somebody asks
`require_visible` *after* `inbox.tell`: by then a block that came first is committed and seen, and one that comes later waits.
(On SQLite writers take turns anyway.)
"""

from collections.abc import Sequence

import msgspec

from dating.clock import rfc3339
from dating.database import Transaction
from dating.errors import Malformed, NotFound
from dating.realtime import inbox
from dating.safety import contacts, queries, report_queries, reports, words
from dating.safety.models import Blocked, BlockedPerson, Hidden, HiddenPerson, Unblocked, Unhidden

END_OF_IDS = 2**53


class BlockSelf(Malformed):
    """400: nobody can block themselves."""

    code = "block_self"
    detail = "You cannot block yourself."


class HideSelf(Malformed):
    """400: nobody can hide themselves."""

    code = "hide_self"
    detail = "You cannot hide yourself."


class NoSuchPerson(NotFound):
    """404: absent, banned, deleted, or hidden by a block; they all look alike."""

    code = "user_not_found"
    detail = "There is no such user."


async def is_visible(tx: Transaction, viewer_id: int, other_id: int) -> bool:
    """Whether the viewer may see the other: there, not banned or deleted, and no block between them."""
    return 0 < other_id < END_OF_IDS and await queries.is_visible(tx, viewer_id, other_id)


async def require_visible(tx: Transaction, viewer_id: int, other_id: int) -> None:
    """Raises NoSuchPerson unless the viewer may see the other."""
    if not await is_visible(tx, viewer_id, other_id):
        raise NoSuchPerson


async def block(tx: Transaction, me_id: int, other_id: int) -> Blocked:
    """Hide the two from each other. Blocking again, or somebody who has blocked me, looks the same.

    Raises BlockSelf or NoSuchPerson.
    """
    await _require_other(tx, me_id, other_id)
    await inbox.hold(tx, [me_id, other_id])
    await queries.block(tx, me_id, other_id)
    return Blocked()


async def unblock(tx: Transaction, me_id: int, other_id: int) -> Unblocked:
    """Take my block back, if there is one. Raises BlockSelf, NoSuchPerson."""
    await _require_other(tx, me_id, other_id)
    await queries.unblock(tx, me_id, other_id)
    return Unblocked()


async def blocked(tx: Transaction, me_id: int, limit: int, offset: int, last_seen_id: int | None) -> list[BlockedPerson]:
    """Whom I have blocked, the latest first; `last_seen_id` is the last one of the page before."""
    rows = await queries.blocked(tx, me_id, limit, offset, last_seen_id)
    return [BlockedPerson(row.id, row.username, row.name, rfc3339(row.blocked_at)) for row in rows]


async def hide(tx: Transaction, me_id: int, other_id: int) -> Hidden:
    """Let somebody come up no more in my lists of people; nothing else changes. A repeat is harmless.

    Raises HideSelf or NoSuchPerson.
    """
    await _require_hideable(tx, me_id, other_id)
    await queries.hide(tx, me_id, other_id)
    return Hidden()


async def unhide(tx: Transaction, me_id: int, other_id: int) -> Unhidden:
    """Take that back, if it is so. Raises HideSelf or NoSuchPerson."""
    await _require_hideable(tx, me_id, other_id)
    await queries.unhide(tx, me_id, other_id)
    return Unhidden()


async def hides(tx: Transaction, me_id: int, limit: int, offset: int, last_seen_id: int | None) -> list[HiddenPerson]:
    """Whom I have hidden, the latest first; `last_seen_id` is the last one of the page before."""
    rows = await queries.hides(tx, me_id, limit, offset, last_seen_id)
    return [HiddenPerson(row.id, row.username, row.name, rfc3339(row.hidden_at)) for row in rows]


async def erase(tx: Transaction, user_id: int) -> None:
    """Forget every block, hide and report by and of a person whose account is being deleted, and their lists."""
    await queries.erase(tx, user_id)
    await contacts.erase(tx, user_id)
    await words.erase(tx, user_id)
    await reports.erase(tx, user_id)


async def export(tx: Transaction, user_id: int) -> dict[str, Sequence[msgspec.Struct]]:
    """The person's own blocks, hides, hidden words and reports, and what was decided about them; nothing that others did."""
    return {
        "blocks": await blocked(tx, user_id, END_OF_IDS, 0, None),
        "hides": await hides(tx, user_id, END_OF_IDS, 0, None),
        "hidden_words": [list_ for list_ in [await words.show(tx, user_id)] if list_.words],
        "reports": await report_queries.own_reports(tx, user_id),
        "statements": (await reports.list_statements(tx, user_id, END_OF_IDS, 0, None)).statements,
    }


async def _require_other(tx: Transaction, me_id: int, other_id: int) -> None:
    if me_id == other_id:
        raise BlockSelf
    if not (0 < other_id < END_OF_IDS and await queries.is_there(tx, other_id)):
        raise NoSuchPerson


async def _require_hideable(tx: Transaction, me_id: int, other_id: int) -> None:
    if me_id == other_id:
        raise HideSelf
    await require_visible(tx, me_id, other_id)
