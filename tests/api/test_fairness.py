"""The fairness page: right sums, nothing of few people, made by the job and not by whoever asks; and what I know of myself."""

import random
from typing import Any

from dating.clock import DAY
from dating.database import Transaction
from dating.matching import fairness, fairness_chart
from dating.matching.fairness import Fairness, Group
from dating.matching.fairness_queries import Amount
from tests.kit import Api

STANDING = """
INSERT INTO standings (user_id, week, shown_before, matches_before, unanswered) VALUES (:id, :week, :shown, :matches, :unanswered)
"""
EXPOSURE = """
INSERT INTO exposures (day, viewer_id, shown_id, shown_at, deck_at) VALUES (:day, :viewer, :shown, 0, 0)
"""


async def run(api: Api, sql: str, rows: list[dict[str, Any]]) -> None:
    """The statement for each of the rows."""

    async def work(tx: Transaction) -> None:
        await tx.many(sql, rows)

    await api.app.state.db.write(work)


async def test_the_figures_are_those_of_the_people(api: Api) -> None:
    """Twenty women and five men: sums, shares and groups; five are too few to be a group."""
    women = await api.people(20, gender="female", birthday="1996-01-01")
    men = await api.people(5, gender="male", birthday="1980-01-01")
    db = api.app.state.db
    week = db.clock() // DAY // 7
    rows = [{"id": w.id, "week": week, "shown": 10, "matches": 2, "unanswered": 3} for w in women[:10]]
    rows += [{"id": m.id, "week": week, "shown": 10, "matches": 20, "unanswered": 0} for m in men]
    await run(api, STANDING, rows)
    assert (await api.http.get("/v1/statistics/fairness")).json()["made_at"] is None
    await fairness.renew(db)
    page = (await api.http.get("/v1/statistics/fairness")).json()
    assert (page["people"], page["without_a_match"], page["unanswered"]) == (25, 0.4, 1.2)
    assert page["exposure_gini"] == 0.4
    assert page["effective_matches"] == (10 * 2 + 5 * 7) / 25
    assert page["lorenz"][8] == 0
    assert page["lorenz"][-1] == 1
    assert page["groups"] == [
        {"name": "women", "people": 20, "effective_matches": 1.0, "without_a_match": 0.5},
        {"name": "25 to 34", "people": 20, "effective_matches": 1.0, "without_a_match": 0.5},
    ]
    chart = await api.http.get("/v1/statistics/fairness/chart")
    assert chart.headers["content-type"].startswith("image/svg+xml")
    assert "Gini of exposure 0.40" in chart.text


async def test_nothing_is_said_of_few(api: Api) -> None:
    """Nineteen people: no figure, and a picture that says so."""
    await api.people(19)
    await fairness.renew(api.app.state.db)
    page = (await api.http.get("/v1/statistics/fairness")).json()
    assert (page["people"], page["exposure_gini"], page["groups"], page["lorenz"]) == (0, None, [], [])
    assert "too few people" in (await api.http.get("/v1/statistics/fairness/chart")).text


async def test_the_page_is_made_in_a_while_and_not_at_a_request(api: Api) -> None:
    """Who comes between two rounds of the job is not counted, however often somebody asks; after six hours the page is new."""
    await api.people(20)
    db = api.app.state.db
    await fairness.renew(db)
    await api.people(1)
    await fairness.renew(db)
    assert (await api.http.get("/v1/statistics/fairness")).json()["people"] == 20

    async def age(tx: Transaction) -> None:
        await tx.run("UPDATE statistics SET made_at = made_at - :six_hours", six_hours=fairness.AGAIN)

    await db.write(age)
    await fairness.renew(db)
    assert (await api.http.get("/v1/statistics/fairness")).json()["people"] == 21


async def test_to_how_many_people_i_was_shown(api: Api) -> None:
    """Different people of the last seven days; not those before, and not whom I was shown."""
    anna, *others = await api.people(4)
    day = api.app.state.db.clock() // DAY
    seen = [(day, others[0]), (day - 1, others[0]), (day - 6, others[1]), (day - 7, others[2])]
    await run(api, EXPOSURE, [{"day": d, "viewer": viewer.id, "shown": anna.id} for d, viewer in seen])
    assert (await anna.get("/me/statistics")).json() == {"shown_to": 2}
    assert (await others[0].get("/me/statistics")).json() == {"shown_to": 0}


def test_the_gini_is_that_of_the_definition() -> None:
    """Half the mean difference of all pairs over the mean; 0 where all are alike or nothing is there."""
    dice = random.Random(1)
    amounts = sorted(dice.randint(0, 30) for _ in range(60))
    rows = [Amount(amount, amounts.count(amount)) for amount in sorted(set(amounts))]
    pairs = sum(abs(one - other) for one in amounts for other in amounts)
    assert abs(fairness.gini(rows) - pairs / (2 * len(amounts) * sum(amounts))) < 1e-12
    assert fairness.gini([Amount(5, 9)]) == fairness.gini([Amount(0, 9)]) == fairness.gini([]) == 0
    assert fairness.lorenz([Amount(0, 1), Amount(4, 1)])[::10] == [0, 0, 1]


def test_a_name_does_not_become_markup() -> None:
    """What stands in the picture is escaped."""
    group = Group(name="<script>", people=20, effective_matches=0.0, without_a_match=1.0)
    page = Fairness(
        people=20,
        exposure_gini=0.0,
        lorenz=[0.0, 1.0],
        without_a_match=1.0,
        effective_matches=0.0,
        unanswered=0.0,
        groups=[group],
    )
    assert "<script>" not in fairness_chart.draw(page)
