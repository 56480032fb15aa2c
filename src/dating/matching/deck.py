"""The recommended order: whom somebody is shown next.

1. Candidates: the most recently active who fit (`AT_ONCE`), and those who like me (`LIKERS`).
2. `ranking` scores them, and the first `RANKED` become cards, page by page: one slot in twenty by chance, some for newcomers.
3. The cards wait in a deck, an ordered list that never changes while it lasts but grows at its end. A page is the part after
   `last_seen_id`, so a session (the pages that follow each other) shows nobody twice, and the same question gets the same page.
   While a page is dealt for the first time, boosted people may come before the cards that wait (see `boosts`).
   Each card is looked at again when it is handed out: who was swiped, blocked, banned, paused meanwhile is left out.
4. A page that runs short is filled by new candidates, then by those just outside of my own rules, in named steps (`STEPS`) and
   marked as such. Neither dealbreakers, nor what the question itself asks for, nor any rule of theirs is widened.

Decks are a cache. Where there is none (another process, a restart, a deck that is over), the ledger of exposures knows which
session `last_seen_id` belongs to and who was shown in it. Anything else as `last_seen_id` begins at the top.
"""

import zlib
from collections import OrderedDict
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from dating.clock import DAY, SECOND
from dating.database import Database, Transaction
from dating.matching import boosts, candidates, exposure, exposure_queries, scoring
from dating.matching import candidate_queries as queries
from dating.matching.boosts import STANDARD, Boosting
from dating.matching.candidate_queries import Entry, Liker
from dating.matching.candidates import END, Candidate, Hunt, Search
from dating.matching.exposure import UNLIMITED, Budget, Slot
from dating.matching.index import Index
from dating.matching.ranking import DEFAULT, Kind, Weights
from dating.matching.reasons import Widened
from dating.profiles import service as profiles
from dating.profiles.ages import ADULT, OLDEST
from dating.profiles.models import Profile
from dating.profiles.service import DEALBREAKERS

AT_ONCE = 400
LIKERS = 60
RANKED = 200
LASTS = 600 * SECOND
DECKS = 2000  # of one process, some kilobytes each
YEARS = 3


class Step(NamedTuple):
    """How far my own rules are widened: the radius by a factor, the ages by years."""

    names: tuple[Widened, ...] = ()
    factor: float = 1.0
    years: int = 0


STEPS = (
    Step(),
    Step(("distance",), 1.5),
    Step(("distance",), 3.0),
    Step(("age",), years=YEARS),
    Step(("distance", "age"), 3.0, YEARS),
)


class Card(NamedTuple):
    """A slot of a deck, and by which of the steps its person was found."""

    slot: Slot
    step: int = 0


class Deck(msgspec.Struct, frozen=True):
    """The cards of one session, `dealt` of which have been on a page here; `elsewhere` is who was dealt by other processes.

    `at` names the session for all processes: the ten minutes in which it began, and the question in place of what is below that.
    """

    question: bytes
    at: int
    cards: tuple[Card, ...] = ()
    dealt: int = 0
    elsewhere: frozenset[int] = frozenset()

    def after(self, user_id: int | None) -> int:
        """Where to go on after somebody: behind their card if it was dealt here, else behind all that were."""
        if user_id is None:
            return 0
        dealt = (place for place, card in enumerate(self.cards[: self.dealt], 1) if card.slot.user_id == user_id)
        return next(dealt, self.dealt if user_id in self.elsewhere else 0)


class Draft(msgspec.Struct):
    """A page in the making: the deck it is dealt from, up to which place, and the cards with who of them likes me."""

    deck: Deck
    place: int
    index: Index | None = None
    taken: dict[int, tuple[Card, bool]] = {}


class Page(NamedTuple):
    """What is answered, what is written down about it, and the deck from now on."""

    people: list[Candidate]
    slots: list[Slot]
    deck: Deck


class Decks:
    """The decks of this process, the least recently used of too many forgotten."""

    def __init__(self) -> None:
        self._decks: OrderedDict[int, Deck] = OrderedDict()

    def find(self, me_id: int) -> Deck | None:
        """Somebody's deck."""
        return self._decks.get(me_id)

    def keep(self, me_id: int, deck: Deck) -> None:
        """Somebody's deck from now on."""
        self._decks[me_id] = deck
        self._decks.move_to_end(me_id)
        if len(self._decks) > DECKS:
            self._decks.popitem(last=False)


async def recommend(
    db: Database,
    decks: Decks,
    me_id: int,
    wish: Search,
    weights: Weights = DEFAULT,
    budget: Budget = UNLIMITED,
    boosting: Boosting = STANDARD,
    index: Index | None = None,
) -> list[Candidate]:
    """One page of the recommended order, written down as shown before it is answered.

    Raises HalfPlace, ReversedAges, NoSuchPerson (for a viewer without a profile), RevealsUsedUp.
    """
    page = await db.read(draw, me_id, wish, decks.find(me_id), weights, boosting, index)
    if page.slots:
        page = await db.write(settle, me_id, page, budget, boosting)
    decks.keep(me_id, page.deck)
    return page.people


async def browse(
    db: Database, me_id: int, wish: Search, budget: Budget = UNLIMITED, index: Index | None = None
) -> list[Candidate]:
    """One page of any other order, written down as well. Raises the same."""
    people = await db.read(candidates.search, me_id, wish, index)
    if people:
        await db.write(exposure.record, me_id, [Slot(one.id) for one in people], 0, budget)
    return people


async def draw(
    tx: Transaction,
    me_id: int,
    wish: Search,
    deck: Deck | None,
    weights: Weights,
    boosting: Boosting = STANDARD,
    index: Index | None = None,
) -> Page:
    """The page after `last_seen_id`, out of the deck as far as it goes."""
    me = await profiles.require_profile(tx, me_id)
    hunts = list_hunts(me, wish, tx.now)
    deck = await resume(tx, me_id, wish.last_seen_id, spell(hunts[0]), deck)
    draft = Draft(deck, deck.after(wish.last_seen_id), index)
    if draft.place == deck.dealt:
        await mix(tx, draft, hunts, wish.page_size, weights, boosting)
    await fill(tx, draft, hunts, wish.page_size, weights)
    users = await profiles.publics(tx, me_id, list(draft.taken), hunts[0].cell if hunts[0] else None)
    cards = {user.id: draft.taken[user.id] for user in users}
    people = [
        candidates.present(user, me, tx.now, likes, STEPS[card.step].names, card.slot.kind == Kind.BOOSTED)
        for user, (card, likes) in zip(users, cards.values(), strict=True)
    ]
    deck = replace(draft.deck, dealt=max(deck.dealt, draft.place))
    return Page(people, [card.slot for card, _ in cards.values()], deck)


async def fill(tx: Transaction, draft: Draft, hunts: list[Hunt | None], count: int, weights: Weights) -> None:
    """Deal cards until there are `count` on the page; where the deck is short of them, find new ones."""
    await take(tx, draft, hunts, count)
    for number, hunt in enumerate(hunts):
        while hunt is not None and hunt.seeks and len(draft.taken) < count:
            cards = await find_cards(tx, hunt, number, draft, weights)
            if not cards:
                break
            draft.deck = replace(draft.deck, cards=draft.deck.cards + cards)
            await take(tx, draft, hunts, count)
            if len(cards) < LIKERS:  # both kinds of candidates came to their end
                break


async def mix(tx: Transaction, draft: Draft, hunts: list[Hunt | None], size: int, weights: Weights, boosting: Boosting) -> None:
    """Deal the page up to its last slot for the boosted, one of `every` in the session, and only after enough others."""
    hunt, deck = hunts[0], draft.deck
    places = range(-(deck.dealt + len(deck.elsewhere) + 1) % boosting.every, size, boosting.every)
    if hunt is None or not hunt.seeks or not places:
        return
    known = {card.slot.user_id for card in deck.cards[: deck.dealt]} | deck.elsewhere
    slots = await boosts.choose(tx, hunt, known, len(places), weights, boosting)
    for place, slot in zip(places, slots, strict=False):
        await fill(tx, draft, hunts, place, weights)
        if len(draft.taken) < place:
            return
        if slot.user_id not in draft.taken:
            draft.deck = insert(draft.deck, draft.place, Card(slot))
            await take(tx, draft, hunts, place + 1)


async def settle(tx: Transaction, me_id: int, page: Page, budget: Budget, boosting: Boosting) -> Page:
    """Write a page down, without those whose boost was used up meanwhile. Raises RevealsUsedUp."""
    refused = await boosts.refuse(tx, me_id, page.slots, page.deck.at, boosting.impressions)
    people = [one for one in page.people if one.id not in refused]
    slots = [slot for slot in page.slots if slot.user_id not in refused]
    await exposure.record(tx, me_id, slots, page.deck.at, budget)
    return Page(people, slots, drop(page.deck, refused))


# --- the deck -----------------------------------------------------------------------------------------------------------------


async def resume(tx: Transaction, me_id: int, last_seen_id: int | None, question: bytes, deck: Deck | None) -> Deck:
    """The deck at hand if it is of the session; else what the ledger knows of the session, or a new one."""
    at = await exposure_queries.session(tx, me_id, last_seen_id) if last_seen_id else None
    if at is None:
        at = tx.now - tx.now % LASTS + zlib.crc32(question) % LASTS
        held = deck is not None and (deck.question, deck.at) == (question, at) and not deck.elsewhere
        return deck if deck is not None and held else Deck(question, at)
    if deck is None or (deck.question, deck.at) != (question, at):
        deck = Deck(question, at)
    here = {card.slot.user_id for card in deck.cards[: deck.dealt]}
    return replace(deck, elsewhere=frozenset(await exposure_queries.shown(tx, me_id, at)) - here)


async def take(tx: Transaction, draft: Draft, hunts: list[Hunt | None], count: int) -> None:
    """Deal cards of the deck whose people still fit until there are `count`."""
    deck, taken = draft.deck, draft.taken
    while len(taken) < count and draft.place < len(deck.cards):
        end = draft.place + count - len(taken)
        cards = [card for card in deck.cards[draft.place : end] if card.slot.user_id not in deck.elsewhere]
        likes: dict[int, bool] = {}
        for step in {card.step for card in cards}:
            hunt = hunts[step]
            if hunt is not None:
                ids = [card.slot.user_id for card in cards if card.step == step]
                likes |= await queries.fitting(tx, ids, hunt.rules)
        taken.update((card.slot.user_id, (card, likes[card.slot.user_id])) for card in cards if card.slot.user_id in likes)
        draft.place = min(end, len(deck.cards))


def insert(deck: Deck, place: int, card: Card) -> Deck:
    """The deck with a card at a place that was not dealt yet, and there alone."""
    after = tuple(other for other in deck.cards[place:] if other.slot.user_id != card.slot.user_id)
    return replace(deck, cards=(*deck.cards[:place], card, *after))


def drop(deck: Deck, ids: set[int]) -> Deck:
    """The deck as if these people, who were dealt, had not been in it."""
    if not ids:
        return deck
    gone = sum(card.slot.user_id in ids for card in deck.cards[: deck.dealt])
    return replace(deck, cards=tuple(card for card in deck.cards if card.slot.user_id not in ids), dealt=deck.dealt - gone)


def spell(hunt: Hunt | None) -> bytes:
    """A question as a text: every rule, and from where."""
    return msgspec.json.encode([hunt and hunt.cell, hunt and hunt.rules])


# --- the candidates -----------------------------------------------------------------------------------------------------------


def list_hunts(me: Profile, wish: Search, now: int) -> list[Hunt | None]:
    """My question at each step; None where the step would ask the same again. Raises HalfPlace, ReversedAges."""
    hunts: list[Hunt | None] = []
    for step in STEPS:
        hunt = candidates.prepare(widen(me, step), wish, now)
        if hunts and hunts[0] is not None:  # who has not said their age fits no wider rule about it either
            hunt = replace(hunt, rules=hunt.rules | {"any_age": hunts[0].rules["any_age"]})
        asked = any(known is not None and known.rules == hunt.rules for known in hunts)
        hunts.append(None if asked else hunt)
    return hunts


def widen(me: Profile, step: Step) -> Profile:
    """Me with my own rules widened, except for my dealbreakers and what is no rule."""
    least, most, radius = me.min_age, me.max_age, me.max_distance_km
    if not me.dealbreakers & DEALBREAKERS["age"]:
        least, most = max(ADULT, least - step.years), min(OLDEST, most + step.years)
    if radius is not None and not me.dealbreakers & DEALBREAKERS["distance"]:
        radius = min(40_000, round(radius * step.factor))
    return replace(me, min_age=least, max_age=most, max_distance_km=radius)


async def find_cards(tx: Transaction, hunt: Hunt, step: int, draft: Draft, weights: Weights) -> tuple[Card, ...]:
    """The best candidates who are not in the deck yet."""
    deck = draft.deck
    known = {card.slot.user_id for card in deck.cards} | deck.elsewhere
    likers = await find_likers(tx, hunt, known)
    others = await find_others(tx, hunt, known, draft.index)
    seed = [hunt.me_id, zlib.crc32(deck.question), tx.now // DAY, len(known)]
    slots = await scoring.rank(tx, hunt.me_id, likers + others, set(likers), RANKED, seed, weights)
    return tuple(Card(slot, step) for slot in slots)


async def find_likers(tx: Transaction, hunt: Hunt, known: set[int]) -> list[int]:
    """The latest who like me and are not known yet: `LIKERS` or more if there are as many."""
    fresh: list[int] = []
    after = Liker(END, END)
    while len(fresh) < LIKERS and (found := await queries.likers(tx, after, LIKERS, hunt.rules)):
        fresh += [liker.user_id for liker in found if liker.user_id not in known]
        after = found[-1]
        if len(found) < LIKERS:
            break
    return fresh


async def find_others(tx: Transaction, hunt: Hunt, known: set[int], index: Index | None) -> list[int]:
    """The most recently active who do not like me (yet) and are not known yet: `RANKED` or more if there are as many."""
    asked = replace(hunt, count=AT_ONCE, rules=hunt.rules | {"without_likers": True})
    fresh: list[int] = []
    after = Entry(END, END)
    while len(fresh) < RANKED and (found := await candidates.find_latest(tx, asked, after, index)):
        fresh += [entry.user_id for entry in found if entry.user_id not in known]
        after = found[-1]
        if len(found) < AT_ONCE:
            break
    return fresh
