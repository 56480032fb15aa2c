"""Words that somebody does not want to read. Whoever writes one does not notice; chat keeps the message away from that person.

A word is found in all its forms (`stems`), a phrase where its words follow each other. The list is its owner's alone.
"""

from functools import lru_cache

import msgspec

from dating.database import Transaction
from dating.errors import Malformed
from dating.safety import stems
from dating.safety import word_queries as queries
from dating.safety.word_models import HiddenWords


class NoWord(Malformed):
    """400: an entry has neither a letter nor a digit."""

    code = "no_word"
    detail = "A hidden word needs a letter or a digit."


async def show(tx: Transaction, me: int) -> HiddenWords:
    """My words."""
    return HiddenWords(await queries.read(tx, me))


async def replace(tx: Transaction, me: int, form: HiddenWords) -> HiddenWords:
    """These words and no others, for messages that come from now on. Raises NoWord."""
    words = list(dict.fromkeys(word.strip() for word in form.words))
    if not all(stems.split(word) for word in words):
        raise NoWord
    await queries.keep(tx, me, words)
    return HiddenWords(words)


async def erase(tx: Transaction, user_id: int) -> None:
    """Forget the words of a person whose account is being deleted."""
    await queries.keep(tx, user_id, [])


def occur(words: str, text: str) -> bool:
    """Whether one of the words (their list as JSON) occurs in the text."""
    said = stems.split(text)
    singles, phrases = compile_words(words)
    return not singles.isdisjoint(said) or any(
        phrase == tuple(said[at : at + len(phrase)]) for phrase in phrases for at in range(len(said) - len(phrase) + 1)
    )


@lru_cache(maxsize=1000)
def compile_words(words: str) -> tuple[frozenset[str], tuple[tuple[str, ...], ...]]:
    """The stems of single words, and those of phrases."""
    split = [tuple(stems.split(word)) for word in msgspec.json.decode(words, type=list[str])]
    return frozenset(one[0] for one in split if len(one) == 1), tuple(one for one in split if len(one) > 1)
