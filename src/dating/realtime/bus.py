"""Between processes: carries what a commit has to tell to the hub of every process that has the person's sockets.

The bus is a hint and never the record. What it loses is found in the inbox, a little later.
"""

from collections.abc import Callable
from typing import Protocol

Deliver = Callable[[list[object]], None]


class Bus(Protocol):
    """Notices (`Told`, `Passing`, `Revoked`) from any process to the hubs that want them."""

    async def start(self, deliver: Deliver) -> None:
        """Begin to carry; `deliver` is called on the event loop."""

    async def close(self) -> None:
        """Stop carrying."""

    def publish(self, notices: list[object]) -> None:
        """Send, without waiting for anybody."""

    def follow(self, user_id: int) -> None:
        """The first socket of this person is here now."""

    def unfollow(self, user_id: int) -> None:
        """The last socket of this person has gone."""


class LocalBus:
    """One process: whatever is published is delivered at once."""

    def __init__(self) -> None:
        self._deliver: Deliver = lambda notices: None

    async def start(self, deliver: Deliver) -> None:
        self._deliver = deliver

    async def close(self) -> None:
        self._deliver = lambda notices: None

    def publish(self, notices: list[object]) -> None:
        self._deliver(notices)

    def follow(self, user_id: int) -> None:
        """Nothing to subscribe to: everything arrives anyway."""

    def unfollow(self, user_id: int) -> None:
        """Nothing to unsubscribe from."""
