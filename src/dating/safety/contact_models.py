"""The address book as it comes in, and what is said of it."""

from typing import Annotated

import msgspec
from msgspec import Meta

AT_ONCE = 900
"""Hashes in one request: what fits into the largest body."""

SAMPLE = "60c61206e36204aa3ac3b26c9994204e05c1f48ad55414a653704cecae7c43be"
"""Of `maria@example.org`."""

Digest = Annotated[str, Meta(pattern="^[0-9a-fA-F]{64}$", min_length=64, max_length=64, examples=[SAMPLE])]


class Contacts(msgspec.Struct, frozen=True):
    """SHA-256 hashes, in hexadecimal, of addresses and telephone numbers. Repeated ones count once."""

    hashes: Annotated[list[Digest], Meta(max_length=AT_ONCE, examples=[[SAMPLE]])]


class ContactCount(msgspec.Struct, frozen=True):
    """How many different hashes the server keeps for me. Whom they belong to is never said."""

    count: Annotated[int, Meta(ge=0, le=5000, examples=[212])]
