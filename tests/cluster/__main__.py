"""A whole cluster on this machine until Ctrl-C: PostgreSQL and Valkey from the test wheels, and `dating serve --workers 2`.

python -m tests.cluster [--workers=N] [--port=N]
"""

import os
import secrets
import subprocess
import sys

from tests.cluster.valkey import Valkey
from tests.kit import Postgres, die_with_parent


def run(words: list[str]) -> int:
    """Serve until the server ends; its exit status."""
    postgres, valkey = Postgres(), Valkey().start()
    given = {"JWT_SECRET": secrets.token_urlsafe(48)} | os.environ
    given |= {"DATABASE_URL": postgres.create("dating"), "REDIS_URL": valkey.url}
    command = [sys.executable, "-m", "dating", "serve", *(words or ["--workers=2"])]
    server = subprocess.Popen(command, env=given, preexec_fn=die_with_parent)
    while True:
        try:
            status = server.wait()
        except KeyboardInterrupt:  # the server has heard it too
            continue
        break
    valkey.kill()
    postgres.close()
    return status


if __name__ == "__main__":
    raise SystemExit(run(sys.argv[1:]))
