"""Calls over HTTP: what one device says here, the other hears on its socket."""

from litestar import Response, get, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from dating.calls import service
from dating.calls.ice import list_servers
from dating.calls.models import Acceptance, Call, IceServers, NewCall, NewSignal, Noted
from dating.clock import now_microseconds
from dating.database import Database
from dating.idempotency import Commit
from dating.settings import Settings
from dating.tokens import Identity

TAGS = ["Calls"]


@get(
    "/api/calls/servers",
    summary="STUN and TURN servers",
    description="For `RTCPeerConnection`. Which there are is a setting; without any, devices of one network find each other.",
    tags=TAGS,
)
async def list_ice_servers(me: NamedDependency[Identity], settings: NamedDependency[Settings]) -> IceServers:
    """The servers, with passwords that last an hour."""
    return list_servers(settings.ice_servers, settings.turn_secret, now_microseconds())


@post(
    "/api/calls",
    summary="Call somebody",
    description="In a direct chat, with the offer of this device. The other's devices hear `call` and `signal`. Nobody is in two "
    "calls. After 45 seconds without an answer the call is over and the chat keeps a note.",
    tags=TAGS,
    opt={"limit": "call"},
)
async def ring(data: JSONBody[NewCall], me: NamedDependency[Identity], commit: NamedDependency[Commit]) -> Response[Call]:
    """Ring the other of the chat."""
    return Response(await commit(service.ring, me.user_id, data), status_code=201)


@get(
    "/api/calls/{call_id:int}",
    summary="Get a call",
    description="One of mine, with everything that the other device has said so far: for who has missed a `signal`.",
    tags=TAGS,
)
async def read(call_id: FromPath[int], me: NamedDependency[Identity], db: NamedDependency[Database]) -> Call:
    """How far the call has come."""
    return await db.read(service.read, me.user_id, call_id)


@post(
    "/api/calls/{call_id:int}/answer",
    status_code=200,
    summary="Take a call",
    description="With the answer of this device. My other devices hear `call` and stop ringing.",
    tags=TAGS,
    opt={"limit": "signal"},
)
async def answer(
    call_id: FromPath[int], data: JSONBody[Acceptance], me: NamedDependency[Identity], commit: NamedDependency[Commit]
) -> Call:
    """Answer; the call, with what the other has said so far."""
    return await commit(service.answer, me.user_id, call_id, data.sdp)


@post(
    "/api/calls/{call_id:int}/signal",
    status_code=200,
    summary="Tell the other device",
    description="A candidate for a way between the two, or a new offer or answer during the call. Never looked into.",
    tags=TAGS,
    opt={"limit": "signal"},
)
async def signal(
    call_id: FromPath[int], data: JSONBody[NewSignal], me: NamedDependency[Identity], commit: NamedDependency[Commit]
) -> Noted:
    """Pass something on."""
    return await commit(service.signal, me.user_id, call_id, data)


@post(
    "/api/calls/{call_id:int}/hangup",
    status_code=200,
    summary="Hang up",
    description="Cancels, declines or ends the call; a repeat is harmless.",
    tags=TAGS,
    opt={"limit": "signal"},
)
async def hang_up(call_id: FromPath[int], me: NamedDependency[Identity], commit: NamedDependency[Commit]) -> Call:
    """End the call for both."""
    return await commit(service.hang_up, me.user_id, call_id)


handlers = [list_ice_servers, ring, read, answer, signal, hang_up]
