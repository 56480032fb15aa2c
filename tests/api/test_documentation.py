"""The documents say everything there is: each operation with words, examples that the server accepts, and every refusal."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from litestar.routes import HTTPRoute

from dating.documentation import document
from dating.documentation.socket import CLOSES, DURABLE, EXAMPLES, describe_socket
from dating.errors import Problem, Refusal
from dating.realtime.events import Event, Frame, Inbound
from dating.realtime.protocol import Close, decode
from dating.settings import Settings
from tests.kit import Api, running

pytestmark = pytest.mark.one_process("looks at the application, not at its answers")

METHODS = ("get", "post", "put", "patch", "delete")


def list_operations(whole: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation with its name."""
    for path, item in whole["paths"].items():
        for method in METHODS:
            if method in item:
                yield f"{method.upper()} {path}", item[method]


def list_parameters(operation: dict[str, Any]) -> list[dict[str, Any]]:
    """Its parameters, if it has some."""
    return list(operation.get("parameters", []))


async def test_every_operation_has_words(api: Api) -> None:
    """Summary, description and a known tag are on each operation, and its id is its own."""
    whole = document(api.app)
    tags = {tag["name"] for tag in whole["tags"]}
    ids = [operation["operationId"] for _, operation in list_operations(whole)]
    assert len(ids) == len(set(ids))
    for name, operation in list_operations(whole):
        assert operation.get("summary"), name
        assert operation.get("description"), name
        assert operation.get("tags"), name
        assert set(operation["tags"]) <= tags, (name, operation["tags"])
        assert not operation["summary"].endswith("."), name


async def test_every_operation_has_examples(api: Api) -> None:
    """The body, the answer and each parameter come with an example."""
    whole = document(api.app)
    for name, operation in list_operations(whole):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            assert media["example"] is not None, name
        successes = [answer for status, answer in operation["responses"].items() if status.startswith("2")]
        assert successes, name
        for answer in successes:
            for media in answer.get("content", {}).values():
                assert "example" in media, name
        for parameter in list_parameters(operation):
            assert "example" in parameter, (name, parameter["name"])


async def test_examples_fit_their_types(api: Api) -> None:
    """The server's own types accept every example of a body."""
    whole = document(api.app)
    for route in api.app.routes:
        if not isinstance(route, HTTPRoute):
            continue
        for method, (handler, _) in route.route_handler_map.items():
            operation = whole["paths"].get(route.path_format, {}).get(method.lower())
            field = handler.parsed_fn_signature.parameters.get("data")
            if operation and field:
                example = operation["requestBody"]["content"]["application/json"]["example"]
                msgspec.convert(example, field.annotation)


async def test_signing_out_and_leaving_show_their_own_answers(api: Api) -> None:
    """The example of an answer is what the operation says, not what its neighbor says."""
    paths = document(api.app)["paths"]
    for path, method, status in (("/logout", "post", "logged out"), ("/me", "delete", "deleted")):
        answer = paths[path][method]["responses"]["200"]["content"]["application/json"]
        assert answer["example"] == {"status": status}, path


async def test_examples_look_like_life(api: Api) -> None:
    """No example of a body or an answer is a placeholder."""
    whole = document(api.app)
    for name, operation in list_operations(whole):
        shown = [media["example"] for media in operation.get("requestBody", {}).get("content", {}).values()]
        for status, answer in operation["responses"].items():
            shown += [media["example"] for media in answer.get("content", {}).values() if status.startswith("2")]
        placeholders = [path for example in shown for path in find_placeholders(example, "")]
        assert placeholders == [], name


def find_placeholders(example: Any, path: str) -> Iterator[str]:
    """Where an example holds what stands for any text."""
    if isinstance(example, dict):
        for name, part in example.items():
            yield from find_placeholders(part, f"{path}.{name}")
    elif isinstance(example, list):
        for part in example:
            yield from find_placeholders(part, f"{path}[]")
    elif example == "text" and not path.endswith(".kind"):
        yield path


async def test_numbers_in_addresses_have_bounds(api: Api) -> None:
    """Each number in a path or a query has a least and a greatest value, each text a greatest length or a list of values."""
    whole = document(api.app)
    loose = []
    for name, operation in list_operations(whole):
        for parameter in list_parameters(operation):
            schema = parameter["schema"]
            kinds = list_kinds(schema)
            if kinds & {"integer", "number"}:
                bounded = {"minimum", "exclusiveMinimum"} & set(schema) and {"maximum", "exclusiveMaximum"} & set(schema)
            elif "string" in kinds:
                bounded = {"maxLength", "enum", "pattern"} & set(schema)
            else:
                bounded = True
            if not bounded:
                loose.append((name, parameter["name"]))
    assert loose == []


def list_kinds(schema: dict[str, Any]) -> set[str]:
    """The types that a parameter may have."""
    types = [part.get("type", "any") for part in schema.get("oneOf", [schema])]
    return {name for one in types for name in (one if isinstance(one, list) else [one])}


async def test_texts_in_bodies_have_a_greatest_length(api: Api) -> None:
    """No body takes a text or a list of any length."""
    whole = document(api.app)
    schemas = whole["components"]["schemas"]
    loose = []
    for name, operation in list_operations(whole):
        for media in operation.get("requestBody", {}).get("content", {}).values():
            loose += [(name, path) for path in find_loose(media["schema"], schemas, "")]
    assert loose == []


def find_loose(schema: dict[str, Any], known: dict[str, Any], path: str) -> Iterator[str]:
    """Where a schema takes texts or lists without end."""
    if "$ref" in schema:
        yield from find_loose(known[schema["$ref"].rpartition("/")[2]], known, path)
    for part in schema.get("anyOf", []):
        yield from find_loose(part, known, path)
    for name, part in schema.get("properties", {}).items():
        yield from find_loose(part, known, f"{path}.{name}")
    if schema.get("type") == "string" and not {"maxLength", "pattern", "format"} & set(schema):
        yield path
    if schema.get("type") == "array":
        if "maxItems" not in schema:
            yield f"{path}[]"
        yield from find_loose(schema.get("items", {}), known, f"{path}[]")


async def test_access_is_documented(api: Api) -> None:
    """Who needs a token is in the document as it is in the code, and refusals are problems."""
    whole = document(api.app)
    assert whole["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for route in api.app.routes:
        if isinstance(route, HTTPRoute):
            for method, (handler, _) in route.route_handler_map.items():
                if operation := whole["paths"].get(route.path_format, {}).get(method.lower()):
                    wanted = {"public": [], "optional": [{}, {"bearer": []}]}
                    assert operation["security"] == wanted.get(handler.opt.get("access", "required"), [{"bearer": []}])
                    assert ("401" in operation["responses"]) or operation["security"] == []
    for answer in whole["components"]["responses"].values():
        [media] = answer["content"]
        assert media == "application/problem+json"
        msgspec.convert(answer["content"][media]["example"], Problem)


async def test_codes_are_stable_names(api: Api) -> None:
    """Every refusal has a code of its own in the one style, and the document lists it under its status."""
    whole = document(api.app)
    leaves = [leaf for family in Refusal.__subclasses__() for leaf in (family, *family.__subclasses__())]
    for leaf in leaves:
        assert re.fullmatch(r"[a-z][a-z_]+", leaf.code), leaf
        if str(leaf.status) in whole["components"]["responses"]:
            assert f"`{leaf.code}`" in whole["components"]["responses"][str(leaf.status)]["description"], leaf


async def test_unsafe_operations_take_a_key(api: Api) -> None:
    """Whatever commits for a person takes an Idempotency-Key, and what creates may answer 200 to a repeat."""
    whole = document(api.app)
    operations = dict(list_operations(whole))
    for name in ("POST /swipe", "POST /messages/send", "PATCH /me"):
        assert "Idempotency-Key" in [parameter["name"] for parameter in list_parameters(operations[name])], name
    assert {"200", "201"} <= set(operations["POST /messages/send"]["responses"])


async def test_the_page_runs_our_script_alone(api: Api) -> None:
    """The page, its script and both documents come from here; no address of another host is fetched by the page."""
    page = await api.http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "script-src 'self';" in page.headers["content-security-policy"]
    assert not re.search(r"https?://|//\w", page.text)
    for source in re.findall(r'(?:src|spec-url)="([^"]+)"', page.text):
        assert source.startswith("/docs/")
        assert (await api.http.get(source)).status_code == 200
    script = await api.http.get("/docs/assets/rapidoc-min.js")
    assert script.headers["content-type"].startswith("text/javascript")
    assert "max-age" in script.headers["cache-control"]
    assert (await api.http.get("/docs/openapi.json")).json() == msgspec.json.decode(msgspec.json.encode(document(api.app)))
    assert (await api.http.get("/docs/asyncapi.json")).json()["asyncapi"] == "3.0.0"
    assert (await api.http.get("/docs/nothing")).json()["code"] == "not_found"


async def test_documents_can_be_off(settings: Settings) -> None:
    """With `DATING_DOCS=0` there is nothing under /docs."""
    async with running(msgspec.structs.replace(settings, docs=False)) as api:
        for path in ("/docs", "/docs/openapi.json", "/docs/asyncapi.json", "/docs/assets/rapidoc-min.js", "/schema"):
            assert (await api.http.get(path)).json()["code"] == "not_found"


# --- the socket


def test_every_frame_is_documented() -> None:
    """Each event and each frame is there with words and an example of its own type; each durable one with `seq`."""
    whole = describe_socket()
    messages = whole["components"]["messages"]
    assert set(messages) == {kind.__name__ for kind in (*Event.__subclasses__(), *Frame.__subclasses__())}
    assert set(Frame.__subclasses__()) == set(Inbound.__args__)
    for name, message in messages.items():
        assert message["summary"], name
        assert message["examples"][0]["payload"]["type"] == message["name"]
        assert f"#/components/schemas/{name}" == message["payload"]["$ref"]
    for kind in DURABLE:
        assert "seq" in whole["components"]["schemas"][kind.__name__]["required"]


@pytest.mark.parametrize("example", [one for one in EXAMPLES if isinstance(one, Frame)], ids=lambda one: type(one).__name__)
def test_examples_of_frames_are_accepted(example: Frame) -> None:
    """The protocol reads every example as what it is."""
    assert decode(msgspec.json.encode(example).decode()) == example


def test_every_close_code_is_explained() -> None:
    """The document explains the close codes that there are, no more and no less."""
    assert set(CLOSES) == set(Close)
    assert set(describe_socket()["channels"]["socket"]["x-close-codes"]) == {str(code.value) for code in Close}


def test_references_lead_somewhere() -> None:
    """Every `$ref` of the socket's document points into the document."""
    whole = describe_socket()
    references = re.findall(r'"\$ref":"#/([^"]+)"', msgspec.json.encode(whole).decode())
    assert references
    for reference in references:
        place: Any = whole
        for step in reference.split("/"):
            place = place[step]


async def test_references_of_paths_lead_somewhere(api: Api) -> None:
    """Every `$ref` of the OpenAPI document points into the document."""
    whole = document(api.app)
    for reference in set(re.findall(r'"\$ref":"#/([^"]+)"', msgspec.json.encode(whole).decode())):
        place: Any = whole
        for step in reference.split("/"):
            place = place[step]
