"""The OpenAPI document: Litestar's account of the routes, completed from the handlers' own types.

Litestar knows the paths and the parameters. Bodies and answers come from msgspec, which is what checks them, so the schemas are
exact. Added to every operation: who may ask, every refusal it can give, the Idempotency-Key, and examples of what goes in and
out.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from dating.documentation.examples import exemplify
from dating.errors import Problem, Refusal

JSON = "application/json"
PROBLEM = "application/problem+json"
REFERENCE = "#/components/schemas/{name}"
UNSAFE = frozenset({"POST", "PUT", "PATCH", "DELETE"})

KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "A repeat with the same key and body gets the first answer (200 instead of 201) and has no second effect.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": r"^[!-~]([ -~]*[!-~])?$"},
    "example": "5f0c7a52-order-17",
}
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "The `access_token` of POST /register, /login or /refresh.",
}
RETRY_AFTER = {"description": "Seconds after which to try again.", "schema": {"type": "integer", "minimum": 1}}
REQUEST_ID = {"description": "Names this request in the server's log.", "schema": {"type": "string"}}


def document(app: Litestar) -> dict[str, Any]:
    """The whole OpenAPI 3.1 document of an application, as plain data."""
    whole: dict[str, Any] = app.openapi_schema.to_schema()
    whole["paths"] = order_paths(app, whole["paths"])
    operations = list(list_operations(app, whole))
    catalog = Catalog(handler for _, handler, _ in operations)
    whole["components"] = {
        "schemas": dict(sorted(catalog.known.items())),
        "securitySchemes": {"bearer": BEARER},
        "headers": {"RetryAfter": RETRY_AFTER, "RequestId": REQUEST_ID},
        "responses": dict(describe_refusals()),
    }
    for method, handler, operation in operations:
        complete(method, handler, operation, catalog)
    return whole


def order_paths(app: Litestar, paths: dict[str, Any]) -> dict[str, Any]:
    """In the order of the handlers. Litestar holds the paths of one in a set, so that every process had another order."""
    ranks: dict[Any, int] = {}
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            first = min(ranks.setdefault(handler.fn, len(ranks)) for handler in route.route_handlers)
            ranks[route.path_format] = first
    return dict(sorted(paths.items(), key=lambda item: (ranks[item[0]], item[0])))


def list_operations(app: Litestar, whole: dict[str, Any]) -> Iterator[tuple[str, HTTPRouteHandler, dict[str, Any]]]:
    """Method, handler and Litestar's account of each documented operation."""
    for route in app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for method, (handler, _) in route.route_handler_map.items():
            if operation := whole["paths"].get(route.path_format, {}).get(method.lower()):
                yield method, handler, operation


# --- types -------------------------------------------------------------------------------------------------------------------


def body_of(handler: HTTPRouteHandler) -> Any:
    """The type of the body that a handler reads, or None."""
    field = handler.parsed_fn_signature.parameters.get("data")
    return field.annotation if field else None


def answer_of(handler: HTTPRouteHandler) -> Any:
    """The type of a handler's answer, out of a `Response` around it."""
    field = handler.parsed_fn_signature.return_type
    return field.inner_types[0].raw if field.inner_types and field.origin is not list else field.annotation


class Catalog:
    """The schemas of everything that handlers read and answer, made together so that equal names do not meet."""

    def __init__(self, handlers: Iterable[HTTPRouteHandler]) -> None:
        self._kinds = [kind for handler in handlers for kind in (body_of(handler), answer_of(handler)) if kind is not None]
        schemas, self.known = msgspec.json.schema_components([*self._kinds, Problem], ref_template=REFERENCE)
        self._schemas = {id(kind): schema for kind, schema in zip(self._kinds, schemas, strict=False)}

    def describe(self, kind: Any) -> dict[str, Any]:
        """Schema and example of a body or an answer."""
        schema = self._schemas[id(kind)]
        return {"schema": schema, "example": exemplify(schema, self.known)}


# --- refusals ----------------------------------------------------------------------------------------------------------------


def families() -> dict[int, type[Refusal]]:
    """The refusal that stands for each status."""
    return {family.status: family for family in Refusal.__subclasses__() if family.__module__ == Refusal.__module__}


def list_leaves(family: type[Refusal]) -> Iterator[type[Refusal]]:
    """A family of refusals with everything below it."""
    yield family
    for leaf in family.__subclasses__():
        yield from list_leaves(leaf)


def describe_refusals() -> Iterator[tuple[str, dict[str, Any]]]:
    """One reusable answer for each status, with every code that it may carry."""
    for status, family in sorted(families().items()):
        codes = sorted({leaf.code for leaf in list_leaves(family)})
        headers = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
        if status in (429, 503):
            headers["Retry-After"] = {"$ref": "#/components/headers/RetryAfter"}
        yield (
            str(status),
            {
                "description": f"{family.title}. `code` is one of: {', '.join(f'`{code}`' for code in codes)}.",
                "headers": headers,
                "content": {
                    PROBLEM: {
                        "schema": {"$ref": "#/components/schemas/Problem"},
                        "example": msgspec.json.decode(family().problem()),
                    }
                },
            },
        )


def refusals_of(method: str, handler: HTTPRouteHandler, operation: dict[str, Any]) -> set[int]:
    """The statuses with which an operation may refuse."""
    access = handler.opt.get("access", "required")
    has_input = bool(operation.get("parameters") or body_of(handler))
    possible = {
        400: has_input,
        401: access != "public" or body_of(handler) is not None,
        403: access != "public" or body_of(handler) is not None,
        404: has_input,
        409: method in UNSAFE,
        413: method in UNSAFE,
        415: method in UNSAFE,
        429: "limit" in handler.opt or method in UNSAFE,
        503: True,
    }
    return {status for status, applies in possible.items() if applies} | set(handler.opt.get("refuses", ()))


# --- operations --------------------------------------------------------------------------------------------------------------


def complete(method: str, handler: HTTPRouteHandler, operation: dict[str, Any], catalog: Catalog) -> None:
    """Fill in what Litestar does not know of one operation."""
    access = handler.opt.get("access", "required")
    operation["security"] = {"public": [], "optional": [{}, {"bearer": []}]}.get(access, [{"bearer": []}])
    if takes_key(handler):
        operation.setdefault("parameters", []).append(KEY)
    for parameter in operation.get("parameters", []):
        parameter["schema"] = tighten(parameter)
        parameter.setdefault("example", exemplify(parameter["schema"], {}))
    if body := body_of(handler):
        needed = not handler.parsed_fn_signature.parameters["data"].has_default
        content = catalog.describe(body)
        if more := handler.opt.get("body"):  # what a struct cannot say, such as that one of two fields must be there
            content["schema"] = {"allOf": [content["schema"], more]}
        operation["requestBody"] = {"required": needed, "content": {JSON: content}}
    answers = {str(handler.status_code): describe_answer(handler, operation, catalog)}
    if handler.status_code == 201 and takes_key(handler):
        said = operation["responses"].get("200", {"description": "A repeat of an earlier request: its first answer."})
        answers["200"] = answers["201"] | {"description": said["description"]}
    if said := operation["responses"].get("202"):
        answers["202"] = answers["200"] | {"description": said["description"]}
    refusals = {str(status): {"$ref": f"#/components/responses/{status}"} for status in refusals_of(method, handler, operation)}
    operation["responses"] = dict(sorted((refusals | answers).items()))


def tighten(parameter: dict[str, Any]) -> dict[str, Any]:
    """The schema of a parameter; an id in a path has the bounds that the gate enforces."""
    schema: dict[str, Any] = parameter["schema"]
    if parameter["in"] == "path" and schema.get("type") == "integer":
        return schema | {"minimum": 1, "exclusiveMaximum": 2**53, "examples": [42]}
    return schema


def takes_key(handler: HTTPRouteHandler) -> bool:
    """Whether an operation heeds the Idempotency-Key: by `commit`, or by itself with `opt={"key": True}`."""
    return "commit" in handler.parsed_fn_signature.parameters or bool(handler.opt.get("key"))


def describe_answer(handler: HTTPRouteHandler, operation: dict[str, Any], catalog: Catalog) -> dict[str, Any]:
    """The answer to a request that succeeded."""
    success = operation["responses"][str(handler.status_code)]
    media = next(iter(success.get("content", {JSON: None})))
    content = {} if handler.status_code == 204 else {"content": {media: catalog.describe(answer_of(handler))}}
    headers = {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}}
    return {"description": handler.response_description or "Done.", "headers": headers, **content}
