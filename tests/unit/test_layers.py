"""The shape that import-linter cannot see by itself: that its contracts cover every feature, and who writes which table."""

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "dating"
CONTRACTS = {
    contract["id"]: contract
    for contract in tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"]
}
WRITE = re.compile(r"\b(?:INSERT INTO|UPDATE|DELETE FROM)\s+(?!SET\b)([a-z_]+)")


def list_features() -> set[str]:
    """The folders that are built as features: each has rules of its own."""
    return {path.parent.name for path in SOURCE.glob("*/service.py")}


def list_writes() -> Iterator[tuple[str, str]]:
    """Each (table, folder or module) where a statement in the code writes."""
    for path in SOURCE.rglob("*.py"):
        home = path.relative_to(SOURCE).with_suffix("").parts[0]
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield from ((table, home) for table in WRITE.findall(node.value))


def test_contracts_cover_every_feature() -> None:
    """Each feature stands in the contract that orders its four files."""
    assert {f"dating.{name}" for name in list_features()} <= set(CONTRACTS["feature"]["containers"])


def test_each_table_has_one_writer() -> None:
    """Any query may read any table, only the feature that owns it writes it."""
    writers = defaultdict(set)
    for table, home in list_writes():
        writers[table].add(home)
    assert writers
    assert {table: homes for table, homes in writers.items() if len(homes) > 1} == {}
