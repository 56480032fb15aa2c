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


class Text:
    """A text that may be compared with many people's lists: what takes long is done once for all of them."""

    def __init__(self, text: str) -> None:
        tokens = stems.tokenize(text)
        self._stems = [stems.stem(token) for token in tokens]
        disguised = {stems.stem_russian(token.translate(stems.TO_CYRILLIC)) for token in tokens if stems.is_disguise(token)}
        self._singles = disguised.union(self._stems)
        self._phrases: dict[int, set[tuple[str, ...]]] = {}

    def holds(self, words: str) -> bool:
        """Whether one of the words (their list as JSON) occurs in it."""
        singles, phrases = compile_words(words)
        return not singles.isdisjoint(self._singles) or any(
            not same_length.isdisjoint(self._list_phrases(length)) for length, same_length in phrases.items()
        )

    def _list_phrases(self, length: int) -> set[tuple[str, ...]]:
        """Every run of so many stems."""
        if length not in self._phrases:
            self._phrases[length] = set(zip(*[self._stems[start:] for start in range(length)], strict=False))
        return self._phrases[length]


@lru_cache(maxsize=1000)
def compile_words(words: str) -> tuple[frozenset[str], dict[int, set[tuple[str, ...]]]]:
    """The stems of single words, and those of phrases by how many words these have."""
    split = [tuple(stems.split(word)) for word in msgspec.json.decode(words, type=list[str])]
    phrases: dict[int, set[tuple[str, ...]]] = {}
    for one in split:
        if len(one) > 1:
            phrases.setdefault(len(one), set()).add(one)
    return frozenset(one[0] for one in split if len(one) == 1), phrases
