"""Groups: up to 256 people, one of them the owner, some of them administrators.

Owner and administrators manage a group: they describe it, bring people in, put members out, pin. Only the owner makes and unmakes
administrators, puts them out, and hands the group over. Nobody is brought in by somebody with whom they have no chat (a match, or
a request that they accepted), however open to messages they are, nor once they have left by themselves: they come by a link, if
they like. Whoever comes sees what is said from then on; two members who are hidden from each other do not see each other there
either.
"""

from collections.abc import Iterable

from msgspec import UnsetType

from dating.chat import access, receipt_queries
from dating.chat import group_queries as queries
from dating.chat.changes import MANAGERS, ManagersOnly
from dating.chat.group_models import Description, Face
from dating.chat.models import Done, Opened, Room
from dating.database import Transaction
from dating.errors import Conflict, Forbidden, Malformed, NotFound
from dating.realtime import events
from dating.safety.service import NoSuchPerson

LARGEST = 256


class NotAGroup(Malformed):
    """400: that can be done with groups only. A direct chat ends by an unmatch or a block."""

    code = "not_a_group"
    detail = "This chat is not a group."


class GroupNameMissing(Malformed):
    """400: a group has a name that is not blank."""

    code = "group_name_missing"
    detail = "A group needs a name."


class GroupFull(Conflict):
    """409: nobody fits in any more."""

    code = "group_full"
    detail = f"A group has at most {LARGEST} members."


class OwnerOnly(Forbidden):
    """403: only the owner of the group may do this."""

    code = "owner_only"
    detail = "Only the owner of the group may do this."


class MemberNotFound(NotFound):
    """404: the group has no such member, or none that I may see."""

    code = "member_not_found"
    detail = "There is no such member."


class InviteLinkNeeded(Forbidden):
    """403: somebody has no chat with me, or has left the group by themselves; whatever the reason, it is answered alike."""

    code = "invite_link_needed"
    detail = "Somebody of them has no chat with you, or has left: send an invite link of the group instead."


def read_name(name: str | None) -> str:
    """A group's name without blanks around it. Raises GroupNameMissing."""
    if name is None or not name.strip():
        raise GroupNameMissing
    return name.strip()


async def make(tx: Transaction, me: int, name: str | None, photo_url: str | None, member_ids: Iterable[int]) -> Opened:
    """A new group of mine with these members; all of them hear of it.

    Raises GroupNameMissing, NoSuchPerson or InviteLinkNeeded.
    """
    name = read_name(name)
    others = sorted(set(member_ids) - {me})
    await judge_people(tx, me, 0, others)
    chat_id = await queries.make(tx, name, photo_url)
    await queries.seat(tx, chat_id, [me, *others], 0)
    await queries.appoint(tx, chat_id, me, "owner")
    await access.announce(tx, me, await access.see(tx, me, chat_id), events.Chat(chat_id, me))
    return Opened(chat_id, created=True)


async def judge_people(tx: Transaction, me: int, chat_id: int, people: list[int]) -> None:
    """Whether I may bring all of them into a group (0: a new one). Raises NoSuchPerson or InviteLinkNeeded."""
    known = await queries.list_reachable(tx, me, chat_id, people)
    if len(known) < len(people):
        raise NoSuchPerson
    if not all(person.reachable for person in known):
        raise InviteLinkNeeded


async def take(tx: Transaction, me: int, chat_id: int) -> Room:
    """A group of mine, held until the transaction ends. Raises ChatNotFound or NotAGroup."""
    room = await access.take(tx, me, chat_id)
    if room.kind != "group":
        raise NotAGroup
    return room


async def take_managed(tx: Transaction, me: int, chat_id: int) -> Room:
    """A group that I manage. Raises ChatNotFound, NotAGroup or ManagersOnly."""
    room = await access.take(tx, me, chat_id)
    require_manager(room)
    return room


def require_manager(room: Room) -> None:
    """Raises NotAGroup, or ManagersOnly unless I manage the group."""
    if room.kind != "group":
        raise NotAGroup
    if room.role not in MANAGERS:
        raise ManagersOnly


async def describe(tx: Transaction, me: int, chat_id: int, given: Description) -> Done:
    """Another name or picture. Raises ChatNotFound, NotAGroup, ManagersOnly or GroupNameMissing."""
    room = await take_managed(tx, me, chat_id)
    before = await queries.read_face(tx, chat_id)
    name = before.name if isinstance(given.name, UnsetType) else read_name(given.name)
    photo_url = before.photo_url if isinstance(given.photo_url, UnsetType) else given.photo_url
    after = Face(name, photo_url)
    if after != before:
        await queries.describe(tx, chat_id, after)
        await access.announce(tx, me, room, events.Chat(chat_id, None, "described", name=name, photo_url=photo_url))
    return Done()


async def add(tx: Transaction, me: int, chat_id: int, user_ids: Iterable[int]) -> Done:
    """Bring people in; those who are in already are not told again.

    Raises ChatNotFound, NotAGroup, ManagersOnly, NoSuchPerson, InviteLinkNeeded or GroupFull.
    """
    await take_managed(tx, me, chat_id)
    people = sorted(set(user_ids) - {me})
    await judge_people(tx, me, chat_id, people)
    await welcome(tx, chat_id, people, by_link=False)
    return Done()


async def welcome(tx: Transaction, chat_id: int, people: list[int], *, by_link: bool) -> None:
    """Give people seats, and tell everybody of each who is new. Raises GroupFull. The group must be taken."""
    seated = await queries.seat(tx, chat_id, people, await receipt_queries.head(tx, chat_id))
    if await queries.count_members(tx, chat_id) > LARGEST:
        raise GroupFull
    for user_id in seated:
        room = await access.see(tx, user_id, chat_id)
        await access.announce(tx, user_id, room, events.MemberJoined(chat_id, user_id, by_link))


async def remove(tx: Transaction, me: int, chat_id: int, user_id: int) -> Done:
    """Put a member out, who hears of it as the others do; with my own id: leave.

    Raises ChatNotFound, NotAGroup, ManagersOnly, MemberNotFound or OwnerOnly.
    """
    if user_id == me:
        return await leave(tx, me, chat_id)
    room = await take_managed(tx, me, chat_id)
    role = await queries.find_role(tx, me, chat_id, user_id)
    if role is None:
        raise MemberNotFound
    if role in MANAGERS and room.role != "owner":
        raise OwnerOnly
    await access.announce(tx, user_id, room, events.MemberLeft(chat_id, user_id, removed=True))
    await queries.unseat(tx, chat_id, user_id, removed=True)
    return Done()


async def leave(tx: Transaction, me: int, chat_id: int) -> Done:
    """Go. An owner's place is taken by the longest-standing administrator, else member; without anybody left the group ends.

    Raises ChatNotFound or NotAGroup.
    """
    room = await take(tx, me, chat_id)
    await access.announce(tx, me, room, events.MemberLeft(chat_id, me))
    await queries.unseat(tx, chat_id, me, removed=False)
    if room.role == "owner":
        await hand_on(tx, room)
    return Done()


async def hand_on(tx: Transaction, room: Room) -> None:
    """Find an owner for a group that has lost its own."""
    heir_id = await queries.find_heir(tx, room.id)
    if heir_id is None:
        await queries.close(tx, room.id)
    else:
        await appoint(tx, room, heir_id, "owner")


async def change_role(tx: Transaction, me: int, chat_id: int, user_id: int, role: str) -> Done:
    """Make a member administrator or take that back, or hand the group over: then I am administrator.

    Raises ChatNotFound, NotAGroup, OwnerOnly or MemberNotFound.
    """
    room = await take(tx, me, chat_id)
    if room.role != "owner":
        raise OwnerOnly
    before = await queries.find_role(tx, me, chat_id, user_id)
    if before is None:
        raise MemberNotFound
    if user_id == me:
        if role != "owner":
            raise OwnerOnly("A group keeps its owner: hand it over instead.")
        return Done()
    if role == "owner":
        await appoint(tx, room, me, "admin")
    if role != before:
        await appoint(tx, room, user_id, role)
    return Done()


async def appoint(tx: Transaction, room: Room, user_id: int, role: str) -> None:
    """Give a member a role, and tell everybody."""
    await queries.appoint(tx, room.id, user_id, role)
    await access.announce(tx, user_id, room, events.Chat(room.id, user_id, "role", role=role))


async def vacate(tx: Transaction, user_id: int, chat_id: int) -> None:
    """Take the seat of somebody whose account is being deleted."""
    await leave(tx, user_id, chat_id)
