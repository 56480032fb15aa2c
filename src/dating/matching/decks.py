"""The decks of a process: ordered lists of cards that wait to be dealt, and the tasks that make them longer meanwhile."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Coroutine
from typing import Any, NamedTuple, Self

import msgspec
from msgspec.structs import replace

from dating.errors import Refusal
from dating.matching.exposure import Slot

logger = logging.getLogger(__name__)

DECKS = 2000  # of one process, some kilobytes each
GROWING = 4  # of them at once; another one grows while its page is made, if it comes to that


class Card(NamedTuple):
    """A slot of a deck, and by which of the steps its person was found."""

    slot: Slot
    step: int = 0


class Deck(msgspec.Struct, frozen=True):
    """The cards of one session, `dealt` of which have been on a page here; `elsewhere` is who was dealt by other processes.

    `at` names the session for all processes: the ten minutes in which it began, and the question in place of what is below that.
    `told` is how many people of the session are in the ledger as far as this deck knows; if there are others, it looks.
    `short`: those who fit came to their end, and who comes next is just outside of my rules, or new.
    """

    question: bytes
    at: int
    cards: tuple[Card, ...] = ()
    dealt: int = 0
    elsewhere: frozenset[int] = frozenset()
    told: int = 0
    short: bool = False

    @property
    def known(self) -> set[int]:
        """Who is in it or was in the session."""
        return {card.slot.user_id for card in self.cards} | self.elsewhere

    @property
    def left(self) -> int:
        """How many cards wait."""
        return len(self.cards) - self.dealt

    def after(self, user_id: int | None) -> int:
        """Where to go on after somebody: behind their card if it was dealt here, else behind all that were."""
        if user_id is None:
            return 0
        dealt = (place for place, card in enumerate(self.cards[: self.dealt], 1) if card.slot.user_id == user_id)
        return next(dealt, self.dealt if user_id in self.elsewhere else 0)

    def join(self, other: Self) -> Self:
        """With the cards of another state of the same deck at its end; as it is if the other is of another session."""
        if len(other.cards) <= len(self.cards) or (other.question, other.at) != (self.question, self.at):
            return self
        known = self.known
        more = tuple(card for card in other.cards if card.slot.user_id not in known)
        return replace(self, cards=self.cards + more, short=other.short)


class Decks:
    """The decks of this process, the least recently used of too many forgotten."""

    def __init__(self) -> None:
        self._decks: OrderedDict[int, Deck] = OrderedDict()
        self._growing: dict[int, asyncio.Task[None]] = {}

    def find(self, me_id: int) -> Deck | None:
        """Somebody's deck."""
        return self._decks.get(me_id)

    def keep(self, me_id: int, deck: Deck) -> None:
        """Somebody's deck from now on, with what it has grown by meanwhile."""
        held = self._decks.get(me_id)
        self._decks[me_id] = deck if held is None else deck.join(held)
        self._decks.move_to_end(me_id)
        if len(self._decks) > DECKS:
            self._decks.popitem(last=False)

    def grow(self, me_id: int, growth: Coroutine[Any, Any, Deck]) -> None:
        """Make somebody's deck longer in a task of its own, unless that or too much else is being done."""
        if me_id in self._growing or len(self._growing) >= GROWING:
            growth.close()
            return
        task = self._growing[me_id] = asyncio.create_task(self._grow(me_id, growth))
        task.add_done_callback(lambda done: self._growing.pop(me_id, None))

    async def _grow(self, me_id: int, growth: Coroutine[Any, Any, Deck]) -> None:
        try:
            grown = await growth
        except Refusal as error:  # such as a database that is away: the next page grows the deck by itself
            logger.warning("a deck did not grow: %s", error.detail)
            return
        held = self._decks.get(me_id)
        if held is not None:
            self._decks[me_id] = held.join(grown)

    async def grown(self, me_id: int) -> None:
        """Wait for the task that makes somebody's deck longer, if there is one. Who is canceled leaves it alone."""
        task = self._growing.get(me_id)
        if task is not None:
            await asyncio.wait([task])

    async def close(self) -> None:
        """End the tasks."""
        tasks = list(self._growing.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
