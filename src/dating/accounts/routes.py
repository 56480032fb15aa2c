"""Accounts and sessions over HTTP.

Operations whose body holds a password do not look at an Idempotency-Key: keeping an answer keeps a fingerprint of the request,
and a fast hash of a password must not exist anywhere.
"""

from typing import Annotated, Any

from litestar import Response, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import FromPath, JSONBody, PathParameter
from litestar.types import Scope

from dating.accounts import export, exports, service, sessions
from dating.accounts.mail import Postbox
from dating.accounts.models import (
    AddressOnly,
    Archive,
    Confirmation,
    Deleted,
    Done,
    ExportState,
    Farewell,
    Login,
    Logout,
    PasswordChange,
    Refresh,
    Registration,
    Reset,
    Sessions,
    SignedIn,
    Status,
    Tokens,
    Verification,
    Verified,
)
from dating.accounts.passwords import Passwords
from dating.database import Database
from dating.idempotency import Commit
from dating.settings import Settings
from dating.throttle import Throttle
from dating.tokens import Identity


def provide_agent(scope: Scope) -> str:
    """How the client calls itself, as a name for the device."""
    for name, value in scope["headers"]:
        if name == b"user-agent":
            return "".join(c for c in value.decode("latin-1")[:100] if c.isprintable()) or "Unknown device"
    return "Unknown device"


NAMED = {"anyOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in ("username", "email")]}
PREPARING = {202: ResponseSpec(ExportState, description="It is being made: ask again in some seconds.")}
THIS_SESSION = Logout()
AGENT: dict[str, Any] = {"agent": Provide(provide_agent, sync_to_thread=False)}


@post(
    ["/register", "/api/auth/register"],
    status_code=201,
    summary="Register",
    description="Makes an account, with any part of the profile at once, and signs this device in. A name is 3 to 50 letters (of "
    "any alphabet), digits, or characters of `_ . -`; blanks around it and case do not count. Where the server demands a "
    "verified address, the answer holds no tokens: `verify-code` gives them.",
    tags=["Accounts"],
    opt={"access": "public", "limit": "register"},
    dependencies=AGENT,
)
async def register(
    data: JSONBody[Registration],
    db: NamedDependency[Database],
    settings: NamedDependency[Settings],
    passwords: NamedDependency[Passwords],
    mailer: NamedDependency[Postbox],
    agent: NamedDependency[str],
) -> SignedIn:
    """Make an account and sign in."""
    return await service.register(db, settings, passwords, mailer, data, agent)


@post(
    ["/login", "/api/auth/login", "/v1/auth/login"],
    status_code=200,
    summary="Sign in",
    description="By `username` or `email`. An unknown name and a wrong password are answered alike. Signing in again with "
    "the same `device_id` ends the session that the device had.",
    tags=["Accounts"],
    opt={"access": "public", "limit": "login", "body": NAMED},
    dependencies=AGENT,
)
async def login(
    data: JSONBody[Login],
    db: NamedDependency[Database],
    settings: NamedDependency[Settings],
    passwords: NamedDependency[Passwords],
    throttle: NamedDependency[Throttle],
    address: NamedDependency[str],
    agent: NamedDependency[str],
) -> SignedIn:
    """Sign in on this device."""
    return await service.login(db, settings, passwords, throttle, data, address, agent)


@post(
    ["/refresh", "/api/auth/refresh"],
    status_code=200,
    summary="Get a new pair of tokens",
    description="A refresh token is good once. The same request again within a few seconds gets the same successor, so a lost "
    "answer does no harm; using an older token ends the session. `user_id` is accepted and not needed.",
    tags=["Accounts"],
    opt={"access": "public", "limit": "refresh"},
)
async def refresh(data: JSONBody[Refresh], db: NamedDependency[Database], settings: NamedDependency[Settings]) -> Tokens:
    """Exchange the refresh token for a new pair."""
    return await sessions.refresh(db, settings, data.refresh_token)


@post(
    ["/logout", "/api/auth/logout"],
    status_code=200,
    summary="Sign out",
    description="Ends this session, or with `all` every session of mine; their sockets close at once. The body may be left out.",
    tags=["Accounts"],
)
async def logout(me: NamedDependency[Identity], commit: NamedDependency[Commit], data: JSONBody[Logout] = THIS_SESSION) -> Status:
    """End this session or all of them."""
    return await commit(sessions.logout, me.user_id, me.session_id, data.all)


@get(
    "/sessions",
    summary="My devices",
    description="The sessions in which I am signed in, used last first. They are few (50 at most) and come on one page.",
    tags=["Accounts"],
)
async def list_sessions(me: NamedDependency[Identity], db: NamedDependency[Database]) -> Sessions:
    """The devices on which I am signed in."""
    return await db.read(sessions.list_sessions, me)


@delete(
    "/sessions/{session_id:int}",
    status_code=200,
    summary="Sign a device out",
    description="Ends one of my sessions; its sockets close at once.",
    tags=["Accounts"],
)
async def end_session(session_id: FromPath[int], me: NamedDependency[Identity], commit: NamedDependency[Commit]) -> Status:
    """End one of my sessions."""
    return await commit(sessions.end_session, me.user_id, session_id)


@post(
    "/api/auth/verify-code",
    status_code=200,
    summary="Verify an e-mail address",
    description="By the six digits that were mailed: good for 15 minutes, 5 tries, and one use. Signs this device in.",
    tags=["Accounts"],
    opt={"access": "public", "limit": "code"},
    dependencies=AGENT,
)
async def verify_code(
    data: JSONBody[Verification],
    db: NamedDependency[Database],
    settings: NamedDependency[Settings],
    throttle: NamedDependency[Throttle],
    address: NamedDependency[str],
    agent: NamedDependency[str],
) -> Verified:
    """Prove the address and sign in."""
    return await service.verify(db, settings, throttle, data, address, agent)


@post(
    "/api/auth/resend-verify-code",
    status_code=200,
    summary="Mail a new verification code",
    description="The code before it is good no more. Every address is answered alike, whether it belongs to somebody or not.",
    tags=["Accounts"],
    opt={"access": "public", "limit": "code"},
)
async def resend_verify_code(
    data: JSONBody[AddressOnly],
    db: NamedDependency[Database],
    settings: NamedDependency[Settings],
    mailer: NamedDependency[Postbox],
    throttle: NamedDependency[Throttle],
) -> Done:
    """Mail another code."""
    return await service.resend_verification(db, settings, mailer, throttle, data.email)


@post(
    "/api/auth/password",
    status_code=200,
    summary="Change my password",
    description="Needs the old one. Every other session of mine ends, and a notice goes to my address.",
    tags=["Accounts"],
)
async def change_password(
    data: JSONBody[PasswordChange],
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    passwords: NamedDependency[Passwords],
    mailer: NamedDependency[Postbox],
    throttle: NamedDependency[Throttle],
) -> Done:
    """Take another password."""
    return await service.change_password(db, passwords, mailer, throttle, me, data)


@post(
    "/api/auth/password/forgot",
    status_code=200,
    summary="Mail a code for a new password",
    description="Every address is answered alike, whether it belongs to somebody or not.",
    tags=["Accounts"],
    opt={"access": "public", "limit": "code"},
)
async def forgot_password(
    data: JSONBody[AddressOnly],
    db: NamedDependency[Database],
    settings: NamedDependency[Settings],
    mailer: NamedDependency[Postbox],
    throttle: NamedDependency[Throttle],
) -> Done:
    """Mail a code that allows a new password."""
    return await service.forgot_password(db, settings, mailer, throttle, data.email)


@post(
    "/api/auth/password/reset",
    status_code=200,
    summary="Set a new password by the mailed code",
    description="Ends every session of the account. The code is good for 15 minutes, 5 tries, and one use.",
    tags=["Accounts"],
    opt={"access": "public", "limit": "code"},
)
async def reset_password(
    data: JSONBody[Reset],
    db: NamedDependency[Database],
    settings: NamedDependency[Settings],
    passwords: NamedDependency[Passwords],
    mailer: NamedDependency[Postbox],
    throttle: NamedDependency[Throttle],
    address: NamedDependency[str],
) -> Done:
    """Take a new password by the mailed code."""
    return await service.reset_password(db, settings, passwords, mailer, throttle, data, address)


@delete(
    "/me",
    status_code=200,
    summary="Delete my account",
    description="Needs the password. Erases the account and everything personal; every session ends. It cannot be undone.",
    tags=["Accounts"],
)
async def delete_me(
    data: JSONBody[Farewell],
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    settings: NamedDependency[Settings],
    passwords: NamedDependency[Passwords],
    mailer: NamedDependency[Postbox],
    throttle: NamedDependency[Throttle],
) -> Deleted:
    """Erase me and what is mine."""
    return await service.delete_account(db, settings, passwords, mailer, throttle, me, data.password)


@get(
    "/me/export",
    summary="Ask for everything the server holds on me, having just signed in",
    description="What POST does, without the password: for ten minutes after this device has signed in. Later it is refused with "
    "`password_needed`.",
    response_description="The archive is ready.",
    responses=PREPARING,
    tags=["Accounts"],
    opt={"refuses": (429,)},
)
async def ask_for_export(
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    mailer: NamedDependency[Postbox],
    throttle: NamedDependency[Throttle],
) -> Response[ExportState]:
    """Have my archive made, or get its link, soon after signing in."""
    return answer_export(await exports.ask_again(db, mailer, throttle, me))


@post(
    "/me/export",
    status_code=200,
    summary="Ask for everything the server holds on me",
    description="Needs the password. The archive is made in the background; the event `export` says when it is there. Ask again "
    "(or at once, after 202) for its link: each answer has a new one, and those before it lead nowhere any more. One archive at "
    "a time; one that nobody fetches is gone after a day. A letter to my address says that one was asked for, another that it is "
    "ready; neither has a link.",
    response_description="The archive is ready.",
    responses=PREPARING,
    tags=["Accounts"],
    opt={"refuses": (429,)},
)
async def order_export(
    data: JSONBody[Confirmation],
    me: NamedDependency[Identity],
    db: NamedDependency[Database],
    passwords: NamedDependency[Passwords],
    mailer: NamedDependency[Postbox],
    throttle: NamedDependency[Throttle],
) -> Response[ExportState]:
    """Have my archive made, or get its link."""
    return answer_export(await exports.ask_with(db, passwords, mailer, throttle, me, data.password))


def answer_export(state: ExportState) -> Response[ExportState]:
    """How an archive stands, with the status that says so."""
    return Response(state, status_code=202 if state.url is None else 200)


@get(
    "/me/export/{token:str}",
    media_type=export.MEDIA_TYPE,
    summary="Fetch my archive, once",
    description="A ZIP with a JSON file for each kind of thing, each a list: account, profile, sessions, my swipes, matches, "
    "chats, messages, read marks, my blocks, inbox, Idempotency-Keys. Times are RFC 3339, UTC. Secrets (password, tokens, codes) "
    "are not in it. Of others it holds what I might see when it was made, as the lists of matches and chats do: what is about "
    "somebody whom I could not see stands there as null. The server keeps no copy.",
    response_description="The archive.",
    tags=["Accounts"],
)
async def fetch_export(
    token: Annotated[str, PathParameter(max_length=100)], me: NamedDependency[Identity], db: NamedDependency[Database]
) -> Response[Archive]:
    """Give me everything that is mine."""
    return Response(await exports.fetch(db, me.user_id, token), media_type=export.MEDIA_TYPE, headers=export.HEADERS)


handlers = [
    register,
    login,
    refresh,
    logout,
    list_sessions,
    end_session,
    verify_code,
    resend_verify_code,
    change_password,
    forgot_password,
    reset_password,
    delete_me,
    ask_for_export,
    order_export,
    fetch_export,
]
