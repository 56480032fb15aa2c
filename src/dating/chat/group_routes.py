"""Groups over HTTP."""

from litestar import Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody

from dating.chat import groups, invites, service
from dating.chat.group_models import Description, Invite, NewInvite, NewMembers, NewRole, Token
from dating.chat.models import Chat, Done
from dating.database import Database
from dating.idempotency import Commit
from dating.tokens import Identity, new_secret

TAGS = ["Chats and messages"]
LIMIT = {"limit": "group"}
WAS_IN = {200: ResponseSpec(Chat, description="I was a member already")}


@patch(
    "/api/chats/{chat_id:int}",
    summary="Describe a group",
    description="Its name or picture, by those who manage it. The group hears `chat`.",
    tags=TAGS,
    opt=LIMIT,
)
async def describe_group(
    chat_id: FromPath[int],
    data: JSONBody[Description],
    me: NamedDependency[Identity],
    commit: NamedDependency[Commit],
    db: NamedDependency[Database],
) -> Chat:
    """The group as it is now."""
    await commit(groups.describe, me.user_id, chat_id, data)
    return await db.read(service.show_chat, me.user_id, chat_id)


@delete(
    "/api/chats/{chat_id:int}",
    status_code=200,
    summary="Leave a group",
    description="The group hears `member_left`. After an owner comes the longest-standing administrator, else member.",
    tags=TAGS,
)
async def leave_group(chat_id: FromPath[int], me: NamedDependency[Identity], commit: NamedDependency[Commit]) -> Done:
    """Go."""
    return await commit(groups.leave, me.user_id, chat_id)


@post(
    "/api/chats/{chat_id:int}/members",
    status_code=200,
    summary="Bring people into a group",
    description=(
        "By those who manage it: people who have a chat with me (a match, or a request that they accepted) and have not left the "
        "group by themselves. For others, 403 `invite_link_needed`: send them a link. At most 256 in a group. They see what is "
        "said from then on. The group hears `member_joined` of each."
    ),
    tags=TAGS,
    opt=LIMIT,
)
async def add_members(
    chat_id: FromPath[int],
    data: JSONBody[NewMembers],
    me: NamedDependency[Identity],
    commit: NamedDependency[Commit],
    db: NamedDependency[Database],
) -> Chat:
    """The group with its members."""
    await commit(groups.add, me.user_id, chat_id, data.user_ids)
    return await db.read(service.show_chat, me.user_id, chat_id)


@delete(
    "/api/chats/{chat_id:int}/members/{user_id:int}",
    status_code=200,
    summary="Put somebody out of a group",
    description="By those who manage it; administrators by the owner only. With my own id: leave. The group hears `member_left`.",
    tags=TAGS,
)
async def remove_member(
    chat_id: FromPath[int], user_id: FromPath[int], me: NamedDependency[Identity], commit: NamedDependency[Commit]
) -> Done:
    """End a membership."""
    return await commit(groups.remove, me.user_id, chat_id, user_id)


@patch(
    "/api/chats/{chat_id:int}/members/{user_id:int}",
    summary="Give a member a role",
    description="By the owner. `owner` hands the group over, and I am an administrator then. The group hears `chat`.",
    tags=TAGS,
)
async def change_role(
    chat_id: FromPath[int],
    user_id: FromPath[int],
    data: JSONBody[NewRole],
    me: NamedDependency[Identity],
    commit: NamedDependency[Commit],
    db: NamedDependency[Database],
) -> Chat:
    """The group with its members."""
    await commit(groups.change_role, me.user_id, chat_id, user_id, data.role)
    return await db.read(service.show_chat, me.user_id, chat_id)


@post(
    "/api/chats/{chat_id:int}/invites",
    summary="Make a link into a group",
    description="By those who manage it; at most 50 at a time. The token is shown this once, so an Idempotency-Key does nothing.",
    tags=TAGS,
    opt=LIMIT,
)
async def make_invite(
    chat_id: FromPath[int], data: JSONBody[NewInvite], me: NamedDependency[Identity], db: NamedDependency[Database]
) -> Invite:
    """The link with its token."""
    return await db.write(invites.invite, me.user_id, chat_id, data, new_secret())


@get(
    "/api/chats/{chat_id:int}/invites",
    summary="List the links into a group",
    description="Those that still lead there, without their tokens, for those who manage the group.",
    tags=TAGS,
)
async def list_invites(chat_id: FromPath[int], me: NamedDependency[Identity], db: NamedDependency[Database]) -> list[Invite]:
    """At most 50, the oldest first."""
    return await db.read(invites.list_invites, me.user_id, chat_id)


@delete(
    "/api/chats/{chat_id:int}/invites/{invite_id:int}",
    status_code=200,
    summary="Take a link back",
    description="By those who manage the group; it leads nowhere from then on.",
    tags=TAGS,
)
async def revoke_invite(
    chat_id: FromPath[int], invite_id: FromPath[int], me: NamedDependency[Identity], commit: NamedDependency[Commit]
) -> Done:
    """End a link."""
    return await commit(invites.revoke, me.user_id, chat_id, invite_id)


@post(
    "/api/chats/join",
    summary="Come into a group by a link",
    description="Not after somebody has put me out. The group hears `member_joined`; I see what is said from then on.",
    tags=TAGS,
    responses=WAS_IN,
    opt=LIMIT,
)
async def join_group(
    data: JSONBody[Token], me: NamedDependency[Identity], commit: NamedDependency[Commit], db: NamedDependency[Database]
) -> Response[Chat]:
    """The group, with me in it."""
    opened = await commit(invites.join, me.user_id, data.token)
    chat = await db.read(service.show_chat, me.user_id, opened.chat_id)
    return Response(chat, status_code=201 if opened.created else 200)


handlers = [
    describe_group,
    leave_group,
    add_members,
    remove_member,
    change_role,
    make_invite,
    list_invites,
    revoke_invite,
    join_group,
]
