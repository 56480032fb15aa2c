"""Where settings come from: the `.env` file, other servers' names for our variables, the forms of addresses.

Knows text only. Which variables there are, and what they mean, is in `settings`.
"""

import re
from collections.abc import Callable, Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote, urlsplit


class SettingsError(Exception):
    """Settings that cannot be used. `problems` has one sentence for each variable, naming it."""

    def __init__(self, *problems: str) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def read_dotenv(path: str | Path | None) -> dict[str, str]:
    """The variables of a `.env` file: KEY=VALUE lines, `export`, quotes and `#` comments allowed."""
    try:
        lines = Path(path).read_text("utf-8-sig").splitlines() if path else []
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    return dict(
        _parse_line(line.strip(), f"{path} line {number}")
        for number, line in enumerate(lines, 1)
        if not re.fullmatch(r"\s*(#.*)?", line)
    )


def _parse_line(line: str, place: str) -> tuple[str, str]:
    match = re.fullmatch(r"(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(.*)", line)
    if not match:
        raise SettingsError(f"{place}: is not KEY=VALUE.")
    name, value = match.groups()
    quoted = re.fullmatch(r"""(["'])(.*?)\1\s*(?:#.*)?""", value)
    return name, quoted[2] if quoted else re.sub(r"(^|\s+)#.*", "", value)


def drop_empty(variables: Mapping[str, str]) -> dict[str, str]:
    """Without the empty ones: `REDIS_PASSWORD=` says that there is none."""
    return {name: value.strip() for name, value in variables.items() if value.strip()}


class Alias(NamedTuple):
    """Another name for a variable, as other servers call it, and how its value is said in ours."""

    variable: str
    translate: Callable[[str, Mapping[str, str]], str] = lambda text, _: text


def _times(seconds: int) -> Callable[[str, Mapping[str, str]], str]:
    def translate(text: str, _: Mapping[str, str]) -> str:
        if not re.fullmatch(r"[0-9]{1,9}", text):
            raise ValueError("is not a whole number")
        return str(int(text) * seconds)

    return translate


def _postgres_address(host: str, given: Mapping[str, str]) -> str:
    user, password = given.get("DB_USER", "postgres"), given.get("DB_PASSWORD", "")
    login = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
    mode = f"?sslmode={quote(given['DB_SSLMODE'])}" if "DB_SSLMODE" in given else ""
    name = quote(given.get("DB_NAME", user), safe="")
    return f"postgresql://{login}@{host}:{given.get('DB_PORT', '5432')}/{name}{mode}"


def _redis_address(host: str, given: Mapping[str, str]) -> str:
    password = given.get("REDIS_PASSWORD", "")
    login = f":{quote(password, safe='')}@" if password else ""
    return f"redis://{login}{host}:{given.get('REDIS_PORT', '6379')}/{given.get('REDIS_DB', '0')}"


ALIASES: dict[str, tuple[Alias, ...]] = {
    "env": (Alias("SERVER_ENV"), Alias("NODE_ENV")),
    "host": (Alias("SERVER_HOST"),),
    "port": (Alias("SERVER_PORT"),),
    "database_url": (Alias("DB_HOST", _postgres_address),),
    "redis_url": (Alias("REDIS_ADDR"), Alias("REDIS_HOST", _redis_address)),
    "jwt_secrets": (Alias("JWT_ACCESS_SECRET"),),
    "access_token_seconds": (Alias("JWT_ACCESS_EXPIRY", _times(60)),),
    "refresh_token_seconds": (Alias("JWT_REFRESH_EXPIRY", _times(86400)),),
}
"""Other names of the same things, in falling precedence, all below the variable's own name.

`JWT_ACCESS_EXPIRY` is in minutes and `JWT_REFRESH_EXPIRY` in days. `DB_HOST` brings `DB_PORT`, `DB_USER`,
`DB_PASSWORD`, `DB_NAME` and `DB_SSLMODE` with it; `REDIS_HOST` brings its `_PORT`, `_PASSWORD` and `_DB`.
"""


def _demand_scheme(*schemes: str) -> Callable[[str], str]:
    starts = " or ".join(f"{scheme}://" for scheme in schemes)

    def check(text: str) -> str:
        if not _is_address(text, schemes):
            raise ValueError(f"is not an address that begins with {starts}, with its special characters quoted")
        return text

    return check


def _is_address(text: str, schemes: tuple[str, ...]) -> bool:
    try:
        parts = urlsplit(text)
        named = parts.hostname or "host=" in parts.query
        return parts.scheme in schemes and bool(named) and parts.port != 0
    except ValueError:  # its sentence would quote a part of the password
        return False


def _name_redis(text: str) -> str:
    if "://" not in text:
        text = f"redis://{text}" if re.search(r":\d+$", text) else f"redis://{text}:6379"
    return _demand_scheme("redis", "rediss")(text)


def _name_environment(text: str) -> str:
    short = {"dev": "development", "test": "development", "prod": "production"}
    return short.get(text.lower(), text.lower())


def _check_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    for origin in origins:
        if not re.fullmatch(r"https?://[^\s/?#*@]+", origin.lower()):
            raise ValueError(f"{origin!r} is not an exact origin")
    return tuple(origin.lower() for origin in origins)


def _check_networks(networks: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(str(ip_network(network, strict=False)) for network in networks)


RULES: dict[str, Callable[[Any], Any]] = {
    "env": _name_environment,
    "log_level": str.lower,
    "database_url": _demand_scheme("postgres", "postgresql"),
    "redis_url": _name_redis,
    "smtp_url": _demand_scheme("smtp", "smtps"),
    "cors_origins": _check_origins,
    "trusted_proxies": _check_networks,
    "email_domains": lambda domains: tuple(domain.lower().removeprefix("@") for domain in domains),
}
"""What a type cannot say: each takes a field's value as read and gives its one form, or raises ValueError."""
