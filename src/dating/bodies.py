"""What a request's body may be: JSON, not too large, not too deep, without NUL characters, and exactly what its route reads."""

import re
from functools import cache
from typing import Any

import msgspec
from litestar import Request
from litestar.handlers import BaseRouteHandler

from dating.errors import FieldError, Invalid, Malformed, TooLarge, Unsupported

BODIES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000|\x00")
NESTING = re.compile(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


class BadText(Malformed):
    """400: a text holds a NUL character, which no text needs and not every database stores."""

    code = "nul_character"
    detail = "Text must not contain NUL characters."


class TooDeep(Malformed):
    """400: the body is nested deeper than `max_json_depth`."""

    code = "too_deep"
    detail = "The request body is nested too deeply."


def judge_body(scope: Any, limit: int) -> None:
    """A body must be JSON and not larger than the limit. Raises Unsupported or TooLarge."""
    if scope["method"] not in BODIES:
        return
    headers = dict(scope["headers"])
    length = headers.get(b"content-length", b"0")
    if length == b"0" and b"transfer-encoding" not in headers:
        return
    media = headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media != b"application/json":
        raise Unsupported
    if length.isdigit() and int(length) > limit:
        raise TooLarge


class JSONRequest(Request[Any, Any, Any]):
    """A request whose body holds no NUL character, is not nested too deeply, and is exactly what its route reads."""

    async def body(self) -> bytes:
        """The whole body. Raises BadText, TooDeep or UnicodeDecodeError."""
        return judge_text(await super().body(), self.app.state.settings.max_json_depth)

    def keep(self, body: bytes) -> None:
        """Remember a body that was read elsewhere."""
        self._body = body

    async def json(self) -> Any:
        """The body as the type that the handler reads, in one pass. Raises Invalid.

        Litestar decodes to plain data first and converts that leniently: it would take the text "1" for a number.
        """
        return decode_body(self.route_handler, await self.body())


def judge_text(body: bytes, depth: int) -> bytes:
    """The body, if it may be one. Raises BadText, TooDeep or UnicodeDecodeError."""
    if not body.isascii():
        body.decode()  # msgspec does not look inside the values of keys that it ignores
    if b"\x00" in body or (b"\\u0000" in body and NUL.search(body)):
        raise BadText
    judge_depth(body, depth)
    return body


def decode_body(handler: BaseRouteHandler, body: bytes) -> Any:
    """The body as the type that the handler reads. Raises Invalid or Malformed."""
    kind = handler.parsed_fn_signature.parameters["data"].annotation
    try:
        return make_decoder(kind).decode(body.decode())  # as text: unknown keys, too, are to be UTF-8
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        raise Invalid(errors=[FieldError(path.rstrip("`").lstrip(".") or "body", message)]) from error
    except msgspec.DecodeError as error:
        raise Malformed("The request body is not valid JSON.") from error


@cache
def make_decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    """What reads bodies of a type."""
    return msgspec.json.Decoder(kind)


def judge_depth(body: bytes, most: int) -> None:
    """Objects and lists are nested at most so deep. Raises TooDeep."""
    if body.count(b"{") + body.count(b"[") <= most:
        return
    depth = 0
    for token in NESTING.finditer(body):
        if token[0] in (b"{", b"["):
            depth += 1
            if depth > most:
                raise TooDeep
        elif token[0] in (b"}", b"]"):
            depth -= 1
