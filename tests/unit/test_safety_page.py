"""The page of attacks and faults: every row is there, and names tests that are."""

import ast
import re
from pathlib import Path

from dating.app import create_app
from dating.documentation import document
from dating.settings import Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "safety.md").read_text("utf-8")
SERIES = {"L": 7, "B": 12, "C": 12, "W": 8, "M": 7, "I": 9, "A": 3, "P": 4, "G": 5, "O": 5}
FAULTS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 14, 15, 16, 17, 18, 19, 20, 24, 25)
TEST = re.compile(r"`([\w/]+\.py)::(test_\w+)`")
ROWS = dict(re.findall(r"^\| ([A-Z]\d+) \| (.+)$", PAGE, re.MULTILINE))


def test_every_row_is_there() -> None:
    """All attacks and faults of the list, in its order, each once."""
    attacks = [f"{letter}{number}" for letter, count in SERIES.items() for number in range(1, count + 1)]
    assert re.findall(r"^\| ([A-Z]\d+) \|", PAGE, re.MULTILINE) == attacks + [f"F{number}" for number in FAULTS]


def test_every_row_has_a_test_that_is_there() -> None:
    """What is named exists; only what does not exist yet is named by no test."""
    for name, row in ROWS.items():
        assert TEST.search(row) or "not yet: " in row, name
    named: dict[str, set[str]] = {}
    for file, test in TEST.findall(PAGE):
        named.setdefault(file, set()).add(test)
    for file, tests in named.items():
        body = ast.parse((ROOT / "tests" / file).read_text("utf-8")).body
        assert tests <= {node.name for node in body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}, file


def test_what_is_not_there_yet_is_not_there() -> None:
    """An operation for which a row waits has not come without it."""
    paths = document(create_app(Settings()))["paths"]
    waiting = {path for row in ROWS.values() for path in re.findall(r"not yet: `([^`]+)`", row)}
    assert waiting
    assert waiting & paths.keys() == set()
