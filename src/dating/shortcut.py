"""The short way to the busiest handlers, past machinery that they do not use.

Litestar resolves dependencies in a task group, converts what is of the right type already, and passes an answer through several
layers: well spent on the many operations, but 110 µs more for each message than this. A handler with `opt={"direct": True}`
is documented and routed by Litestar as any other, but its requests come by here: the same guard, the same strict body, the same
function, the same errors. Such a handler takes `request`, `data`, `me` and `db`, and answers with a `Response`.
"""

from typing import Any, cast

import msgspec
from litestar import Litestar, Response
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute
from litestar.types import HTTPScope, Receive, Scope, Send

from dating.bodies import JSONRequest, decode_body, judge_text
from dating.errors import TooLarge
from dating.gate import WHOLE, Gone, admit, answer_error

encode = msgspec.json.Encoder().encode


class DirectRequest(JSONRequest):
    """What direct handlers, the guard and the answer to an error ask of a request: its scope. Litestar keeps 40 things more."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self.scope = cast(HTTPScope, scope)
        self.receive = receive


class Shortcut:
    """In place of an application's inner handler: serves the direct routes, and leaves the others to it."""

    def __init__(self, app: Litestar) -> None:
        self._app = app
        self._inner = app.asgi_handler
        self._handlers = {
            (method, route.path): handler
            for route in app.routes
            if isinstance(route, HTTPRoute)
            for method, (handler, _) in route.route_handler_map.items()
            if handler.opt.get("direct")
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self._find(scope)
        if handler is None:
            await self._inner(scope, receive, send)
            return
        scope["route_handler"], scope["path_template"], scope["path_params"] = handler, scope["path"], {}
        request = DirectRequest(scope, receive)
        try:
            response = await self._call(handler, request)
        except Exception as error:
            response = answer_error(request, error)
        await transmit(response, send)

    def _find(self, scope: Any) -> HTTPRouteHandler | None:
        """The direct handler of a request, unless CORS has a say in it."""
        handler = self._handlers.get((scope["method"], scope["path"]))
        if handler is not None and self._app.cors_config and any(name == b"origin" for name, _ in scope["headers"]):
            return None
        return handler

    async def _call(self, handler: HTTPRouteHandler, request: JSONRequest) -> Response[Any]:
        state = self._app.state
        await admit(request, handler)
        body = await collect(request.receive, state.settings.body_limit)
        data = decode_body(handler, judge_text(body, state.settings.max_json_depth))
        response: Response[Any] = await handler.fn(request=request, data=data, me=request.scope["state"]["identity"], db=state.db)
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
