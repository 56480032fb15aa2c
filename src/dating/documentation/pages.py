"""The pages under /docs: the OpenAPI page with the vendored script, and both documents. Nothing is fetched from another host."""

import re
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Request, Response, Router, get
from litestar.enums import HttpMethod
from litestar.handlers import HTTPRouteHandler
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.openapi.spec import Tag
from litestar.types import Method
from litestar.types.internal_types import PathParameterDefinition

from dating import __version__
from dating.documentation.paths import document
from dating.documentation.socket import describe_socket
from dating.errors import NotFound
from dating.settings import Settings

WORDS = """
One server for dating: register, swipe, match, chat. Ask with `Authorization: Bearer <access_token>`. The WebSocket is
described in [asyncapi.json](/docs/asyncapi.json).

* A trailing slash is insignificant. Unknown JSON keys are ignored. Ids are integers below 2^53, times RFC 3339 in UTC.
* Every refusal is `application/problem+json` (RFC 9457) with a stable `code`.
  What you may not see answers like what does not exist.
* Unsafe requests accept an `Idempotency-Key`: a repeat answers with the first result and changes nothing.
"""
TAGS = {
    "Accounts": "Registering, signing in, sessions, e-mail, passwords.",
    "Profiles": "One's own profile and other people's.",
    "Matching": "Candidates, swipes, matches.",
    "Chats and messages": "Opening, sending, listing, reading.",
    "Search": "Messages, chats and people by words.",
    "Calls": "Signalling between two devices; voice and picture go their own way.",
    "Realtime": "The door to the WebSocket.",
    "Safety": "Blocks, reports, and what was decided about me.",
    "Moderation": "Cases, decisions, appeals, roles. Whoever is no moderator finds nothing here.",
    "Operations": "For those who run the server.",
}
PAGE = b"""<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>dating: the API</title>
<link rel="icon" href="data:,">
<script type="module" src="/docs/assets/rapidoc-min.js"></script>
<rapi-doc spec-url="/docs/openapi.json" load-fonts="false" render-style="read" theme="light" show-header="false"
  schema-style="table" allow-spec-url-load="false" allow-spec-file-load="false"></rapi-doc>
</html>
"""
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""RapiDoc writes its styles into the page, hence 'unsafe-inline' for them; scripts come from this server alone."""

SCRIPT_SECONDS = 86_400


class Page(OpenAPIRenderPlugin):
    """The page for people."""

    def __init__(self) -> None:
        super().__init__(path="/", media_type=MediaType.HTML)

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return PAGE


class Document(OpenAPIRenderPlugin):
    """The document for programs."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json", media_type=MediaType.JSON)

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return encode_document(request.app)


@cache
def encode_document(app: Litestar) -> bytes:
    """The OpenAPI document as text, made once."""
    return msgspec.json.encode(document(app))


@get("/asyncapi.json", sync_to_thread=False)
def asyncapi() -> dict[str, Any]:
    """The AsyncAPI document of the socket."""
    return describe_socket()


@get("/assets/rapidoc-min.js", sync_to_thread=False)
def script() -> Response[bytes]:
    """The vendored script of the page."""
    headers = {"cache-control": f"public, max-age={SCRIPT_SECONDS}"}
    return Response(read_script(), media_type="text/javascript", headers=headers)


@cache
def read_script() -> bytes:
    """RapiDoc, as its authors published it."""
    return files("dating").joinpath("web/vendor/rapidoc/rapidoc-min.js").read_bytes()


async def finish(response: Response[Any]) -> Response[Any]:
    """Let the page run its own script, and refuse unknown pages as everywhere else: Litestar answers them in HTML."""
    if response.status_code == NotFound.status:
        raise NotFound
    if response.media_type == MediaType.HTML:
        response.headers["content-security-policy"] = POLICY
    return response


def name_operation(handler: HTTPRouteHandler, method: Method, path: list[str | PathParameterDefinition]) -> str:
    """`get_api_users_id`: unique, because a method and a path are."""
    parts = [part if isinstance(part, str) else part.name for part in path]
    return re.sub(r"\W", "_", "_".join([HttpMethod(method).value.lower(), *parts]))


def openapi(settings: Settings) -> OpenAPIConfig | None:
    """Where and how the API is documented; None where `DATING_DOCS` is off."""
    if not settings.docs:
        return None
    return OpenAPIConfig(
        title="dating",
        version=__version__,
        description=WORDS,
        tags=[Tag(name, description) for name, description in TAGS.items()],
        operation_id_creator=name_operation,
        render_plugins=[Page(), Document()],
        openapi_router=Router(
            "/docs", route_handlers=[asyncapi, script], after_request=finish, include_in_schema=False, opt={"access": "public"}
        ),
    )
