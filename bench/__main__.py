"""Run every benchmark, or the named ones: `python -m bench messages cluster`, for example; see `ALL` and `LARGE`."""

import subprocess
import sys

ALL = ["messages", "cluster", "swipes", "candidates", "sockets", "chats"]
LARGE = ["deck", "search", "index"]  # by name only: a million people, or messages, take a while to make


def main() -> int:
    """The first exit status that is not 0, or 0."""
    names = sys.argv[1:] or ALL
    unknown = sorted(set(names) - set(ALL) - set(LARGE))
    if unknown:
        sys.exit(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(ALL + LARGE)}.")
    return max(subprocess.call([sys.executable, "-m", f"bench.{name}"]) for name in names)


if __name__ == "__main__":
    sys.exit(main())
