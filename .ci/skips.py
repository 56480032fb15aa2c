"""Fail when a test did not run: `python skips.py REPORT`, where REPORT is what pytest's --junitxml wrote.

Skipped and expected-to-fail tests both count. Exit status 1 and one line for each of them, or for a report
without tests.
"""

import sys
from xml.etree import ElementTree as ET


def main() -> None:
    """Read the report named on the command line and judge it."""
    cases = list(ET.parse(sys.argv[1]).getroot().iter("testcase"))
    problems = [
        f"skipped: {case.get('classname')}::{case.get('name')}: {skip.get('message')}"
        for case in cases
        for skip in case.iter("skipped")
    ]
    if not cases:
        problems = ["no test ran"]
    if problems:
        sys.exit("\n".join(problems))
    print(f"{len(cases)} tests ran, none was skipped.")


if __name__ == "__main__":
    main()
