"""What a word is to the search."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dating.search.lookback import count_more
from dating.search.models import Look
from dating.search.words import (
    LONGEST,
    MOST_WORDS,
    NothingToFind,
    TooManyWords,
    cut_snippet,
    find_hits,
    list_words,
    read_question,
    write_patterns,
    write_query,
    write_terms,
)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Привет, Мир!", ["привет", "мир"]),
        ("ёлка Ёж е\u0308ж", ["елка", "еж"]),
        ("чай и йод, и\u0306од", ["чай", "и", "йод"]),
        ("Café naïve cafe\u0301", ["cafe", "naive"]),
        ("Straße STRASSE", ["strasse"]),
        ("don't_stop", ["don", "t", "stop"]),
        ("ok 👍🏽👍 ❤️", ["ok", "👍", "❤"]),
        ("2026-11-25", ["2026", "11", "25"]),
        ("ﬁne ½", ["fine", "1", "2"]),
        ('" OR NEAR( *)\0', ["or", "near"]),
        ("x" * 100, ["x" * LONGEST]),
        ("", []),
        ("?!… \u0301", []),
    ],
)
def test_texts_become_words(text: str, words: list[str]) -> None:
    """Without case, accents and punctuation; й stays й; emoji are words."""
    assert list_words(text) == words


@pytest.mark.parametrize(
    ("text", "question", "hit"),
    [
        ("Пойдём гулять с собаками", "собака", True),
        ("Пойдём гулять с собаками", "ПОЙДЕМ", True),
        ("Люблю программирование", "программи", True),
        ("running late", "runni", True),
        ("running late", "run", True),
        ("run", "running", True),
        ("мамонт", "мама", False),
        ("кот", "котёнок", False),
        ("👍🏽", "👍", True),
    ],
)
def test_beginnings_and_forms_are_hits(text: str, question: str, hit: bool) -> None:
    """A word is found by its beginning and its other forms, and by nothing else."""
    assert bool(list(find_hits(text, read_question(question)))) is hit


def test_a_snippet_is_the_text_itself() -> None:
    """The pieces put together are what was written, and the hits are where the words are."""
    segments = cut_snippet("Ёлка <b>горит</b>, ёлки-палки", ["елка"])
    assert [(one.text, one.hit) for one in segments] == [
        ("Ёлка", True),
        (" <b>горит</b>, ", False),
        ("ёлки", True),
        ("-палки", False),
    ]


def test_a_snippet_of_a_long_text_is_short() -> None:
    """It begins a little before the first hit."""
    segments = cut_snippet("да " * 1000 + "нашлось" + " нет" * 1000, ["нашлось"])
    assert sum(len(one.text) for one in segments) == 200
    assert [one.text for one in segments if one.hit] == ["нашлось"]


def test_questions_have_bounds() -> None:
    """A word at least, and not too many; the same word twice is one."""
    with pytest.raises(NothingToFind):
        read_question("?!")
    with pytest.raises(TooManyWords):
        read_question(" ".join(str(n) for n in range(MOST_WORDS + 1)))
    assert read_question("да " * 50) == ["да"]


def test_what_is_kept_and_what_is_asked() -> None:
    """Terms are in every scope; a query asks for beginnings and stems in each."""
    assert write_terms(["5", "7"], "Dogs, dog") == "5_dogs 5_=dog 5_dog 7_dogs 7_=dog 7_dog"
    assert write_query(["5"], ["dogs"]) == '(("5_dogs"* OR "5_=dog" OR "5_dog"))'
    assert write_patterns(["happy"]) == [["happ", "_happy", "_=happi ", "_happi "]]


@pytest.mark.parametrize(
    ("hits", "words", "said", "count"),
    [
        (22, 1, 66_000, 0),  # enough
        (0, 1, 66_000, 0),  # rare, as far as it can be seen
        (15, 1, 66_000, 168),  # seven more, and a little
        (5, 1, 3_000, 0),  # few in all: the index names them sooner
        (5, 1, 600_000, 1000),  # many in all: more than half a page comes before the index
        (2, 2, 600_000, 0),  # not even half a page
        (5, 2, 3_000, 0),
        (5, 3, 3_000, 1000),  # the index takes long for many words
    ],
)
def test_it_is_looked_on_where_that_is_the_shorter_way(hits: int, words: int, said: int, count: int) -> None:
    """As far as the first look promises to be enough for a page, or half of it; not where the index has it sooner."""
    assert count_more(Look(list(range(hits)), 300, 1), 22, words, said) == count


@given(st.text())
def test_any_text_becomes_safe_terms(text: str) -> None:
    """No term holds what the databases would read as more than a word, and every word of a text finds the text."""
    terms = write_terms(["5"], text).split(" ")
    assert all(not set(term) & set("\"'*()\\: &|!\0") for term in terms)
    for word in list_words(text)[:5]:
        assert list(find_hits(text, [word]))
