"""The rules of the search: who finds what.

Messages are found where I can read them now, so nothing of a chat that is closed to me, of somebody hidden, from before I came,
expired or deleted. People are found as other lists show them, so not when they are paused, incognito, blocked, hidden or banned;
only who has a chat with me is found though paused or incognito. To list everybody is no use of it: fewer than three letters find
whole words only, a question brings a hundred people at most, and pages of names are limited by the day.
"""

import asyncio
import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence

import msgspec

from dating.chat import history
from dating.chat import service as chats
from dating.chat.access import BEYOND
from dating.chat.message_models import Message
from dating.chat.models import Chat
from dating.database import Database, Transaction
from dating.errors import Malformed
from dating.profiles import service as profiles
from dating.profiles.models import User
from dating.search import queries
from dating.search.lookback import look_back
from dating.search.models import Finding, Findings, FoundPeople, Kind, Place, Reach
from dating.search.words import cut_snippet, read_question, write_query

AT_ONCE = 100  # names looked at together
SPARE = 2  # messages looked at beyond those that a page wants, since some may not be seen
MOST_GROUPS = 500  # of mine in which messages are found, those of late first
MOST_ASKED = 200  # words, each in each scope, that one query asks for
ROUNDS = 10  # such looks for one page, if few may be seen
MOST_PEOPLE = 100  # that one question brings on all its pages
SHORT = 2  # letters of a word that is no beginning of others'
LAST = "\U0010ffff"  # sorts behind every letter
LONG = 20_000  # characters of messages that are looked through outside the loop


class BadCursor(Malformed):
    """400: the cursor is not one that this search gave out."""

    code = "bad_cursor"
    detail = "This cursor was not given out here; begin without one."


async def find(db: Database, me: int, kind: Kind, question: str, limit: int, cursor: str | None) -> Findings:
    """One page of what fits the question; of `all` kinds, the first page of each.

    Raises NothingToFind, TooManyWords or BadCursor.
    """
    words = read_question(question)
    match kind:
        case "messages":
            messages, rest = await db.read(find_messages, me, words, limit, read_id(cursor, BEYOND))
            return Findings(limit, await cut(messages, words), next_cursor=spell_id(rest))
        case "chats":
            found, after = await db.read(find_chats, me, words, limit, read_id(cursor, 0))
            return Findings(limit, chats=found, next_cursor=spell_id(after))
        case "users":
            people = await find_people(db, me, question, limit, cursor)
            return Findings(limit, users=people.users, next_cursor=people.next_cursor)
        case "all":
            messages, found, users = await db.read(find_all, me, words, limit)
            return Findings(limit, await cut(messages, words), found, users)


async def find_people(db: Database, me: int, question: str, limit: int, cursor: str | None) -> FoundPeople:
    """One page of people whose names or usernames have all the words. Raises NothingToFind, TooManyWords, BadCursor."""
    users, place = await db.read(find_named, me, read_question(question), limit, read_place(cursor))
    return FoundPeople(users, limit, None if place is None else spell_place(place))


async def find_all(tx: Transaction, me: int, words: list[str], limit: int) -> tuple[list[Message], list[Chat], list[User]]:
    """The first page of each kind."""
    messages, _ = await find_messages(tx, me, words, limit, BEYOND)
    found, _ = await find_chats(tx, me, words, limit, 0)
    users, _ = await find_named(tx, me, words, limit, Place("", 0, 0))
    return messages, found, users


# --- messages ---------------------------------------------------------------------------------------------------------------


async def find_messages(
    tx: Transaction, me: int, words: list[str], limit: int, before_id: int
) -> tuple[list[Message], int | None]:
    """The newest messages before an id that have all the words, and the id before which to go on, if there may be more."""
    reach = await queries.read_reach(tx, me)
    many = limit + SPARE
    found: list[Message] = []
    rest: int | None = before_id
    for _ in range(ROUNDS):
        if rest is None or 2 * len(found) >= limit:
            break
        ids, rest = await list_candidates(tx, me, reach, words, rest, many)
        if ids:
            found += await history.complete(tx, me, (await queries.list_found(tx, me, ids))[: limit + 1 - len(found)])
    if len(found) > limit:
        return found[:limit], found[limit - 1].id
    return found, rest


async def list_candidates(
    tx: Transaction, me: int, reach: Reach, words: list[str], before_id: int, many: int
) -> tuple[list[int], int | None]:
    """The newest messages of my chats that have all the words, whoever may see them: `many`, or half of them when the others are
    far. And the id before which to go on, if there may be more."""
    ids, below = await look_back(tx, me, reach, words, before_id, many)
    if 2 * len(ids) < many:
        ids += await ask_index(tx, list_scopes(me, reach), words, below, many - len(ids))
        below = 0
    return ids[:many], ids[many - 1] if len(ids) >= many else below if below > 1 else None


def list_scopes(me: int, reach: Reach) -> list[str]:
    """In which parts of the index my messages are: my own, and those of the groups that I am in."""
    return [str(me), *[f"g{chat_id}" for chat_id in reach.groups[:MOST_GROUPS]]]


async def ask_index(tx: Transaction, scopes: Sequence[str], words: list[str], before_id: int, many: int) -> list[int]:
    """The newest messages of any of the scopes that have all the words, in several queries if they are many."""
    step = max(1, MOST_ASKED // len(words))
    ids: list[int] = []
    for first in range(0, len(scopes), step):
        query = write_query(scopes[first : first + step], words)
        ids += await queries.list_candidates(tx, query, before_id, many)
    return sorted(ids, reverse=True)[:many]


async def cut(messages: Sequence[Message], words: list[str]) -> list[Finding]:
    """The messages with what they say around the first hit."""

    def perform() -> list[Finding]:
        return [Finding(message, cut_snippet(message.content, words)) for message in messages]

    is_long = sum(len(message.content) for message in messages) > LONG
    return await asyncio.to_thread(perform) if is_long else perform()


# --- chats and people -------------------------------------------------------------------------------------------------------


async def find_chats(tx: Transaction, me: int, words: list[str], limit: int, before_id: int) -> tuple[list[Chat], int | None]:
    """My chats that are called so, newest activity first, and the one after which to go on, if there are more."""
    ids = await queries.list_chats(tx, me, [bound(word, short=0) for word in words], before_id, limit + 1)
    return await chats.show_chats(tx, me, ids[:limit]), ids[limit - 1] if len(ids) > limit else None


async def find_named(tx: Transaction, me: int, words: list[str], limit: int, place: Place) -> tuple[list[User], Place | None]:
    """People by name after a place, and the place after which to go on, if there may be more."""
    bounds = [bound(word, SHORT) for word in words]
    longest = bounds[max(range(len(words)), key=lambda n: len(words[n]))]
    most = min(limit, MOST_PEOPLE - place.seen)
    found: list[int] = []
    rest: Place | None = place
    for _ in range(ROUNDS):
        if rest is None or len(found) == most:
            break
        rows = await queries.list_named(tx, longest, rest.word, rest.id, AT_ONCE)
        meetable = await queries.keep_meetable(tx, me, [row.id for row in rows], bounds)
        fit = [row for row in rows if row.id in meetable][: most - len(found)]
        found += [row.id for row in fit]
        last = fit[-1] if len(found) == most else rows[-1] if len(rows) == AT_ONCE else None
        rest = None if last is None else Place(last.word, last.id, place.seen + len(found))
    if rest is not None and rest.seen >= MOST_PEOPLE:
        rest = None
    return await profiles.publics(tx, me, found), rest


def bound(word: str, short: int) -> dict[str, str]:
    """Between what a word of a name must lie to fit: begin with the word, or be it if that has no more than `short` letters."""
    return {"first": word, "beyond": word + ("\x01" if len(word) <= short else LAST)}


# --- cursors ----------------------------------------------------------------------------------------------------------------


def read_id(cursor: str | None, otherwise: int) -> int:
    """The id that a cursor is. Raises BadCursor."""
    if cursor is None:
        return otherwise
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 17 and 0 < int(cursor) < BEYOND):
        raise BadCursor
    return int(cursor)


def spell_id(id_: int | None) -> str | None:
    """An id as a cursor."""
    return None if id_ is None else str(id_)


def read_place(cursor: str | None) -> Place:
    """The place that a cursor is. Raises BadCursor."""
    if cursor is None:
        return Place("", 0, 0)
    try:
        place = msgspec.json.decode(urlsafe_b64decode(cursor.encode("ascii", "replace")), type=Place)
    except (binascii.Error, ValueError) as error:
        raise BadCursor from error
    if "\0" in place.word or not (0 <= place.id < BEYOND and 0 <= place.seen < MOST_PEOPLE):
        raise BadCursor
    return place


def spell_place(place: Place) -> str:
    """A place as a cursor."""
    return urlsafe_b64encode(msgspec.json.encode(place)).decode()
