"""Between processes: carries what a commit has to tell to the hub of every process that has the person's sockets.

The bus is a hint and never the record. What it loses is found in the inbox, a little later.
"""

from collections.abc import Callable
from typing import Protocol

Deliver = Callable[[list[object]], None]


class Bus(Protocol):
    """Notices (`Told`, `Passing`, `Revoked`, `Missed`) from any process to the hubs that want them.

    Where hints may have been lost, the bus delivers `Missed`. `counts` is for the metrics.
    """

    counts: dict[str, int]

    async def start(self, deliver: Deliver, realm: str) -> None:
        """Begin to carry; `deliver` is called on the event loop. Only processes of one `realm` hear each other."""

    async def close(self) -> None:
        """Stop carrying."""

    def publish(self, notices: list[object]) -> None:
        """Deliver here and send to the others, without waiting for anybody."""

    def follow(self, user_id: int) -> None:
        """The first socket of this person is here now."""

    def unfollow(self, user_id: int) -> None:
        """The last socket of this person has gone."""

    async def settled(self) -> None:
        """Wait until everybody followed so far is really heard of. Never longer than a few seconds: then they were missed."""

    async def online(self, people: list[int]) -> set[int]:
        """Which of the people have a socket on any process, as far as can be known now."""

    async def check(self) -> None:
        """Raises a refusal while hints do not go round."""


class LocalBus:
    """One process: whatever is published is delivered at once."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._deliver: Deliver = lambda notices: None
        self._here: set[int] = set()

    async def start(self, deliver: Deliver, realm: str) -> None:
        self._deliver = deliver

    async def close(self) -> None:
        self._deliver = lambda notices: None

    def publish(self, notices: list[object]) -> None:
        self._deliver(notices)

    def follow(self, user_id: int) -> None:
        self._here.add(user_id)

    def unfollow(self, user_id: int) -> None:
        self._here.discard(user_id)

    async def settled(self) -> None:
        """Everything arrives anyway."""

    async def online(self, people: list[int]) -> set[int]:
        return self._here.intersection(people)

    async def check(self) -> None:
        """There is nothing that could fail."""
