"""Write the three lists of pinned versions beside this file, with the hashes that pip must find.

    .venv/bin/python requirements/pin.py [pip options, such as --constraint FILE]

It asks whatever index pip is configured for and writes down no address. serve.txt holds what `dating serve`
needs, dev.txt adds the tests' needs, bench.txt those of the comparisons in bench/. Run it with
the oldest Python that is supported (3.11.2), or what only that one needs is missing, and with pip 26 in the
environment: the hashes of other machines' files are read through pip's own, unpublished, classes.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING

from pip._internal.commands import create_command
from pip._internal.index.collector import LinkCollector, parse_links
from pip._vendor.packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
LISTS = {"serve": [], "dev": ["dev", "plots"], "bench": ["dev", "plots", "bench"]}
"""Which extras each list covers, together with the lists before it."""

USABLE_PYTHON = re.compile(r"^(py3|py2|cp3(11|12|13|14))$|^abi3$")
USABLE_PLATFORM = re.compile(r"^any$|^(manylinux|musllinux|macosx)\w*_(x86_64|aarch64|arm64|universal2)$|^linux_x86_64$")

HEADER = """\
# Written by requirements/pin.py.
# Install with: pip install --require-hashes -r requirements/{name}.txt
"""


def main() -> None:
    """Resolve the project with each list's extras, newest versions first, and write the lists."""
    options = sys.argv[1:]
    pinned: dict[str, str] = {}
    before = ""
    for name, extras in LISTS.items():
        found = resolve(extras, pinned, options)
        added = {package: version for package, version in found.items() if package not in pinned}
        write(name, added, before)
        pinned |= added
        before = f"-r {name}.txt\n"
        print(f"requirements/{name}.txt: {len(added)} packages")


def resolve(extras: list[str], already: dict[str, str], options: list[str]) -> dict[str, str]:
    """The version of every package that the project needs with these extras, keeping those already pinned."""
    project = tomllib.loads((HERE.parent / "pyproject.toml").read_text())
    wanted = list(project["build-system"]["requires"]) + ["editables"] + project["project"]["dependencies"]
    for extra in extras:
        wanted += project["project"]["optional-dependencies"][extra]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        constraints = Path(folder) / "already.txt"
        constraints.write_text("".join(f"{name}=={version}\n" for name, version in already.items()))
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"]
        command += ["--report", str(report), "--constraint", str(constraints), *options, *wanted]
        subprocess.run(command, check=True)
        chosen = json.loads(report.read_text())["install"]
    return {
        str(canonicalize_name(item["metadata"]["name"])): item["metadata"]["version"]
        for item in sorted(chosen, key=lambda item: canonicalize_name(item["metadata"]["name"]))
    }


def write(name: str, pinned: dict[str, str], before: str) -> None:
    """Write one list: each package with the hashes of every file that a supported machine could install."""
    lines = [HEADER.format(name=name), before]
    for package, version in pinned.items():
        hashes = sorted(set(file_hashes(package, version)))
        if not hashes:
            raise SystemExit(f"No file of {package} {version} has a hash.")
        lines.append(f"{package}=={version}" + "".join(f" \\\n    --hash=sha256:{digest}" for digest in hashes) + "\n")
    (HERE / f"{name}.txt").write_text("".join(lines))


def file_hashes(package: str, version: str) -> Iterator[str]:
    """The SHA-256 of each usable file of a version, in every place that pip is configured to look."""
    command = create_command("download")
    options, _ = command.parse_args([package])
    with command.main_context():
        collector = LinkCollector.create(command.get_default_session(options), options)  # type: ignore[attr-defined]
        places = collector.collect_sources(package, candidates_from_page=lambda _: [])
        for place in places.index_urls:
            page = collector.fetch_response(place.link) if place and place.link else None
            for link in parse_links(page) if page else ():
                hashes = link.as_hashes()._allowed
                if is_usable(link.filename, version) and "sha256" in hashes:
                    yield from hashes["sha256"]


def is_usable(filename: str, version: str) -> bool:
    """Whether a file is this version's source, or built for CPython 3.11 and later on Linux or macOS."""
    try:
        if not filename.endswith(".whl"):
            return str(parse_sdist_filename(filename)[1]) == version
        _, found, _, tags = parse_wheel_filename(filename)
    except (InvalidSdistFilename, InvalidWheelFilename):
        return False
    return str(found) == version and any(
        (USABLE_PYTHON.match(tag.interpreter) or tag.abi == "abi3") and USABLE_PLATFORM.match(tag.platform) for tag in tags
    )


if __name__ == "__main__":
    main()
