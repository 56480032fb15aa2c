"""What a word is to the search, the same for both databases: texts become words here, and only words reach the database.

A word is letters and digits, compared without case and accents (ё is е, but й is й); one emoji is a word as well, whatever its
skin. A word is found by its beginning, and by any other form of itself: both are reduced to a stem by Snowball's rules (Porter,
https://snowballstem.org), the Russian ones for Cyrillic letters and the English ones for Latin letters.

A message is kept as terms `scope_word`, and `scope_=stem` where the stem is another. The scopes of a message in a direct chat are
its two people, that of one in a group is the group: so what I may find at all is a narrow part of the index, however big it is.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache

import snowballstemmer  # type: ignore[import-untyped]

from dating.errors import Malformed
from dating.search.models import Segment

MOST_WORDS = 10
LONGEST = 64  # characters of a word that count
AROUND = 60  # characters of a snippet before its first hit
SNIPPET = 200

TOKEN = re.compile("(?:[^\\W_][\u0300-\u036f]*)+|[\u2190-\u2bff\U0001f000-\U0001f3fa\U0001f400-\U0001faff]")
WORD = re.compile(r"[^\W_]+")
BREVE = "\u0306"
RUSSIAN = snowballstemmer.stemmer("russian")
ENGLISH = snowballstemmer.stemmer("english")


class NothingToFind(Malformed):
    """400: the question has no letter, digit or emoji."""

    code = "nothing_to_find"
    detail = "Ask for a word: a letter, a digit or an emoji."


class TooManyWords(Malformed):
    """400: the question has too many words."""

    code = "too_many_words"
    detail = f"No more than {MOST_WORDS} different words can be asked for at once."


@lru_cache(50_000)
def fold(token: str) -> tuple[str, ...]:
    """The words that one token is: nearly always one, without case and accents."""
    if token.isascii():
        return (token.lower()[:LONGEST],)
    if not token[0].isalnum():
        return (token,)
    parts = unicodedata.normalize("NFKD", token.casefold())
    kept = [
        part for n, part in enumerate(parts) if not unicodedata.combining(part) or (part == BREVE and n and parts[n - 1] == "и")
    ]
    return tuple(word[:LONGEST] for word in WORD.findall(unicodedata.normalize("NFC", "".join(kept)).casefold()))


@lru_cache(50_000)
def stem(word: str) -> str:
    """What the word's forms have in common."""
    if "а" <= word[-1] <= "я":
        return str(RUSSIAN.stemWord(word))
    return str(ENGLISH.stemWord(word)) if "a" <= word[-1] <= "z" else word


def list_words(text: str) -> list[str]:
    """The different words of a text, in its order."""
    return list(dict.fromkeys(word for token in TOKEN.findall(text) for word in fold(token)))


@lru_cache(50_000)
def spell(token: str) -> tuple[str, ...]:
    """What is kept of one token, without the scope: each word, and its stem if that is another."""
    return tuple(term for word in fold(token) for term in ((word,) if stem(word) == word else (word, f"={stem(word)}")))


def write_terms(scopes: Sequence[str], text: str) -> str:
    """A message as it is kept."""
    terms = dict.fromkeys(term for token in TOKEN.findall(text) for term in spell(token))
    return " ".join(f"{scope}_" + f" {scope}_".join(terms) for scope in scopes) if terms else ""


def read_question(text: str) -> list[str]:
    """The words that are asked for. Raises NothingToFind or TooManyWords."""
    words = list_words(text)
    if not words:
        raise NothingToFind
    if len(words) > MOST_WORDS:
        raise TooManyWords
    return words


def write_query(scopes: Iterable[str], words: Sequence[str]) -> str:
    """The query for messages of any of the scopes that have all the words. Nothing in a word means anything to the database."""
    return " OR ".join("(" + " AND ".join(ask(scope, word) for word in words) + ")" for scope in scopes)


def ask(scope: str, word: str) -> str:
    """The part of a query for one word: its beginning, or another form of it."""
    base = stem(word)
    plain = [f'"{scope}_{base}"'] if base != word else []
    return "(" + " OR ".join([f'"{scope}_{word}"*', f'"{scope}_={base}"', *plain]) + ")"


def write_patterns(words: Sequence[str]) -> list[list[str]]:
    """The same as texts that a message has as it is kept: for each word what all its forms have, then how `ask` looks for it.

    As a beginning, and as the two forms before a blank.
    """
    return [[share(word, stem(word)), *[f"_{end}" for end in ends(word)]] for word in words]


def share(one: str, other: str) -> str:
    """The beginning that two words have in common."""
    return one[
        : next((n for n, (mine, theirs) in enumerate(zip(one, other, strict=False)) if mine != theirs), min(len(one), len(other)))
    ]


def ends(word: str) -> tuple[str, str, str]:
    """What stands after a scope where a word is."""
    return word, f"={stem(word)} ", f"{stem(word)} "


def is_hit(token: str, words: Iterable[str]) -> bool:
    """Whether a token of a text is what was asked for."""
    return any(
        found.startswith(word) or (found[0] == word[0] and stem(found) == stem(word)) for found in fold(token) for word in words
    )


def find_hits(text: str, words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Where in a text the words are, or their other forms."""
    for match in TOKEN.finditer(text):
        if is_hit(match[0], words):
            yield match.span()


def cut_snippet(text: str, words: Sequence[str]) -> list[Segment]:
    """The surroundings of the first hit, in pieces: what was found and what lies between, as it was written."""
    hits = list(find_hits(text, words))
    start = max(0, hits[0][0] - AROUND) if hits else 0
    end = start + SNIPPET
    segments: list[Segment] = []
    for first, last in [hit for hit in hits if hit[1] <= end]:
        segments += [Segment(text[start:first], False), Segment(text[first:last], True)]
        start = last
    return [segment for segment in [*segments, Segment(text[start:end], False)] if segment.text]
