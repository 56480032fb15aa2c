"""Examples made from JSON schemas: the `examples` of the fields, put together into whole bodies."""

from collections.abc import Mapping
from typing import Any

SAMPLES: dict[str | None, Any] = {"boolean": True, "integer": 1, "number": 1.5, "string": "text", "null": None}
DEEPEST = 8  # a body nested deeper than this ends in null


def exemplify(schema: Mapping[str, Any], known: Mapping[str, Any], depth: int = 0) -> Any:
    """One value that fits the schema; `known` are the schemas by name that `$ref` points to."""
    if depth > DEEPEST:
        return None
    if "$ref" in schema:
        return exemplify(known[schema["$ref"].rpartition("/")[2]], known, depth + 1)
    for key in ("examples", "enum"):
        if schema.get(key):
            return schema[key][0]
    for key in ("const", "default"):
        if schema.get(key) is not None:
            return schema[key]
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return exemplify(choose(choices), known, depth + 1)
    return build(schema, known, depth)


def choose(choices: list[dict[str, Any]]) -> dict[str, Any]:
    """The most telling of several schemas: not null where there is something else."""
    return next((choice for choice in choices if choice.get("type") != "null"), choices[0])


def build(schema: Mapping[str, Any], known: Mapping[str, Any], depth: int) -> Any:
    """A value by the type alone."""
    match schema.get("type"):
        case "object" if "properties" in schema:
            return {name: exemplify(part, known, depth + 1) for name, part in schema["properties"].items()}
        case "object":
            return {}
        case "array":
            items = schema.get("items")
            return [exemplify(items, known, depth + 1)] if items else []
        case "integer" | "number" if "minimum" in schema:
            return schema["minimum"]
        case kind:
            return SAMPLES.get(kind)
