"""What the watching of people needs to know."""

import msgspec

from dating.clock import rfc3339
from dating.realtime.events import Presence


class Look(msgspec.Struct, frozen=True):
    """Somebody (`me`) looks at the other members of a chat; `n` tells one look from another."""

    n: int
    me: int
    chat_id: int


class Sight(msgspec.Struct, frozen=True):
    """A person whom the look `n` shows; `last_active` is in microseconds, cut to ten minutes for a match, else to the hour."""

    n: int
    user_id: int
    last_active: int

    def describe(self, online: bool) -> Presence:
        """What the one who looks is told: when somebody was last seen is said only of those who are away."""
        return Presence(self.user_id, online, None if online else rfc3339(self.last_active))
