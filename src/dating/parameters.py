"""What many lists take in their address: how many, from where.

Litestar checks the bounds of its own markers only: those of a msgspec `Meta` around a query parameter are not looked at.
"""

from typing import Annotated

from litestar.params import QueryParameter

Limit = Annotated[int, QueryParameter(ge=1, le=100, description="Most entries to answer.")]
Offset = Annotated[int, QueryParameter(ge=0, le=10_000, description="Entries to leave out; a cursor misses nothing.")]
Cursor = Annotated[int | None, QueryParameter(ge=1, lt=2**53, description="An id: the page begins after this entry.")]
