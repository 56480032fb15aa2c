"""Hidden words: what comes in and goes out."""

from typing import Annotated

import msgspec
from msgspec import Meta

MOST = 200
LONGEST = 50
Word = Annotated[str, Meta(min_length=1, max_length=LONGEST, examples=["крипта"])]


class HiddenWords(msgspec.Struct, frozen=True):
    """Words and phrases that I do not want to read, as I wrote them, each once."""

    words: Annotated[list[Word], Meta(max_length=MOST, examples=[["крипта", "invest now"]])]
