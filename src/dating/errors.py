"""The tree of refusals: every way in which the server says no, in one shape for HTTP and for the socket.

    Refusal
    ├── Malformed      400  the request makes no sense as it stands
    ├── Unauthorized   401  no token, or one that is not valid
    ├── Forbidden      403  known, and not allowed
    ├── NotFound       404  absent, or not visible to the one who asks: the two look alike
    ├── Conflict       409  clashes with what is already there
    ├── TooLarge       413  more bytes than the operation takes
    ├── Unsupported    415  not the media type that the operation reads
    ├── Throttled      429  too often; says when to come back
    └── Unavailable    503  something that the server needs is away; says when to come back

Leaf classes live beside the rule that raises them. A leaf gives `code`, which programs compare and which never changes, and
`detail`, a sentence for people. Over HTTP a refusal becomes RFC 9457 problem+json, on the socket an `error` frame.
"""

from typing import ClassVar

import msgspec


class FieldError(msgspec.Struct, frozen=True):
    """One field that was refused: its path in the request and why."""

    field: str
    message: str


class Problem(msgspec.Struct, frozen=True):
    """RFC 9457 problem details, plus a stable `code` and, for validation, the fields that were refused."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[FieldError] | msgspec.UnsetType = msgspec.UNSET


class Refusal(Exception):
    """The root: never raised itself.

    `detail` is shown to people; `retry_after` is whole seconds for the Retry-After header (429 and 503 only).
    """

    status: ClassVar[int] = 400
    title: ClassVar[str] = "Bad Request"
    code: ClassVar[str] = "refused"
    detail: str = "The request was refused."

    def __init__(
        self,
        detail: str | None = None,
        *,
        errors: list[FieldError] | None = None,
        retry_after: int | None = None,
    ) -> None:
        self.detail = detail or type(self).detail
        self.errors = errors
        self.retry_after = retry_after
        super().__init__(self.detail)

    def problem(self) -> bytes:
        """The refusal as the body of an `application/problem+json` answer."""
        return msgspec.json.encode(
            Problem("about:blank", self.title, self.status, self.detail, self.code, self.errors or msgspec.UNSET)
        )


class Malformed(Refusal):
    """400."""

    code = "malformed"
    detail = "The request is malformed."


class Unauthorized(Refusal):
    """401."""

    status = 401
    title = "Unauthorized"
    code = "unauthorized"
    detail = "A valid access token is needed."


class Forbidden(Refusal):
    """403."""

    status = 403
    title = "Forbidden"
    code = "forbidden"
    detail = "This is not allowed."


class NotFound(Refusal):
    """404: absent, or hidden from the one who asks."""

    status = 404
    title = "Not Found"
    code = "not_found"
    detail = "There is no such thing."


class MethodNotAllowed(Refusal):
    """405: the path exists, the method does not."""

    status = 405
    title = "Method Not Allowed"
    code = "method_not_allowed"
    detail = "The path does not answer this method."


class Conflict(Refusal):
    """409."""

    status = 409
    title = "Conflict"
    code = "conflict"
    detail = "This clashes with what is already there."


class TooLarge(Refusal):
    """413."""

    status = 413
    title = "Content Too Large"
    code = "too_large"
    detail = "The request body is too large."


class Unsupported(Refusal):
    """415."""

    status = 415
    title = "Unsupported Media Type"
    code = "unsupported_media_type"
    detail = "The request body must be application/json."


class Throttled(Refusal):
    """429; `retry_after` says when to come back."""

    status = 429
    title = "Too Many Requests"
    code = "too_many_requests"
    detail = "Too many requests; try again later."


class Unavailable(Refusal):
    """503; `retry_after` says when to come back."""

    status = 503
    title = "Service Unavailable"
    code = "unavailable"
    detail = "The server cannot do this right now; try again soon."


class Invalid(Malformed):
    """400 with the fields that were refused."""

    code = "invalid"
    detail = "Some fields are not valid."
