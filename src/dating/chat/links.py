"""Web addresses in texts, found without asking anybody for them."""

from functools import cache

import msgspec
from linkify_it import LinkifyIt  # type: ignore[import-untyped]

MOST_LINKS = 20
LONGEST = 2_000  # characters of one address


@cache
def make_finder() -> LinkifyIt:
    """The finder; its expressions take a while to compile, so they are made once, when the first text needs them."""
    return LinkifyIt()


def find_links(text: str) -> list[str]:
    """The web addresses of a text in their order, each once; what names no scheme gets `http://`."""
    if "." not in text and "//" not in text:
        return []
    found = [match.url for match in make_finder().match(text) or [] if len(match.url) <= LONGEST]
    return list(dict.fromkeys(url for url in found if url.startswith(("http://", "https://"))))[:MOST_LINKS]


def encode_links(text: str) -> str:
    """The same as the JSON text of its column."""
    return msgspec.json.encode(find_links(text)).decode()
