"""Every statement of the code means something to both databases, both schemas are one, and no value becomes a part of a text."""

import ast
import importlib
import pkgutil
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import dating
from dating.database.postgres import PARAMETER, numbered
from tests.kit import Postgres

SOURCE = Path(dating.__file__).parent
STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH|CREATE)\b")
SQL_WORDS = re.compile(r"\b(SELECT\b.*\bFROM|INSERT INTO|DELETE FROM|UPDATE\s+\w+\s+SET)\b", re.DOTALL)
ELSEWHERE = {"dating.migrate.LEDGER", "dating.replay"}  # a script; and what runs at the client


def list_statements() -> Iterator[tuple[str, str]]:
    """Name and text of every statement that a module of the server keeps as a constant."""
    for module in pkgutil.walk_packages(dating.__path__, "dating."):
        if module.name.startswith(tuple(ELSEWHERE)) or module.name == "dating.__main__":
            continue
        for name, value in vars(importlib.import_module(module.name)).items():
            full = f"{module.name}.{name}"
            if name.isupper() and full not in ELSEWHERE and isinstance(value, str) and STATEMENT.match(value):
                yield full, value


def drop_pieces(statements: dict[str, str]) -> dict[str, str]:
    """Without the texts that are the end of longer statements: those are tested as the whole they are in."""
    texts = set(statements.values())
    return {name: sql for name, sql in statements.items() if not any(sql != other and other.endswith(sql) for other in texts)}


STATEMENTS = drop_pieces(dict(list_statements()))


def test_there_are_statements() -> None:
    """The search finds the statements of every part that has some."""
    homes = {name.split(".")[1] for name in STATEMENTS}
    assert {
        "accounts",
        "profiles",
        "matching",
        "chat",
        "safety",
        "search",
        "realtime",
        "idempotency",
        "migrate",
        "operations",
    } <= homes


def test_sqlite_prepares_every_statement(sqlite_template: Path) -> None:
    """SQLite finds every table, column and function that a statement names."""
    refused = {}
    with closing(sqlite3.connect(sqlite_template)) as connection:
        for name, sql in STATEMENTS.items():
            try:
                connection.execute(f"EXPLAIN {sql}", dict.fromkeys(PARAMETER.findall(sql)))
            except sqlite3.Error as error:
                refused[name] = str(error)
    assert refused == {}


async def test_postgres_prepares_every_statement(postgres: Postgres, postgres_template: str) -> None:
    """PostgreSQL does too, and can tell the type of every parameter."""
    refused = {}
    connection = await asyncpg.connect(postgres.url(postgres_template))
    for name, sql in STATEMENTS.items():
        try:
            await connection.prepare(numbered(sql)[0])
        except asyncpg.PostgresError as error:
            refused[name] = str(error)
    await connection.close()
    assert refused == {}


# --- the schemas

FAMILIES = {
    "BIGINT": "integer",
    "INTEGER": "integer",
    "SMALLINT": "integer",
    "BOOLEAN": "boolean",
    "TEXT": "text",
    "DOUBLE PRECISION": "float",
    "REAL": "float",
}


LISTED = "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'"


def read_sqlite(path: Path) -> dict[str, Any]:
    """Each table of a SQLite file: columns with their types, the key, and the sets of columns that are unique."""
    schema = {}
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute(LISTED)
        for (table,) in tables.fetchall():
            columns = connection.execute(f"PRAGMA table_info({table})").fetchall()
            indexes = connection.execute(f"PRAGMA index_list({table})").fetchall()
            unique = {
                (frozenset(row[2] for row in connection.execute(f"PRAGMA index_info({name})")), bool(partial))
                for _, name, is_unique, _, partial in indexes
                if is_unique
            }
            key = frozenset(name for _, name, _, _, _, place in columns if place)
            schema[table] = {
                "columns": {name: (FAMILIES[kind], bool(needed or place)) for _, name, kind, needed, _, place in columns},
                "key": key,
                "unique": unique - {(key, False)},
            }
    return schema


COLUMNS = """
SELECT table_name, column_name, UPPER(data_type), is_nullable = 'NO' FROM information_schema.columns
WHERE table_schema = 'public' AND table_name IN
    (SELECT table_name FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE')
"""
UNIQUES = """
SELECT c.relname, i.indisprimary, i.indpred IS NOT NULL, ARRAY(
    SELECT COALESCE(a.attname, '') FROM UNNEST(i.indkey) AS k(place)
    LEFT JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.place AND k.place > 0)
FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'public' AND i.indisunique
"""


async def read_postgres(url: str) -> dict[str, Any]:
    """The same of a PostgreSQL database."""
    connection = await asyncpg.connect(url)
    schema: dict[str, Any] = {}
    for table, column, kind, needed in await connection.fetch(COLUMNS):
        entry = schema.setdefault(table, {"columns": {}, "key": frozenset(), "unique": set()})
        entry["columns"][column] = (FAMILIES[kind], needed)
    for table, primary, partial, columns in await connection.fetch(UNIQUES):
        names = frozenset(column or None for column in columns)
        if primary:
            schema[table]["key"] = names
        else:
            schema[table]["unique"].add((names, partial))
    await connection.close()
    return schema


async def test_both_schemas_are_one(sqlite_template: Path, postgres: Postgres, postgres_template: str) -> None:
    """Tables, columns with their types, keys and unique sets are the same on both databases."""
    embedded = read_sqlite(sqlite_template)
    served = await read_postgres(postgres.url(postgres_template))
    assert set(embedded) == set(served)
    for table, description in embedded.items():
        assert description == served[table], table


# --- the code


def parse_sources() -> Iterator[tuple[str, ast.Module]]:
    """Every module of the package with its name."""
    for path in SOURCE.rglob("*.py"):
        yield str(path.relative_to(SOURCE)), ast.parse(path.read_text("utf-8"))


def text_of(node: ast.AST) -> str:
    """The constant parts of a text."""
    return " ".join(part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str))


def is_composed(node: ast.AST) -> bool:
    """Whether a text with SQL in it is put together from parts: an f-string, `%`, `+` or `format`."""
    formatted = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format"
    joined = isinstance(node, ast.JoinedStr) or (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mod | ast.Add))
    return (formatted or joined) and bool(SQL_WORDS.search(text_of(node)))


def test_no_statement_is_composed_at_run_time() -> None:
    """Statements are whole before the first request: nothing that runs with a value in hand puts SQL together."""
    found = [
        f"{name}:{node.lineno}"
        for name, module in parse_sources()
        for function in ast.walk(module)
        if isinstance(function, ast.AsyncFunctionDef)
        for node in ast.walk(function)
        if is_composed(node)
    ]
    assert found == []


def test_composing_functions_are_called_at_import_only() -> None:
    """A function that writes two statements from one text is called where constants are made, with constants."""
    for name, module in parse_sources():
        composing = {
            function.name
            for function in module.body
            if isinstance(function, ast.FunctionDef) and any(is_composed(node) for node in ast.walk(function))
        }
        inside = [node for body in module.body if not isinstance(body, ast.Assign | ast.AnnAssign) for node in ast.walk(body)]
        called = {node.func.id for node in inside if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
        assert not composing & called, name


STATEMENT_CALLS = {"all": 1, "one": 1, "run": 0, "many": 0}


def list_executions() -> Iterator[tuple[str, ast.expr]]:
    """Where code hands a statement to a transaction, and how it names the statement."""
    for name, module in parse_sources():
        for node in ast.walk(module):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and isinstance(node.func.value, ast.Name):
                place = STATEMENT_CALLS.get(node.func.attr)
                if node.func.value.id == "tx" and place is not None:
                    yield f"{name}:{node.lineno}", node.args[place]


def test_statements_are_named() -> None:
    """What a transaction runs is a constant by name, or chosen among constants; never a text written on the spot."""
    named = ast.Name | ast.Attribute | ast.IfExp | ast.Subscript
    spelled = [place for place, argument in list_executions() if not isinstance(argument, named)]
    assert spelled == []


@pytest.mark.parametrize(
    "statement", ["' OR 1=1 --", '"; DROP TABLE users; --', "\\'; DELETE FROM users --", "%s %(x)s :name $1 ?"]
)
async def test_values_stay_values(api: Any, statement: str) -> None:
    """SQL in a value is a text like any other: kept, searched and given back as it is."""
    person = await api.person()
    answer = await person.patch("/me", json={"bio": statement, "name": statement})
    assert answer.status_code == 200, answer.text
    assert (answer.json()["bio"], answer.json()["name"]) == (statement, statement)
    assert (await person.get("/api/users/username/" + "x'--")).status_code == 404
    assert await api.count("users") == 1
