"""The house itself: what is committed, what is pinned, what the wheel carries, what the commands say."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SOURCE = ROOT / "src" / "dating"
MODULES = sorted(SOURCE.rglob("*.py"))
ABOUT_400 = 440  # lines that are not blank
LISTS = ("serve", "dev", "bench")
UNCOMMITTED = {"vendor", "__pycache__", "dist", "build", "htmlcov", "reports", "node_modules"}

HIDING_PLACES = {
    "utils",
    "util",
    "common",
    "core",
    "helpers",
    "helper",
    "misc",
    "schemas",
    "repositories",
    "interfaces",
}
# Put together here, or this file would find itself.
INDEXES = [
    "pypi" + ".org",
    "python" + "hosted",
    "registry.npm" + "js",
    "--index" + "-url",
    "find" + "-links",
    "npm" + "mirror",
]
MACHINE_PATHS = [f"/{folder}/" for folder in ("work", "root", "home", "tmp")]


def list_committed() -> Iterator[Path]:
    """Every text that a clone would hold, ours only; found without git, which a bare machine may lack."""
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if (name[0] != "." or name == ".ci") and name not in UNCOMMITTED]
        for path in (Path(folder, name) for name in names if name not in (".env", ".git")):
            if b"\0" not in path.read_bytes():
                yield path


def read_pins(name: str) -> dict[str, tuple[str, list[str]]]:
    """Each package of one list and of the lists it builds on: the version and the hashes."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text("utf-8")
    pins = {}
    for line in re.sub(r"#.*", "", text).replace("\\\n", " ").splitlines():
        if below := re.fullmatch(r"-r (\w+)\.txt", line):
            pins |= read_pins(below[1])
        elif line.strip():
            pin, *hashes = line.split()
            package, version = pin.split("==")
            pins[package] = (version, hashes)
    return pins


def test_no_file_names_an_index() -> None:
    """No committed file names a package index, so every mirror is as good as the original."""
    found = [f"{path}: {word}" for path in list_committed() for word in INDEXES if word in path.read_text("utf-8")]
    assert not found


def test_no_file_names_a_machine() -> None:
    """No committed file depends on where somebody's machine keeps things."""
    found = [
        f"{path}: {word}"
        for path in list_committed()
        if path != Path(__file__)
        for word in MACHINE_PATHS
        if re.search(rf"(?<![\w.}}>*/]){word}", path.read_text("utf-8"))
    ]
    assert not found


def test_pins_have_hashes_and_nothing_else() -> None:
    """Every pinned package has hashes, and the lists hold no address and no option."""
    for name in LISTS:
        for version, hashes in read_pins(name).values():
            assert version
            assert hashes
            assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", digest) for digest in hashes)


def test_pins_satisfy_the_project() -> None:
    """What is pinned is inside the bounds of pyproject.toml, for the server and for each extra."""
    extras = PROJECT["project"]["optional-dependencies"]
    wanted = {
        "serve": [*PROJECT["project"]["dependencies"], *PROJECT["build-system"]["requires"]],
        "dev": extras["dev"],
        "bench": extras["bench"],
    }
    for name in LISTS:
        pins = read_pins(name)
        for requirement in map(Requirement, wanted[name]):
            version, _ = pins[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version), requirement


def test_wheel_carries_everything(tmp_path: Path) -> None:
    """The wheel holds each module and migration, the API page's script with its license, and the command."""
    wheel = next(iter(WheelBuilder(str(ROOT)).build(directory=str(tmp_path), versions=["standard"])))
    with ZipFile(wheel) as archive:
        names = set(archive.namelist())
        entry_points = archive.read("dating-0.1.0.dist-info/entry_points.txt").decode()
    assert "dating = dating.__main__:main" in entry_points
    assert {f"dating/{path.relative_to(SOURCE).as_posix()}" for path in MODULES} <= names
    assert {f"dating/migrations/{path.name}" for path in (ROOT / "migrations").glob("*.sql")} <= names
    assert {
        "dating/py.typed",
        "dating/web/vendor/rapidoc/LICENSE.txt",
        "dating/web/vendor/rapidoc/rapidoc-min.js",
    } <= names


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_module_is_readable(path: Path) -> None:
    """A module says what it is for, stays on a few screens, and is named after a thing."""
    text = path.read_text("utf-8")
    assert ast.get_docstring(ast.parse(text)), "has no docstring"
    assert sum(map(bool, text.splitlines())) <= ABOUT_400, "is too long to read at once"
    assert not HIDING_PLACES & set(path.relative_to(SOURCE).with_suffix("").parts)


def test_every_test_has_a_sentence() -> None:
    """Every test says in its docstring what is true when it passes."""
    silent = [
        f"{path.relative_to(ROOT)}::{node.name}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert not silent


def test_make_help_lists_the_commands() -> None:
    """`make` alone names every command with what it does."""
    said = subprocess.run(["make"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for command in ("serve", "test", "check", "bench", "help"):
        assert re.search(rf"^  make {command} +\w+", said, re.MULTILINE), command


def test_a_skip_fails_the_pipeline(tmp_path: Path) -> None:
    """A run with a skipped, an expected-to-fail or a missing test is refused, naming each; one where all ran is not."""
    (tmp_path / "test_ran.py").write_text("def test_a(): pass\n")
    assert judge(tmp_path) == (0, "1 tests ran, none was skipped.")
    (tmp_path / "test_skipped.py").write_text("import pytest\n\ndef test_b(): pytest.skip('no server')\n")
    (tmp_path / "test_failing.py").write_text("import pytest\n\n@pytest.mark.xfail\ndef test_c(): assert 0\n")
    (tmp_path / "test_absent.py").write_text("import pytest\n\npytest.importorskip('no_such_module')\n")
    status, said = judge(tmp_path)
    assert status == 1
    assert len(said.splitlines()) == 3
    assert "skipped: test_skipped::test_b: no server" in said


def test_an_empty_run_fails_the_pipeline(tmp_path: Path) -> None:
    """A run without any test is refused."""
    assert judge(tmp_path) == (1, "no test ran")


def judge(folder: Path) -> tuple[int, str]:
    """Run pytest over a folder and give its report to the judge of the pipeline: exit status and words."""
    (folder / "pytest.ini").write_text("[pytest]\n")
    report = folder / "report.xml"
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
    clean = os.environ | {"PYTEST_ADDOPTS": "", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    subprocess.run(run, cwd=folder, check=False, capture_output=True, env=clean)
    judged = subprocess.run([sys.executable, ROOT / ".ci" / "skips.py", report], check=False, capture_output=True, text=True)
    return judged.returncode, (judged.stdout + judged.stderr).strip()


# Tests that need a server and cannot have two processes: {file: how many}. Each says why where it stands.
ONE_PROCESS = {
    "api/test_exposure_log.py": 2,  # asks the database
    "api/test_boosts.py": 5,
    "api/test_deck.py": 5,
    "api/test_bad_input.py": 1,
    "api/test_attackers.py": 1,
    "api/test_candidate_index.py": 8,
    "api/test_database.py": 24,
    "api/test_documentation.py": 17,
    "api/test_headers.py": 1,
    "api/test_hub.py": 16,
    "api/test_location_attacks.py": 3,
    "api/test_migrations.py": 7,
    "api/test_newcomers.py": 2,
    "api/test_operations.py": 4,
    "api/test_profiles.py": 1,
    "api/test_explain.py": 2,
    "api/test_search_oracle.py": 1,
    "api/test_sessions.py": 1,
    "ws/test_calls.py": 1,
    "ws/test_raw_requests.py": 1,
    "ws/test_socket.py": 2,
}


def find_reason(marks: list[ast.expr]) -> str | None:
    """Why it stays on one process, as its mark says."""
    for mark in marks:
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.one_process":
            return str(ast.literal_eval(mark.args[0]))
    return None


def count_one_process(path: Path) -> int:
    """How many tests of a file cannot run on two processes."""
    body = ast.parse(path.read_text("utf-8")).body
    marks = [n.value for n in body if isinstance(n, ast.Assign) and ast.unparse(n.targets[0]) == "pytestmark"]
    tests = [n for n in body if isinstance(n, ast.AsyncFunctionDef | ast.FunctionDef) and n.name.startswith("test_")]
    if reason := find_reason(marks):
        assert reason.strip()
        return len(tests)
    return sum(bool(find_reason(test.decorator_list)) for test in tests)


def test_what_stays_on_one_process_is_known() -> None:
    """Everything that asks a server runs on two processes, but for what is counted here: another exception is a decision."""
    folders = ("api", "ws")
    files = [path for folder in folders for path in sorted((ROOT / "tests" / folder).glob("test_*.py"))]
    found = {f"{path.parent.name}/{path.name}": count_one_process(path) for path in files}
    assert {name: count for name, count in found.items() if count} == ONE_PROCESS


OUTWARD = re.compile(r"\b(open_connection|create_connection|create_pool|aiosmtplib|httpx\.AsyncClient|urllib\.request)")
WHO_CONNECTS = {
    "__main__.py",  # simulate, to the server that it is told
    "accounts/mail.py",  # the operator's mail server
    "database/postgres.py",
    "redis/wire.py",
    "replay/client.py",  # to the server that it is told
    "safety/classifier.py",  # the operator's, off by default
    "simulation/__init__.py",
    "simulation/served.py",
}


def test_who_connects_to_others_is_known() -> None:
    """No analytics, no preview of links, nobody else's service: these files alone open connections."""
    found = {path.relative_to(SOURCE).as_posix() for path in MODULES if OUTWARD.search(path.read_text("utf-8"))}
    assert found == WHO_CONNECTS
