"""Looking for somebody in a text."""

import re


def find_traces(text: str, user_id: int, word: str) -> list[str]:
    """Where the id, as a number of its own, or the word, in any case, stands; each with what is around it."""
    wanted = rf"(?<!\d){user_id}(?!\d)|{re.escape(word)}"
    return [text[max(0, hit.start() - 60) : hit.end() + 30] for hit in re.finditer(wanted, text, re.IGNORECASE)]
