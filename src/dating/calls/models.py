"""What comes in, what goes out, and what a row is."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from dating.realtime.events import CallState, Ending, Media, SignalKind

OFFER = "v=0\r\no=- 4611731400430051336 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n"
Moment = Annotated[str, Meta(examples=["2026-11-20T09:00:00.000Z"])]
CANDIDATE = "candidate:1 1 udp 2122260223 192.0.2.7 50123 typ host"
Sdp = Annotated[str, Meta(min_length=1, max_length=16_000, description="A session description (RFC 8866).", examples=[OFFER])]


class NewCall(msgspec.Struct, frozen=True):
    """Ring the other of a direct chat."""

    chat_id: Annotated[int, Meta(ge=1, lt=2**53, examples=[42])]
    sdp: Sdp
    media: Media = "audio"


class Acceptance(msgspec.Struct, frozen=True):
    """Take the call: the answer to the offer."""

    sdp: Sdp


class NewSignal(msgspec.Struct, frozen=True):
    """Something for the other device: a candidate for a way between the two (RFC 8840), or a new offer or answer."""

    kind: SignalKind
    payload: Annotated[
        str, Meta(min_length=1, max_length=16_000, examples=["candidate:1 1 udp 2122260223 192.0.2.7 50123 typ host"])
    ]


class Signal(msgspec.Struct, frozen=True):
    """What one device has told the other; `n` counts those of both in a call."""

    n: Annotated[int, Meta(examples=[1])]
    user_id: Annotated[int, Meta(examples=[5])]
    kind: SignalKind
    payload: Annotated[str, Meta(examples=[OFFER])]


class Call(msgspec.Struct, frozen=True):
    """A call of mine. `signals` are the other's, in order, while the call lasts."""

    id: Annotated[int, Meta(examples=[9])]
    chat_id: Annotated[int, Meta(examples=[42])]
    caller_id: Annotated[int, Meta(examples=[5])]
    callee_id: Annotated[int, Meta(examples=[7])]
    media: Media
    state: CallState
    reason: Ending | None
    created_at: Moment
    answered_at: Moment | None
    ended_at: Moment | None
    signals: list[Signal]


class Noted(msgspec.Struct, frozen=True):
    """The signal is on its way, under this number."""

    n: Annotated[int, Meta(examples=[3])]
    status: Literal["ok"] = "ok"


class IceServer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A STUN or TURN server in the shape of the browser's `RTCIceServer`."""

    urls: Annotated[list[str], Meta(examples=[["turn:turn.example.org:3478"]])]
    username: Annotated[str | None, Meta(examples=["1763632800"])] = None
    credential: Annotated[str | None, Meta(examples=["bPNs6JzTq0wbGqXh3K8pVtYw5nA="])] = None


class IceServers(msgspec.Struct, frozen=True):
    """For `new RTCPeerConnection({iceServers: ice_servers})`; names and passwords in it are good for `expires_in` seconds."""

    ice_servers: list[IceServer]
    expires_in: Annotated[int, Meta(examples=[3600])]


class CallRow(msgspec.Struct, frozen=True):
    """A call in the database; moments in microseconds."""

    id: int
    chat_id: int
    caller_id: int
    callee_id: int
    media: Media
    created_at: int
    answered_at: int | None
    ended_at: int | None
    reason: Ending | None

    def other(self, me: int) -> int:
        """The other of the two."""
        return self.caller_id + self.callee_id - me

    @property
    def people(self) -> list[int]:
        """The two."""
        return [self.caller_id, self.callee_id]

    @property
    def state(self) -> CallState:
        """How far it has come."""
        if self.ended_at is not None:
            return "ended"
        return "ringing" if self.answered_at is None else "answered"
