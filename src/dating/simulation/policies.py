"""The policies that are compared: each says whom a person sees, in order.

random        anybody who fits
popularity    who is liked most often, whoever looks: what most scores amount to
one-sided     whom the viewer likes most
inbox         by chance, but those who like the viewer first and those who passed never
reciprocal    the product of both sides' probabilities
ours          that, with attention, room and fairness, first impressions and a slot by chance: the server's own ranking
ceiling       ours with the true probabilities, which nobody can know
"""

from collections.abc import Callable

import numpy as np

from dating.matching.ranking import DEFAULT, People, Viewer, Weights, choose, log_odds, score
from dating.simulation.market import LIKES, Market, Policy
from dating.simulation.population import Floats, Integers

PLAIN = Weights(fairness=0.0, serve=1e6, room=1e6, optimism=0.0, random_share=0.0, newcomer_share=0.0)
TRUTH = Weights(optimism=0.0, shared_interests=0.0, age_gap=0.0, newcomer_share=0.0, base=((0.0,) * 4,) * 4)

Scorer = Callable[[Market, int, Integers, np.random.Generator], Floats]


def by_chance(market: Market, person: int, others: Integers, dice: np.random.Generator) -> Floats:
    return dice.random(len(others))


def by_popularity(market: Market, person: int, others: Integers, dice: np.random.Generator) -> Floats:
    return np.asarray((market.liked[others] + 1) / (market.ever_shown[others] + 4) + 1e-6 * dice.random(len(others)))


def by_viewer(market: Market, person: int, others: Integers, dice: np.random.Generator) -> Floats:
    return log_odds(market.viewer(person), market.describe(person, others), PLAIN)[0]


def by_inbox(market: Market, person: int, others: Integers, dice: np.random.Generator) -> Floats:
    return np.asarray((market.known[person, others] & LIKES) + dice.random(len(others)))


def by_both(market: Market, person: int, others: Integers, dice: np.random.Generator) -> Floats:
    return score(market.viewer(person), market.describe(person, others), PLAIN)


def take_best(scorer: Scorer, hide_passed: bool, learns: bool = False) -> Policy:
    """The policy that shows the best by a score."""

    def show(market: Market, person: int, size: int, dice: np.random.Generator) -> tuple[Integers, Floats]:
        others = market.candidates(person, hide_passed)
        order = np.argsort(-scorer(market, person, others, dice), kind="stable")[:size]
        return others[order], np.ones(len(order))

    return Policy(show, learns)


def ours(weights: Weights = DEFAULT) -> Policy:
    """The server's own ranking, with these weights."""

    def show(market: Market, person: int, size: int, dice: np.random.Generator) -> tuple[Integers, Floats]:
        others = market.candidates(person, True)
        people = market.describe(person, others)
        page = choose(people, score(market.viewer(person), people, weights), size, dice, weights)
        return others[page.rows], page.propensity

    return Policy(show, learns=True)


def show_truly(market: Market, person: int, size: int, dice: np.random.Generator) -> tuple[Integers, Floats]:
    """The server's own ranking, told the truth about every pair."""
    others = market.candidates(person, True)
    people: People = market.describe(person, others)._replace(
        appeal=market.people.likes_odds(person, others), choosiness=market.people.liked_odds(person, others)
    )
    page = choose(people, score(Viewer(), people, TRUTH), size, dice, TRUTH)
    return others[page.rows], page.propensity


POLICIES: dict[str, Policy] = {
    "random": take_best(by_chance, hide_passed=False),
    "popularity": take_best(by_popularity, hide_passed=False),
    "one-sided": take_best(by_viewer, hide_passed=False, learns=True),
    "inbox": take_best(by_inbox, hide_passed=True),
    "reciprocal": take_best(by_both, hide_passed=True, learns=True),
    "ours": ours(),
    "ceiling": Policy(show_truly, learns=False),
}
