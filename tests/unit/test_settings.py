"""Settings: what is read, what wins, what is refused, and what never shows."""

import random
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from dating.settings import KNOBS, Settings, SettingsError, describe, find_oddities, load, write_example
from dating.signing import find_weakness, keep_secret

STRONG = "kT3vXz9QpLw7RbN2mYc8HsD4fGj6UaE1"


def read(tmp_path: Path, dotenv: str = "", /, **environ: str) -> Settings:
    """The settings of a process with this environment and this `.env`."""
    (tmp_path / ".env").write_text(dotenv, "utf-8")
    return load({"JWT_SECRET": STRONG, **environ}, tmp_path / ".env")


def problems(**environ: str) -> tuple[str, ...]:
    """What is said of this environment."""
    with pytest.raises(SettingsError) as caught:
        load({"JWT_SECRET": STRONG, **environ}, None)
    return caught.value.problems


def test_defaults_are_a_development_server() -> None:
    """Without any variable there is a server on loopback with the embedded database."""
    settings = load({"JWT_SECRET": STRONG}, None)
    assert (settings.host, settings.port, settings.database_path) == ("127.0.0.1", 8088, Path("dating.db"))
    assert settings.database_url is settings.redis_url is None
    assert settings.testing
    assert settings.docs
    assert settings.rate_limits
    assert settings.likes_per_day == 0


def test_production_has_stricter_defaults_that_can_be_set() -> None:
    """In production the testers' operations and the pages are off until they are asked for."""
    settings = load({"DATING_ENV": "production", "JWT_SECRET": STRONG, "DATING_DOCS": "1"}, None)
    assert settings.production
    assert not settings.testing
    assert settings.docs
    assert settings.log_format == "json"
    assert settings.drain_seconds == 10


def test_dotenv_forms(tmp_path: Path) -> None:
    """Comments, quotes, `export`, spaces and Cyrillic are read as people mean them."""
    settings = read(
        tmp_path,
        "\ufeff# a server\n\nexport PORT = 9000   # mine\r\nHOST='::1' # quoted\n"
        'DATING_MAIL_FROM="Знакомства # 1 💌 <a@b.c>"\nDATING_METRICS_TOKEN=a#b\nREDIS_URL=\n',
    )
    assert (settings.port, settings.host) == (9000, "::1")
    assert settings.mail_from == "Знакомства # 1 💌 <a@b.c>"
    assert settings.metrics_token == "a#b"
    assert settings.redis_url is None


def test_dotenv_line_without_value_is_named(tmp_path: Path) -> None:
    """A line that is not KEY=VALUE is refused with its number."""
    with pytest.raises(SettingsError, match=r"\.env line 2"):
        read(tmp_path, "PORT=1\nnonsense\n")


def test_dotenv_is_optional_and_must_be_text(tmp_path: Path) -> None:
    """No file is no fault; a file that is not UTF-8 is one."""
    assert load({"JWT_SECRET": STRONG}, tmp_path / "absent").port == 8088
    (tmp_path / "bad").write_bytes(b"PORT=\xff")
    with pytest.raises(SettingsError, match="cannot be read"):
        load({"JWT_SECRET": STRONG}, tmp_path / "bad")


def test_environment_wins_over_dotenv(tmp_path: Path) -> None:
    """Even an alias in the environment wins over the variable's own name in the file."""
    assert read(tmp_path, "PORT=1\n", PORT="2").port == 2
    assert read(tmp_path, "PORT=1\n", SERVER_PORT="3").port == 3
    assert read(tmp_path, "SERVER_PORT=4\n").port == 4


def test_own_name_wins_over_aliases() -> None:
    """Inside one source the variable's own name wins, then the aliases in the order of the table."""
    settings = load(
        {
            "JWT_SECRET": STRONG,
            "REDIS_URL": "redis://a",
            "REDIS_ADDR": "b:1",
            "REDIS_HOST": "c",
            "DB_HOST": "d",
            "DATABASE_URL": "postgres://e/f",
        },
        None,
    )
    assert settings.redis_url == "redis://a"
    assert settings.database_url == "postgres://e/f"
    assert load({"REDIS_ADDR": "b:1", "REDIS_HOST": "c", "JWT_SECRET": STRONG}, None).redis_url == "redis://b:1"


def test_seed_environment_is_understood(tmp_path: Path) -> None:
    """The `.env` of the seed with all the other names works as it stands."""
    settings = read(
        tmp_path,
        "SERVER_HOST=0.0.0.0\nSERVER_PORT=8080\nSERVER_ENV=development\nDB_HOST=localhost\nDB_PORT=5433\n"
        "DB_USER=postgres\nDB_PASSWORD=p@s/s:w\nDB_NAME=x18_backend\nDB_SSLMODE=disable\n\n# Redis\n"
        "REDIS_HOST=cache\nREDIS_PORT=6380\nREDIS_PASSWORD=\nREDIS_DB=2\n"
        "JWT_ACCESS_EXPIRY=15  # minutes\nJWT_REFRESH_EXPIRY=30 # days\n",
    )
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)
    expected = "postgresql://postgres:p%40s%2Fs%3Aw@localhost:5433/x18_backend?sslmode=disable"
    assert settings.database_url == expected
    assert settings.redis_url == "redis://cache:6380/2"
    assert (settings.access_token_seconds, settings.refresh_token_seconds) == (900, 30 * 86400)


def test_redis_password_reaches_the_address() -> None:
    """`REDIS_HOST` brings the password with it, quoted."""
    settings = load({"JWT_SECRET": STRONG, "REDIS_HOST": "r", "REDIS_PASSWORD": "a@b"}, None)
    assert settings.redis_url == "redis://:a%40b@r:6379/0"


@pytest.mark.parametrize("variable", ["REDIS_URL", "REDIS_ADDR"])
@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:6379", "redis://localhost:6379"),
        ("cache", "redis://cache:6379"),
        ("[::1]:7000", "redis://[::1]:7000"),
        ("redis://:pw@cache:1/3", "redis://:pw@cache:1/3"),
        ("rediss://cache", "rediss://cache"),
    ],
)
def test_redis_has_two_forms(variable: str, text: str, address: str) -> None:
    """Both variables take host:port and addresses."""
    assert load({"JWT_SECRET": STRONG, variable: text}, None).redis_url == address


def test_lists_and_words() -> None:
    """Lists are comma separated, switches take the usual words, a comment behind a number is none of it."""
    settings = load(
        {
            "JWT_SECRET": STRONG,
            "CORS_ORIGINS": "https://a.org, HTTP://localhost:3000,",
            "DATING_RATE_LIMITS": "off",
            "DATING_TRUSTED_PROXIES": "10.0.0.0/8, ::1",
            "DATING_EMAIL_DOMAINS": "@Example.ORG",
            "DATING_LIKES_PER_DAY": "50  # enough",
            "NODE_ENV": "test",
        },
        None,
    )
    assert settings.cors_origins == ("https://a.org", "http://localhost:3000")
    assert settings.trusted_proxies == ("10.0.0.0/8", "::1/128")
    assert settings.email_domains == ("example.org",)
    assert (settings.rate_limits, settings.likes_per_day, settings.env) == (False, 50, "development")


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("PORT", "abc"),
        ("PORT", "70000"),
        ("PORT", "-1"),
        ("SERVER_PORT", "8080x"),
        ("DATING_ENV", "staging"),
        ("DATING_RATE_LIMITS", "maybe"),
        ("DATING_HEARTBEAT_SECONDS", "nan"),
        ("DATING_HEARTBEAT_SECONDS", "0"),
        ("DATING_BODY_LIMIT", "9" * 40),
        ("DATING_LIMIT_LOGIN", "lots"),
        ("DATING_LIMIT_LOGIN", "0/minute"),
        ("DATING_LOG_FORMAT", "xml"),
        ("DATING_TRUSTED_PROXIES", "1.2.3.999"),
        ("CORS_ORIGINS", "*"),
        ("CORS_ORIGINS", "https://a.org/path"),
        ("DATABASE_URL", "mysql://u:hidden@h/x"),
        ("DATABASE_URL", "postgres://u:hid/den@h/x"),
        ("REDIS_URL", "redis://:hidden@host:70000"),
        ("DATING_SMTP_URL", "hidden"),
        ("JWT_ACCESS_EXPIRY", "15m"),
        ("JWT_REFRESH_EXPIRY", "²"),
    ],
)
def test_a_wrong_value_is_named(variable: str, text: str) -> None:
    """The sentence begins with the variable as it was written, and never quotes a password."""
    (problem,) = problems(**{variable: text})
    assert problem.startswith(f"{variable}: ")
    assert problem.endswith(").")
    assert "hid" not in problem.removeprefix(variable)


def test_all_problems_are_told_at_once() -> None:
    """Two wrong variables are two sentences."""
    assert len(problems(PORT="x", DATING_TYPING_SECONDS="y")) == 2


@pytest.mark.parametrize(
    "secret",
    [
        "",
        "short",
        "x" * 64,
        "abc123" * 10,
        "12345678901234567890123456789012",
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "your-secret-key-change-in-production",
        "your-super-secret-key-change-in-production",
        "your-refresh-secret-key-change-in-production",
        f"{STRONG},short",
        f"short,{STRONG}",
    ],
)
def test_production_refuses_a_weak_secret(secret: str) -> None:
    """Missing, short, sample and repeated secrets stop production, in every place of the list."""
    with pytest.raises(SettingsError, match="JWT_SECRET") as caught:
        load({"DATING_ENV": "production", "JWT_SECRET": secret}, None)
    assert not secret or secret not in str(caught.value)


def test_production_takes_strong_secrets_and_rotation() -> None:
    """The first secret signs, all of them stay for verification."""
    settings = load({"DATING_ENV": "production", "JWT_SECRET": f"{STRONG}, {'9f3a' + STRONG}"}, None)
    assert settings.jwt_secret == STRONG
    assert settings.jwt_secrets == (STRONG, f"9f3a{STRONG}")


def test_random_secrets_are_strong() -> None:
    """What the usual tools make is accepted: the same ones every time, because one in thousands has 123456 in it."""
    chance = random.Random(7)
    for _ in range(200):
        assert find_weakness(chance.randbytes(16).hex()) is None
        assert find_weakness(chance.randbytes(32).hex()) is None


def test_development_keeps_its_secret_beside_the_database(tmp_path: Path) -> None:
    """The secret is made once, private to its owner, and the same at the next start."""
    environ = {"DATABASE_PATH": str(tmp_path / "new" / "my.db")}
    first, second = load(environ, None), load(environ, None)
    file = tmp_path / "new" / "my.db.secret"
    assert first.jwt_secrets == second.jwt_secrets == (file.read_text(),)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert find_weakness(first.jwt_secret) is None
    assert [entry.name for entry in file.parent.iterdir()] == ["my.db.secret"]


def test_many_starters_get_one_secret(tmp_path: Path) -> None:
    """Thirty-two starters at once read the same whole secret."""
    with ThreadPoolExecutor(32) as pool:
        kept = set(pool.map(lambda _: keep_secret(tmp_path / "s"), range(32)))
    assert len(kept) == 1
    assert len(kept.pop()) == 64


def test_an_empty_secret_file_is_refused(tmp_path: Path) -> None:
    """A file without a secret is named instead of signing with nothing."""
    (tmp_path / "s").touch()
    with pytest.raises(SettingsError, match="remove that file"):
        keep_secret(tmp_path / "s")


def test_a_place_without_room_is_named(tmp_path: Path) -> None:
    """Where the file cannot be made, the sentence names the variable and the file."""
    (tmp_path / "file").touch()
    with pytest.raises(SettingsError, match=r"JWT_SECRET: .*file"):
        keep_secret(tmp_path / "file" / "s")


def test_secrets_never_show() -> None:
    """Neither the text of the struct nor the rows of `check` hold a credential; hosts stay readable."""
    settings = load(
        {
            "JWT_SECRET": f"{STRONG},{STRONG}",
            "DATABASE_URL": "postgres://me:canary1@db/x?password=canary2",
            "REDIS_URL": "redis://:canary3@cache",
            "DATING_SMTP_URL": "smtp://u:canary4@mail",
            "DATING_METRICS_TOKEN": "canary5",
        },
        None,
    )
    for text in (repr(settings), str(settings), str(describe(settings)), str(settings.__rich_repr__())):
        assert "canary" not in text
        assert STRONG not in text
        assert "@db/x" in text


def test_every_variable_is_described_once() -> None:
    """Each field has its own variable and a meaning, and the rows follow the struct."""
    rows = describe(Settings())
    assert [row.variable for row in rows] == [knob.variable for knob in KNOBS]
    assert len({row.variable for row in rows}) == len(Settings.__struct_fields__)
    assert all(row.meaning for row in rows)


def test_oddities_are_found(tmp_path: Path) -> None:
    """A misspelled DATING_ variable of either source and a weak secret are reported, other programs' names are not."""
    (tmp_path / ".env").write_text("DATING_LIKES=5\nOTHER=1\n")
    environ = {"DATING_ENVIRONMENT": "x", "DATING_ENV": "development", "PATH": ""}
    assert find_oddities(Settings(jwt_secrets=(STRONG, "short")), environ, tmp_path / ".env") == [
        "DATING_ENVIRONMENT means nothing here.",
        "DATING_LIKES means nothing here.",
        "JWT_SECRET has 5 bytes of at least 32; production would refuse it.",
    ]


def test_example_changes_nothing(tmp_path: Path) -> None:
    """With every line of the example uncommented, the settings are the defaults."""
    lines = [line[1:] if line.startswith("#") and "=" in line.split(" ")[0] else line for line in write_example().splitlines()]
    (tmp_path / ".env").write_text("\n".join(lines))
    assert repr(load({"JWT_SECRET": STRONG}, tmp_path / ".env")) == repr(Settings())
    assert sum("=" in line and not line.startswith("#") for line in lines) == len(KNOBS)


def test_committed_example_is_current() -> None:
    """`.env.example` is what `dating env-example` prints."""
    assert (Path(__file__).parents[2] / ".env.example").read_text("utf-8") == write_example()
