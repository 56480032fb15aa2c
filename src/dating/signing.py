"""The secret that signs tokens: how strong it must be, and where development keeps the one it made."""

import os
import re
import secrets
from itertools import pairwise
from pathlib import Path
from zlib import compress

from dating.environment import SettingsError


def check_secrets(given: tuple[str, ...]) -> None:
    """Raises SettingsError unless every secret is long and unlikely enough for production."""
    reasons = [reason for secret in given or ("",) if (reason := find_weakness(secret))]
    if reasons:
        advice = "make one: python3 -c 'import secrets; print(secrets.token_urlsafe(48))'"
        raise SettingsError(*(f"JWT_SECRET: {reason}; production needs a strong one, {advice}." for reason in reasons))


def find_weakness(secret: str) -> str | None:
    """Why this secret could be guessed, or None."""
    if len(secret.encode()) < 32:
        return f"has {len(secret.encode())} bytes of at least 32" if secret else "is missing"
    if re.search(r"change.?(me|this|in|it)|your.{0,12}(secret|key)|secret.?key|example|password|123456", secret.lower()):
        return "is a sample that everybody knows"
    steps = [abs(ord(left) - ord(right)) <= 1 for left, right in pairwise(secret)]
    if len(set(secret)) < 10 or len(compress(secret.encode(), 9)) < 30 or sum(steps) * 2 > len(steps):
        return "repeats itself"
    return None


def keep_secret(path: Path) -> str:
    """The secret kept in this file, made when missing; of several starters at once all get the same one.

    Raises SettingsError when the file cannot be made or does not hold a secret.
    """
    draft = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _write_private(draft, secrets.token_urlsafe(48))
            _name_once(draft, path)
        kept = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"JWT_SECRET: is not set, and {path} cannot hold one: {error}.") from error
    if len(kept) < 32:
        raise SettingsError(f"JWT_SECRET: is not set, and {path} holds no secret: remove that file.")
    return kept


def _write_private(path: Path, text: str) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())


def _name_once(draft: Path, path: Path) -> None:
    """Give the finished draft its name unless another starter was faster: a link never replaces."""
    try:
        os.link(draft, path)
    except FileExistsError:
        pass
    finally:
        draft.unlink()
