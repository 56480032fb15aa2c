"""Frames in and out, without I/O: how bytes become frames, how often a client may speak, and why a socket is closed."""

import time
from enum import IntEnum

import msgspec

from dating.errors import Malformed, Refusal
from dating.realtime.events import Error, Event, Inbound


class Close(IntEnum):
    """Why a socket was closed."""

    DONE = 1000
    RESTART = 1012
    MALFORMED = 4400
    EXPIRED = 4401
    REVOKED = 4403
    SLOW = 4408
    REPLACED = 4409
    FLOOD = 4429


class BadFrame(Malformed):
    """The frame is not one of the protocol's JSON objects."""

    code = "bad_frame"
    detail = "The frame is not a JSON object of a known type."


_decoder: msgspec.json.Decoder[Inbound] = msgspec.json.Decoder(Inbound)
encode = msgspec.json.encode


def decode(data: str | bytes | None) -> Inbound:
    """The frame that a client sent. Raises BadFrame, with the reason where there is one to tell."""
    if not isinstance(data, str):
        raise BadFrame("Frames are JSON text, not binary.")
    try:
        return _decoder.decode(data)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise BadFrame(str(error) if isinstance(error, msgspec.ValidationError) else None) from error


def refuse(refusal: Refusal) -> Event:
    """A refusal as a frame."""
    return Error(refusal.code, refusal.detail)


class Bucket:
    """A token bucket: `burst` at once, `rate` a second in the long run; `debt` counts the excess since it was last full."""

    __slots__ = ("_burst", "_level", "_rate", "_stamp", "debt")

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._level = float(burst)
        self._stamp = time.monotonic()
        self.debt = 0

    def take(self) -> bool:
        """Whether one more is allowed now."""
        now = time.monotonic()
        self._level = min(self._burst, self._level + (now - self._stamp) * self._rate)
        self._stamp = now
        if self._level >= self._burst - 1:
            self.debt = 0
        if self._level < 1:
            self.debt += 1
            return False
        self._level -= 1
        return True
