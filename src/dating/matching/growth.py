"""What a deck grows by: candidates, ranked, as cards.

1. The most recently active who fit (`AT_ONCE`), those who like me (`LIKERS`), and newcomers who lack impressions (`NEWCOMERS`),
   whom their activity alone would not bring here in a large town. The best `RANKED` of them become cards.
2. Once these have come to their end: everybody just outside of my own rules (`widening`), each at the first step that they fit,
   step after step. Who fits by all rules and is new comes first.
"""

import zlib

from msgspec.structs import replace

from dating.clock import DAY
from dating.database import Transaction
from dating.matching import candidate_queries as queries
from dating.matching import candidates, scoring
from dating.matching.candidate_queries import Entry, Liker, Need
from dating.matching.candidates import END, LANES_REACH_KM, Hunt
from dating.matching.decks import Card, Deck
from dating.matching.exposure_queries import HOUR
from dating.matching.index import Index
from dating.matching.ranking import Weights
from dating.matching.widening import Question

AT_ONCE = 400
LIKERS = 60
RANKED = 200
NEWCOMERS = 40  # a fifth of the cards


async def grow(tx: Transaction, question: Question, deck: Deck, weights: Weights, index: Index | None) -> Deck:
    """The deck with more cards at its end; with no more if nobody is left."""
    if not question.first.seeks:
        return replace(deck, short=True)
    if not deck.short:
        likers, others = await find(tx, question.first, deck, weights, index)
        if likers or others:
            grown = await rank(tx, question, 0, deck, (likers, others), weights, index)
            return replace(grown, short=grown.left - deck.left < LIKERS)
    return replace(await look_around(tx, question, deck, weights, index), short=True)


async def look_around(tx: Transaction, question: Question, deck: Deck, weights: Weights, index: Index | None) -> Deck:
    """The deck with those at the widest step and before, step after step; fewer than `LIKERS` are all of them."""
    likers, others = await find(tx, question.widest, deck, weights, index)
    if len(likers) >= LIKERS or len(others) >= RANKED:
        return await go_by_steps(tx, question, deck, weights, index)
    placed = {one.user_id: question.place(one) for one in await queries.traits(tx, likers + others)} if likers or others else {}
    for step in sorted({step for step in placed.values() if step is not None}):
        here = {user_id for user_id, at in placed.items() if at == step}
        people = ([one for one in likers if one in here], [one for one in others if one in here])
        deck = await rank(tx, question, step, deck, people, weights, index)
    return deck


async def go_by_steps(tx: Transaction, question: Question, deck: Deck, weights: Weights, index: Index | None) -> Deck:
    """The deck with those of one step after the other, until there are enough."""
    count = len(deck.cards)
    for step, hunt in enumerate(question.hunts):
        if hunt is not None and len(deck.cards) < count + LIKERS:
            deck = await rank(tx, question, step, deck, await find(tx, hunt, deck, weights, index), weights, index)
    return deck


async def rank(
    tx: Transaction,
    question: Question,
    step: int,
    deck: Deck,
    people: tuple[list[int], list[int]],
    weights: Weights,
    index: Index | None,
) -> Deck:
    """The deck with the best of these people, who like me and others, at its end."""
    likers, others = people
    if not likers and not others:
        return deck
    seed = [question.me.user_id, zlib.crc32(deck.question), tx.now // DAY, len(deck.known), step]
    slots = await scoring.rank(tx, question.me, likers + others, set(likers), RANKED, seed, weights, index)
    return replace(deck, cards=deck.cards + tuple(Card(slot, step) for slot in slots))


async def find(tx: Transaction, hunt: Hunt, deck: Deck, weights: Weights, index: Index | None) -> tuple[list[int], list[int]]:
    """Who likes me and fits, and others who fit, as far as they are not in the deck."""
    known = deck.known
    likers, others = await find_likers(tx, hunt, known), await find_others(tx, hunt, known, index)
    newcomers = await find_newcomers(tx, hunt, weights)
    return likers, others + [one for one in newcomers if one not in known.union(others)]


async def find_newcomers(tx: Transaction, hunt: Hunt, weights: Weights) -> list[int]:
    """Those who fit and lack impressions, whose time ends first."""
    if not weights.first_impressions or not weights.newcomer_share:
        return []
    fineness, lanes = candidates.choose_lanes(hunt, LANES_REACH_KM[1:])
    need = Need(tx.now - round(weights.first_hours * HOUR), weights.first_impressions)
    rules = hunt.rules | {"without_likers": True}
    return await queries.newcomers(tx, queries.NEW_BY[fineness], lanes, need, NEWCOMERS, rules)


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
