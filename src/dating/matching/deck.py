"""The recommended order: whom somebody is shown next.

1. Candidates: the most recently active who fit (`AT_ONCE`), and those who like me (`LIKERS`).
2. `ranking` scores them, and the first `RANKED` become cards, page by page: one slot in twenty by chance, some for newcomers.
3. The cards wait in a deck, an ordered list that never changes while it lasts but grows at its end. A page is the part after
   `last_seen_id`, so a session (the pages that follow each other) shows nobody twice, and the same question gets the same page.
   While a page is dealt for the first time, boosted people may come before the cards that wait (see `boosts`).
   Each card is looked at again when it is handed out: who was swiped, blocked, banned, paused meanwhile is left out.
4. A deck that runs short grows by new candidates, then by those just outside of my own rules, in named steps (`STEPS`) and
   marked as such. Neither dealbreakers, nor what the question itself asks for, nor any rule of theirs is widened. It grows behind
   the answer to its last page but one (`decks`), or while a page is made that is short of cards all the same.

Decks are a cache. Where there is none (another process, a restart, a deck that is over), the ledger of exposures knows which
session `last_seen_id` belongs to and who was shown in it. Anything else as `last_seen_id` begins at the top.
"""

import zlib
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from dating.clock import SECOND
from dating.database import Database, Transaction
from dating.matching import boosts, candidates, exposure, exposure_queries
from dating.matching import candidate_queries as queries
from dating.matching.boosts import STANDARD, Boosting
from dating.matching.candidate_queries import Fitting
from dating.matching.candidates import Candidate, Search
from dating.matching.decks import Card, Deck, Decks
from dating.matching.exposure import UNLIMITED, Budget, Slot
from dating.matching.exposure_queries import Opening
from dating.matching.growth import LIKERS, grow
from dating.matching.index import Index
from dating.matching.ranking import DEFAULT, Kind, Weights
from dating.matching.widening import STEPS, Question
from dating.profiles import service as profiles

LASTS = 600 * SECOND


class Draft(msgspec.Struct):
    """A page in the making: what it answers, the deck it is dealt from, up to which place, and the cards with their people."""

    question: Question
    weights: Weights
    index: Index | None
    deck: Deck
    place: int
    taken: dict[int, tuple[Card, Fitting]] = {}


class Page(NamedTuple):
    """What is answered, what is written down about it, the deck from now on, and what I had used by then of what is limited."""

    people: list[Candidate]
    slots: list[Slot]
    deck: Deck
    used: dict[str, int]


async def recommend(
    db: Database,
    decks: Decks,
    me_id: int,
    wish: Search,
    weights: Weights = DEFAULT,
    budget: Budget = UNLIMITED,
    boosting: Boosting = STANDARD,
    index: Index | None = None,
) -> Page:
    """One page of the recommended order, written down as shown before it is answered.

    Raises HalfPlace, ReversedAges, NoSuchPerson (for a viewer without a profile), RevealsUsedUp.
    """
    held = decks.find(me_id)
    if held is not None and held.left < wish.page_size:
        await decks.grown(me_id)
    page = await db.read(draw, me_id, wish, decks.find(me_id), weights, boosting, index)
    if page.slots:
        page = await db.note(settle, me_id, page, budget, boosting)
    decks.keep(me_id, page.deck)
    if 0 < page.deck.left <= wish.page_size or (page.deck.left == 0 and not page.deck.short):
        decks.grow(me_id, db.read(extend, me_id, wish, page.deck, weights, index))
    return page


async def browse(
    db: Database, me_id: int, wish: Search, budget: Budget = UNLIMITED, index: Index | None = None
) -> list[Candidate]:
    """One page of any other order, written down as well. Raises the same."""
    people = await db.read(candidates.search, me_id, wish, index)
    if people:
        await db.note(exposure.record, me_id, [Slot(one.id) for one in people], 0, budget)
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
    question = Question(await profiles.require_profile(tx, me_id), wish, tx.now)
    opening = await exposure_queries.opening(tx, me_id, wish.last_seen_id)
    deck = await resume(tx, me_id, opening, question.spelled, deck)
    draft = Draft(question, weights, index, deck, deck.after(wish.last_seen_id))
    if opening.boosting and draft.place == deck.dealt:
        await mix(tx, draft, wish.page_size, boosting)
    await fill(tx, draft, wish.page_size)
    people = [present(question, card, person) for card, person in draft.taken.values()]
    deck = replace(draft.deck, dealt=max(deck.dealt, draft.place))
    return Page(people, [card.slot for card, _ in draft.taken.values()], deck, opening.used)


def present(question: Question, card: Card, person: Fitting) -> Candidate:
    """The person of a card as they are answered."""
    user = profiles.show(person, question.me.user_id, question.first.cell, question.now)
    boosted = card.slot.kind == Kind.BOOSTED
    return candidates.present(user, question.me, question.now, person.likes_me, STEPS[card.step].names, boosted)


async def fill(tx: Transaction, draft: Draft, count: int) -> None:
    """Deal cards until there are `count` on the page; where the deck is short of them, it grows."""
    await take(tx, draft, count)
    over = False
    while len(draft.taken) < count and not over:
        grown = await grow(tx, draft.question, draft.deck, draft.weights, draft.index)
        over = draft.deck.short and len(grown.cards) - len(draft.deck.cards) < LIKERS
        draft.deck = grown
        await take(tx, draft, count)


async def mix(tx: Transaction, draft: Draft, size: int, boosting: Boosting) -> None:
    """Deal the page up to its last slot for the boosted, one of `every` in the session, and only after enough others."""
    hunt, deck = draft.question.first, draft.deck
    places = range(-(deck.dealt + len(deck.elsewhere) + 1) % boosting.every, size, boosting.every)
    if not hunt.seeks or not places:
        return
    known = {card.slot.user_id for card in deck.cards[: deck.dealt]} | deck.elsewhere
    slots = await boosts.choose(tx, draft.question.me, hunt, known, len(places), draft.weights, boosting)
    for place, slot in zip(places, slots, strict=False):
        await fill(tx, draft, place)
        if len(draft.taken) < place:
            return
        if slot.user_id not in draft.taken:
            draft.deck = insert(draft.deck, draft.place, Card(slot))
            await take(tx, draft, place + 1)


async def settle(tx: Transaction, me_id: int, page: Page, budget: Budget, boosting: Boosting) -> Page:
    """Write a page down, without those whose boost was used up meanwhile. Raises RevealsUsedUp."""
    refused = await boosts.refuse(tx, me_id, page.slots, page.deck.at, boosting.impressions)
    people = [one for one in page.people if one.id not in refused]
    slots = [slot for slot in page.slots if slot.user_id not in refused]
    news = await exposure.record(tx, me_id, slots, page.deck.at, budget)
    deck = drop(page.deck, refused)
    return page._replace(people=people, slots=slots, deck=replace(deck, told=deck.told + news))


async def extend(tx: Transaction, me_id: int, wish: Search, deck: Deck, weights: Weights, index: Index | None) -> Deck:
    """The deck with cards for another page at least, if there is anybody; as it is when I ask something else by now."""
    question = Question(await profiles.require_profile(tx, me_id), wish, tx.now)
    if question.spelled != deck.question:
        return deck
    for _ in range(2):  # who fits; then, where they are few, who is just outside of my rules
        if deck.left <= wish.page_size:
            deck = await grow(tx, question, deck, weights, index)
    return deck


# --- the deck -----------------------------------------------------------------------------------------------------------------


async def resume(tx: Transaction, me_id: int, opening: Opening, question: bytes, deck: Deck | None) -> Deck:
    """The deck at hand if it is of the session; else what the ledger knows of the session, or a new one."""
    at = opening.deck_at
    if at is None:
        at = tx.now - tx.now % LASTS + zlib.crc32(question) % LASTS
        held = deck is not None and (deck.question, deck.at) == (question, at) and not deck.elsewhere
        return deck if deck is not None and held else Deck(question, at)
    if deck is None or (deck.question, deck.at) != (question, at):
        deck = Deck(question, at)
    if deck.told == opening.shown:
        return deck
    here = {card.slot.user_id for card in deck.cards[: deck.dealt]}
    elsewhere = frozenset(await exposure_queries.shown(tx, me_id, at)) - here
    return replace(deck, elsewhere=elsewhere, told=opening.shown)


async def take(tx: Transaction, draft: Draft, count: int) -> None:
    """Deal cards of the deck whose people still fit until there are `count`."""
    deck, taken = draft.deck, draft.taken
    while len(taken) < count and draft.place < len(deck.cards):
        end = draft.place + count - len(taken)
        cards = [card for card in deck.cards[draft.place : end] if card.slot.user_id not in deck.elsewhere]
        people: dict[int, Fitting] = {}
        for step in {card.step for card in cards}:
            hunt = draft.question.at(step)
            if hunt is not None:
                ids = [card.slot.user_id for card in cards if card.step == step]
                people |= await queries.fitting(tx, ids, hunt.rules)
        taken.update((card.slot.user_id, (card, people[card.slot.user_id])) for card in cards if card.slot.user_id in people)
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
