"""Texts as a list of stems, so that a word is found in any of its cases and forms.

Case, accents, `ё`, ornamental and invisible characters make no difference, nor do letters of another alphabet that look like
those of the word. What stands between letters does (`к р и п т а`, `кр_пта`), and digits are no letters (`kp1pta`). Russian
stems are those of Snowball (snowballstem.org/algorithms/russian), English ones lose the commonest endings; other words stay as
they are. The search stems with a library, outside the loop; this runs in the transaction that sends, and takes 3 µs for a word
where that takes 170.
"""

import re
import unicodedata
from functools import lru_cache

SHORT = 3  # letters of a word that has no forms
TOKEN = re.compile(r"[^\W_]+")
FOREIGN_BREVE = re.compile("(?<!и)\u0306")  # what makes и a й, under another letter
LIGATURE = "\ufdfa"  # the one character that is spread to 18: four thousand of them would take a while
MARKS = frozenset({"Mn", "Me", "Cf"})
FILLERS = frozenset("\u115f\u1160")  # letters that are blank

# Letters that look alike. Small ones, whose capitals may be what looks alike.
LATIN, CYRILLIC, GREEK = re.compile("[a-z]"), re.compile("[\u0400-\u052f]"), re.compile("[α-ω]")
TO_CYRILLIC = str.maketrans("aceopxyktmbh", "асеорхуктмвн")
TO_LATIN = str.maketrans("асеорхуктмвніѕјԁһԛԝ", "aceopxyktmbhisjdhqw")
GREEK_TO_LATIN = str.maketrans("αεικνορτυχ", "aeikvoptyx")
LOOKALIKES = re.compile("[aceopxyktmbh]+")

AFTER_VOWEL = re.compile(r"^(.*?[аеиоуыэюя])(.*)$")
GERUND = re.compile(r"((?<=[ая])(вшись|вши|в)|ившись|ывшись|ивши|ывши|ив|ыв)$")
REFLEXIVE = re.compile(r"(ся|сь)$")
ADJECTIVE = re.compile(
    r"(ими|ыми|его|ого|ему|ому|ее|ие|ые|ое|ей|ий|ый|ой|ем|им|ым|ом|их|ых|ую|юю|ая|яя|ою|ею)$",
)
PARTICIPLE = re.compile(r"(ивш|ывш|ующ|(?<=[ая])(ем|нн|вш|ющ|щ))$")
VERB = re.compile(
    r"(уйте|ейте|ила|ыла|ена|ите|или|ыли|ило|ыло|ено|ует|уют|ены|ить|ыть|ишь|ей|уй|ил|ыл|им|ым|ен|ят|ит|ыт|ую|ю"
    r"|(?<=[ая])(ете|йте|ешь|нно|ла|на|ли|ло|но|ет|ют|ны|ть|ем|й|л|н))$"
)
NOUN = re.compile(r"(иями|иях|иям|ями|ами|ией|ием|ев|ов|ие|ье|еи|ии|ей|ой|ий|ям|ем|ам|ом|ах|ях|ию|ью|ия|ья|а|е|и|й|о|у|ы|ь|ю|я)$")
SECOND_REGION = re.compile(r"^[^аеиоуыэюя]*[аеиоуыэюя]+[^аеиоуыэюя]+[аеиоуыэюя]")
ABSTRACT = re.compile(r"ость?$")
SUPERLATIVE = re.compile(r"ейше?$")
ENGLISH = re.compile(r"(?<=[a-z]{3})(ings?|edly|ed|ers?|ies|es|ly|s|y|e)$")


class Unseen(dict[int, int | None]):
    """For `str.translate`: takes out what cannot be seen by itself. Looks at each character once, and remembers the first few."""

    MOST = 5000

    def __missing__(self, code: int) -> int | None:
        character = chr(code)
        unseen = (unicodedata.category(character) in MARKS and character != "\u0306") or character in FILLERS
        kept = None if unseen else code
        if len(self) < self.MOST:
            self[code] = kept
        return kept


UNSEEN = Unseen()


def split(text: str) -> list[str]:
    """The stems of a text, in order."""
    return [stem(token) for token in tokenize(text)]


def tokenize(text: str) -> list[str]:
    """The folded words of a text, in order."""
    return TOKEN.findall(fold(text))


def fold(text: str) -> str:
    """The text in lower case, without accents, ornaments and what cannot be seen."""
    spread = unicodedata.normalize("NFKD", text.casefold().replace(LIGATURE, " ")).casefold()
    return unicodedata.normalize("NFC", FOREIGN_BREVE.sub("", spread.translate(UNSEEN)))


@lru_cache(maxsize=20_000)
def stem(word: str) -> str:
    """What the forms of a folded word have in common."""
    word = unmask(word)
    if CYRILLIC.search(word):
        return stem_russian(word)
    return word if len(word) <= SHORT else ENGLISH.sub("", word)


def unmask(word: str) -> str:
    """The word in one alphabet: in that of a letter of it that has no lookalike in the other, else in Cyrillic."""
    if word.isascii():
        return word
    if GREEK.search(word) and (LATIN.search(word) or CYRILLIC.search(word)):
        word = word.translate(GREEK_TO_LATIN)
    if not (LATIN.search(word) and CYRILLIC.search(word)):
        return word
    latin = word.translate(TO_LATIN)
    return word.translate(TO_CYRILLIC) if CYRILLIC.search(latin) or is_disguise(latin) else latin


def is_disguise(word: str) -> bool:
    """Whether a Latin word may be a Cyrillic one: all of its letters look like Cyrillic ones."""
    return LOOKALIKES.fullmatch(word) is not None


def stem_russian(word: str) -> str:
    """The stem by Snowball's four steps."""
    parts = AFTER_VOWEL.match(word)
    if parts is None or len(word) <= SHORT:
        return word
    start, rest = parts[1], parts[2]
    rest = drop_ending(rest).removesuffix("и")
    if ABSTRACT.search(rest) and SECOND_REGION.match(rest):
        rest = ABSTRACT.sub("", rest)
    rest = SUPERLATIVE.sub("", rest)
    rest = rest[:-1] if rest.endswith(("нн", "ь")) else rest
    return start + rest


def drop_ending(rest: str) -> str:
    """Without the ending of a gerund, or else of an adjective, a verb or a noun."""
    without = GERUND.sub("", rest)
    if without != rest:
        return without
    rest = REFLEXIVE.sub("", rest)
    without = ADJECTIVE.sub("", rest)
    if without != rest:
        return PARTICIPLE.sub("", without)
    without = VERB.sub("", rest)
    return without if without != rest else NOUN.sub("", rest)
