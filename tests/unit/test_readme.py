"""The map in the README is the tree as it is, and the operations that it names are there."""

import re
from pathlib import Path

from dating.app import create_app
from dating.documentation import document
from dating.settings import Settings

ROOT = Path(__file__).parents[2]


def read_map() -> tuple[set[str], set[str]]:
    """The names in the map: inside the package, and beside it."""
    readme = (ROOT / "README.md").read_text()
    text = readme.split("## The map", 1)[1].split("```", 2)[1]
    inside = set(re.findall(r"^  ([\w/.]+) ", text, re.MULTILINE))
    beside = set(re.findall(r"^([\w/.]+) ", text, re.MULTILINE))
    return inside, beside


def test_the_map_names_what_is_there() -> None:
    """Every module and folder of the package stands in the map, and everything in the map exists."""
    package = ROOT / "src" / "dating"
    files = {path.name for path in package.glob("*.py") if path.name != "__init__.py"}
    folders = {f"{path.name}/" for path in package.iterdir() if path.is_dir() and not path.name.startswith("_")}
    inside, _ = read_map()
    assert inside == files | folders


def test_the_map_names_the_folders_beside() -> None:
    """The folders of the project that people read stand in the map."""
    _, beside = read_map()
    assert beside == {"migrations/", "tests/", "bench/", "docs/decisions/", "requirements/", "deploy/"}
    assert all((ROOT / name).is_dir() for name in beside)


def test_features_have_the_same_files() -> None:
    """Each feature has routes, service, queries and models."""
    for feature in ("accounts", "profiles", "matching", "chat", "safety", "moderation"):
        names = {path.stem for path in (ROOT / "src" / "dating" / feature).glob("*.py")}
        assert {"routes", "service", "queries", "models"} <= names, feature


def test_the_messenger_has_its_operations() -> None:
    """Each row of the messenger's table is an operation of the document, but for those that say "not yet"."""
    readme = (ROOT / "README.md").read_text()
    section = readme.split("## The messenger, row by row", 1)[1].split("\n## ", 1)[0]
    named = {name for line in section.splitlines() if "not yet" not in line for name in re.findall(r"`([A-Z]+ /[^`]+)`", line)}
    paths = document(create_app(Settings()))["paths"]
    assert len(named) > 25
    assert named - {f"{method.upper()} {path}" for path, item in paths.items() for method in item} == set()
