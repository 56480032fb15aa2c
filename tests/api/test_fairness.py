"""The fairness page: right sums, nothing of few people, made by the job and not by whoever asks; and what I know of myself."""

import random
from typing import Any

from dating.clock import DAY, rfc3339
from dating.database import Transaction
from dating.matching import fairness, fairness_chart
from dating.matching.fairness import Fairness, Group
from dating.matching.fairness_queries import Amount
from tests.kit import Api, Person

STANDING = """
INSERT INTO standings (user_id, week, shown_before, matches_before, unanswered) VALUES (:id, :week, :shown, :matches, :unanswered)
"""
EXPOSURE = """
INSERT INTO exposures (day, viewer_id, shown_id, shown_at, deck_at) VALUES (:day, :viewer, :shown, 0, 0)
"""


async def settle(api: Api, count: int, **fields: Any) -> list[Person]:
    """People who have been here for years."""
    people = await api.people(count, **fields)
    await run(api, "UPDATE users SET created_at = 0 WHERE id = :id", [{"id": person.id} for person in people])
    return people


async def run(api: Api, sql: str, rows: list[dict[str, Any]]) -> None:
    """The statement for each of the rows."""

    async def work(tx: Transaction) -> None:
        await tx.many(sql, rows)

    await api.app.state.db.write(work)


async def test_the_figures_are_those_of_the_people(api: Api) -> None:
    """Twenty women and twenty men of two ages, ten people of a third: sums, shares and groups."""
    women = await settle(api, 20, gender="female", birthday="1996-01-01")
    men = await settle(api, 20, gender="male", birthday="1980-01-01")
    db = api.app.state.db
    week = db.clock() // DAY // 7
    rows = [{"id": w.id, "week": week, "shown": 10, "matches": 2, "unanswered": 3} for w in women[:10]]
    rows += [{"id": m.id, "week": week, "shown": 10, "matches": 20, "unanswered": 0} for m in men[:5]]
    await run(api, STANDING, rows)
    assert (await api.http.get("/v1/statistics/fairness")).json()["made_at"] is None
    await fairness.renew(db)
    page = (await api.http.get("/v1/statistics/fairness")).json()
    assert (page["people"], page["without_a_match"], page["unanswered"]) == (40, 0.625, 0.75)
    assert page["exposure_gini"] == 0.625
    assert page["effective_matches"] == round((10 * 2 + 5 * 7) / 40, 2)
    assert page["lorenz"][12] == 0
    assert page["lorenz"][-1] == 1
    assert page["groups"] == [
        {"name": "men", "people": 20, "effective_matches": 1.75, "without_a_match": 0.75},
        {"name": "women", "people": 20, "effective_matches": 1.0, "without_a_match": 0.5},
        {"name": "25 to 34", "people": 20, "effective_matches": 1.0, "without_a_match": 0.5},
        {"name": "35 to 49", "people": 20, "effective_matches": 1.75, "without_a_match": 0.75},
    ]
    chart = await api.http.get("/v1/statistics/fairness/chart")
    assert chart.headers["content-type"].startswith("image/svg+xml")
    assert "default-src 'none'" in chart.headers["content-security-policy"]
    assert "<style" not in chart.text
    assert "style=" not in chart.text  # neither would be read by a browser, under that policy
    assert "Gini of exposure 0.62" in chart.text


async def test_nothing_is_said_of_few(api: Api) -> None:
    """Nineteen people: no figure, and a picture that says so."""
    await settle(api, 19)
    await fairness.renew(api.app.state.db)
    page = (await api.http.get("/v1/statistics/fairness")).json()
    assert (page["people"], page["exposure_gini"], page["groups"], page["lorenz"]) == (0, None, [], [])
    assert "too few people" in (await api.http.get("/v1/statistics/fairness/chart")).text


async def test_who_was_not_there_all_week_does_not_count(api: Api) -> None:
    """Who came during the last whole week, or after it, was hardly shown in it: that is nobody's unfairness."""
    old, during = await settle(api, 20), await api.people(2)
    db = api.app.state.db
    week = db.clock() // DAY // 7
    began = (week - 1) * 7 * DAY
    await run(api, "UPDATE users SET created_at = :at WHERE id = :id", [{"id": during[0].id, "at": began}])
    await run(api, "UPDATE users SET created_at = :at WHERE id = :id", [{"id": during[1].id, "at": began - 1}])
    shown = [*old, during[1]]
    await run(api, STANDING, [{"id": p.id, "week": week, "shown": 7, "matches": 1, "unanswered": 0} for p in shown])
    await fairness.renew(db)
    page = (await api.http.get("/v1/statistics/fairness")).json()
    assert (page["people"], page["exposure_gini"], page["without_a_match"]) == (21, 0, 0)


def test_small_groups_cannot_be_worked_out() -> None:
    """What the groups that are told leave of all is nobody, or large enough to be told itself."""

    def tell(*sizes: int) -> list[int]:
        groups = [Group(name="x", people=size, effective_matches=1.0, without_a_match=0.0) for size in sizes]
        return [group.people for group in fairness.choose_told(groups)]

    assert tell(300, 200, 5) == [300]
    assert tell(300, 200, 10, 10) == [300, 200]
    assert tell(300, 200, 0) == [300, 200]
    assert tell(25, 5) == tell(5) == tell() == []
    dice = random.Random(2)
    for _ in range(200):
        sizes = [dice.choice([0, 1, 7, 19, 20, 50, 400]) for _ in range(5)]
        rest = sum(sizes) - sum(tell(*sizes))
        assert rest == 0 or rest >= 20 or not tell(*sizes)


async def test_the_page_is_made_in_a_while_and_not_at_a_request(api: Api) -> None:
    """Who comes between two rounds of the job is not counted, however often somebody asks; after six hours the page is new."""
    await settle(api, 20)
    db = api.app.state.db
    await fairness.renew(db)
    await settle(api, 1)
    await fairness.renew(db)
    assert (await api.http.get("/v1/statistics/fairness")).json()["people"] == 20

    async def age(tx: Transaction) -> None:
        await tx.run("UPDATE statistics SET made_at = made_at - :six_hours", six_hours=fairness.AGAIN)

    await db.write(age)
    await fairness.renew(db)
    assert (await api.http.get("/v1/statistics/fairness")).json()["people"] == 21
    made_at = db.clock() - DAY  # the clock goes back
    db.clock = lambda: made_at
    await fairness.renew(db)
    page = (await api.http.get("/v1/statistics/fairness")).json()
    assert page["made_at"] == rfc3339(made_at)


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
