"""`dating eval` on evenings that the tests make up, where the truth is known."""

import csv
import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from rich.console import Console

from dating.evaluation import evaluate
from dating.evaluation.auc import area, measure
from dating.evaluation.dates import CARD, Dates, load
from dating.evaluation.predictors import PREDICTORS, cut, fit, guess_ours, sigmoid
from dating.replay.data import INTERESTS, BadData

EVENINGS, SIDE = 6, 9


def write(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(rows[0]))
        table.writeheader()
        table.writerows(rows)


def make_evenings(folder: Path) -> None:
    """People differ in choosiness and appeal and in nothing that a profile tells; score cards know the decision."""
    dice = np.random.default_rng(5)
    people: list[dict[str, object]] = []
    dates: list[dict[str, object]] = []
    for evening in range(1, EVENINGS + 1):
        men, women = ([evening * 100 + side * 50 + number for number in range(SIDE)] for side in (0, 1))
        for iid in (*men, *women):
            told = {name: int(dice.integers(1, 11)) for name in INTERESTS}
            people.append(
                {"iid": iid, "wave": evening, "gender": int(iid in men), "age": "", "imprace": 9, "imprelig": 9, **told}
            )
        choosiness = {iid: dice.normal(0, 1.3) for iid in (*men, *women)}
        appeal = {iid: dice.normal(0, 1.3) for iid in (*men, *women)}
        for man in men:
            for woman in women:
                decided = {
                    side: int(dice.random() < sigmoid(np.array(choosiness[one] + appeal[other] - 0.3)))
                    for side, one, other in (("m", man, woman), ("f", woman, man))
                }
                cards = {f"{name}_{side}": 5 + 2 * decided[side] + int(dice.integers(3)) for name in CARD for side in "mf"}
                dates.append({"wave": evening, "m": man, "f": woman, "dec_m": decided["m"], "dec_f": decided["f"], **cards})
    write(folder / "people.csv", people)
    write(folder / "dates.csv", dates)


def replace_decisions(dates: Dates, rows: np.ndarray) -> Dates:
    """The same with other decisions on these dates."""
    man, woman = dates.man_likes.copy(), dates.woman_likes.copy()
    man[rows], woman[rows] = 1 - man[rows], 1 - woman[rows]
    return dates._replace(man_likes=man, woman_likes=woman)


def test_the_table_and_the_json(tmp_path: Path) -> None:
    """Ours tells matches well where people are all that matters, profiles tell nothing, and the ceiling is above."""
    make_evenings(tmp_path)
    said, report = io.StringIO(), tmp_path / "figures.json"
    assert evaluate(tmp_path, 1, report, Console(file=said, width=120)) == 0
    found = msgspec.json.decode(report.read_bytes())
    assert list(found) == list(PREDICTORS)
    for name, one in found.items():
        assert name in said.getvalue()
        assert one["low"] <= one["auc"] <= one["high"]
    assert found["ours"]["auc"] > 0.72
    assert abs(found["similarity of interests"]["auc"] - 0.5) < 0.1
    assert found["ceiling: score cards written after the date"]["auc"] > found["ours"]["auc"]
    again = tmp_path / "again.json"
    evaluate(tmp_path, 1, again, Console(quiet=True))
    assert again.read_bytes() == report.read_bytes()


def test_a_date_tells_nothing_about_itself(tmp_path: Path) -> None:
    """No leakage: turning the decisions of one part of an evening around changes no guess about that part."""
    make_evenings(tmp_path)
    dates = load(tmp_path)
    here = np.flatnonzero(dates.evening == 1)
    parts = [asked for _, asked in cut(here, np.random.default_rng(1))]
    changed = replace_decisions(dates, parts[3])
    before, after = (guess_ours(one, np.random.default_rng(1)) for one in (dates, changed))
    assert (before[parts[3]] == after[parts[3]]).all()
    assert (before[parts[4]] != after[parts[4]]).any()


@pytest.mark.parametrize("name", ["profiles alone", "ceiling: score cards written after the date"])
def test_regressions_learn_from_other_evenings_only(tmp_path: Path, name: str) -> None:
    """Turning every decision of one evening around changes no guess about it."""
    make_evenings(tmp_path)
    dates = load(tmp_path)
    here = np.flatnonzero(dates.evening == 2)
    guess, dice = PREDICTORS[name], np.random.default_rng(1)
    assert (guess(dates, dice)[here] == guess(replace_decisions(dates, here), dice)[here]).all()


def test_parts_cover_an_evening_once() -> None:
    """Every date is asked once and never known when it is asked."""
    asked_all = []
    for known, asked in cut(np.arange(40, 95), np.random.default_rng(2)):
        assert not set(known) & set(asked)
        assert len(known) + len(asked) == 55
        asked_all += asked.tolist()
    assert sorted(asked_all) == list(range(40, 95))


def test_areas_by_hand() -> None:
    """The area on numbers that one can check: perfect, reversed, blind, with ties, without one of the kinds."""
    matched = np.array([True, True, False, False])
    assert area(matched, np.array([4.0, 3, 2, 1])) == 1
    assert area(matched, np.array([1.0, 2, 3, 4])) == 0
    assert area(matched, np.ones(4)) == 0.5
    assert area(matched, np.array([3.0, 2, 2, 1])) == 0.875
    assert area(np.zeros(4, bool), np.arange(4.0)) == 0.5


def test_intervals_resample_evenings() -> None:
    """Where every evening is alike the interval is narrow; where one differs it is wide."""
    evening, matched = np.repeat([1, 2, 3], 4), np.tile([True, True, False, False], 3)
    alike = np.tile([3.0, 1, 2, 0], 3)
    same = measure(evening, matched, alike, np.random.default_rng(1))
    assert same.low == same.auc == same.high == 0.75
    alike[8:] = [0, 0, 9, 9]
    assert measure(evening, matched, alike, np.random.default_rng(1)).low < 0.4


def test_the_regression_finds_its_coefficients() -> None:
    """On plenty of data the constant and the slope come out."""
    dice = np.random.default_rng(1)
    x = dice.normal(size=(20_000, 1))
    found = fit(x, (dice.random(20_000) < sigmoid(0.5 - 1.5 * x[:, 0])).astype(int))
    assert found == pytest.approx([0.5, -1.5], abs=0.1)


def test_unreadable_data_is_said(tmp_path: Path) -> None:
    """Missing tables, missing columns, unknown people and a single evening end with 2 and a sentence."""
    said = io.StringIO()
    assert evaluate(tmp_path, 1, None, Console(file=said, width=300)) == 2
    assert "cannot be read" in said.getvalue()
    make_evenings(tmp_path)
    text = (tmp_path / "dates.csv").read_text("utf-8")
    for broken in (text.replace("dec_m", "dec_x"), text.replace("100,150", "100,999"), "\n".join(text.splitlines()[:5])):
        (tmp_path / "dates.csv").write_text(broken, "utf-8")
        with pytest.raises(BadData):
            load(tmp_path)
