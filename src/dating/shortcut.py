"""The short way to the busiest handlers, past machinery that they do not use.

Litestar resolves dependencies in a task group, converts what is of the right type already, and passes an answer through several
layers: well spent on the many operations, but 110 µs more for each message than this. A handler with `opt={"direct": True}`
is documented and routed by Litestar as any other, but its requests come by here: the same guard, the same strict body, the same
function, the same errors. Such a handler answers with a `Response`. It takes `request`, `data`, `me` and `db`; or no body and
whatever else, which Litestar's own model of its parameters reads, one dependency after the other and not in a task for each.
"""

from typing import Any, NamedTuple, cast

import msgspec
from litestar import Litestar, Response
from litestar._kwargs import KwargsModel
from litestar._kwargs.cleanup import DependencyCleanupGroup
from litestar._kwargs.dependencies import resolve_dependency
from litestar.datastructures import URL
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import HTTPScope, Receive, Scope, Send

from dating.bodies import BODIES, JSONRequest, decode_body, judge_text
from dating.errors import FieldError, Invalid, TooLarge
from dating.gate import WHOLE, Gone, admit, answer_error

encode = msgspec.json.Encoder().encode


class DirectRequest(JSONRequest):
    """What direct handlers, the guard and the answer to an error ask of a request: its scope. Litestar keeps 40 things more.

    And, where there is an Idempotency-Key, its address and its body.
    """

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = cast(HTTPScope, scope)
        self.receive = receive

    @property
    def url(self) -> URL:
        return URL.from_scope(self.scope)


class Way(NamedTuple):
    """A direct handler, and what reads its parameters from a request."""

    handler: HTTPRouteHandler
    parameters: KwargsModel


class Shortcut:
    """In place of an application's inner handler: serves the direct routes, and leaves the others to it."""

    def __init__(self, app: Litestar) -> None:
        self._app = app
        self._inner = app.asgi_handler
        self._ways = {
            (method, route.path): Way(handler, parameters)
            for route in app.routes
            if isinstance(route, HTTPRoute)
            for method, (handler, parameters) in route.route_handler_map.items()
            if handler.opt.get("direct")
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        way = self._find(scope)
        if way is None:
            await self._inner(scope, receive, send)
            return
        scope["route_handler"], scope["path_template"], scope["path_params"] = way.handler, scope["path"], {}
        takes = cast(HTTPScope, scope)["method"] in BODIES
        request = DirectRequest(scope, receive) if takes else JSONRequest(scope, receive)
        try:
            await admit(request, way.handler)
            response = await (self._take(way.handler, request) if takes else answer_query(way, request))
        except Exception as error:
            response = answer_error(request, error)
        await transmit(response, send)

    def _find(self, scope: Any) -> Way | None:
        """The direct handler of a request, unless CORS has a say in it."""
        way = self._ways.get((scope["method"], scope["path"]))
        if way is not None and self._app.cors_config and any(name == b"origin" for name, _ in scope["headers"]):
            return None
        return way

    async def _take(self, handler: HTTPRouteHandler, request: JSONRequest) -> Response[Any]:
        """The answer to a request with a body."""
        state = self._app.state
        body = await collect(request.receive, state.settings.body_limit)
        if not body:
            raise Invalid(errors=[FieldError("body", "Missing.")])
        request.keep(judge_text(body, state.settings.max_json_depth))
        data = decode_body(handler, body)
        response: Response[Any] = await handler.fn(request=request, data=data, me=request.scope["state"]["identity"], db=state.db)
        return response


async def answer_query(way: Way, request: JSONRequest) -> Response[Any]:
    """The answer to a request without a body."""
    given = await way.parameters.to_kwargs(request)
    for batch in way.parameters.dependency_batches:
        for dependency in batch:
            await resolve_dependency(dependency, request, given, DependencyCleanupGroup())
    arguments = way.handler.signature_model.parse_values_from_connection_kwargs(request, given)
    response: Response[Any] = await way.handler.fn(**arguments)
    return response


async def collect(receive: Receive, limit: int) -> bytes:
    """The whole body of a request. Raises TooLarge or Gone."""
    body = b""
    while True:
        event = await receive()
        if event["type"] != "http.request":
            raise Gone
        body += event["body"]
        if len(body) > limit:
            raise TooLarge
        if not event["more_body"]:
            return body


async def transmit(response: Response[Any], send: Send) -> None:
    """Send an answer in one piece, which the gate knows how to pass on: JSON, or the bytes that it holds."""
    content = response.content
    body = content if isinstance(content, bytes) else encode(content)
    headers = [(b"content-type", (response.media_type or "application/json").encode())]
    headers += [(name.encode(), value.encode()) for name, value in response.headers.items()]
    await send({"type": WHOLE, "status": response.status_code or 200, "headers": headers, "body": body})  # type: ignore[arg-type]
