"""Web addresses in texts, found without asking anybody for them.

A pattern of our own, which reads a text once: whoever writes it chooses the text, and the libraries' patterns take minutes for
some of a hundred characters. Nothing in it can match in two ways, and everything that repeats has a bound or eats all it can.
"""

import re

import msgspec

MOST_LINKS = 20
LONGEST = 2_000  # characters of one address

NAMES = (
    # countries, by ISO 3166-1, and the few others of two letters
    "a[cdefgilmoqrstuwxz]|b[abdefghijmnorstvwyz]|c[acdfghiklmnoruvwxyz]|d[ejkmoz]|e[cegrstu]|f[ijkmor]|g[abdefghilmnpqrstuwy]"
    "|h[kmnrtu]|i[delmnoqrst]|j[emop]|k[eghimnprwyz]|l[abcikrstuvy]|m[acdeghklmnopqrstuvwxyz]|n[acefgilopruz]|om|p[aefghklmnrstwy]"
    "|qa|r[eosuw]|s[abcdeghijklmnorstuvxyz]|t[cdfghjklmnortvwz]|u[agksyz]|v[aceginu]|w[fs]|y[et]|z[amw]"
    "|com|net|org|info|biz|edu|gov|pro|web|xxx|aero|asia|coop|museum|name|shop|online|site|store|club|top|xyz|app|dev|live|link|vip"
    "|рф|рус|москва|онлайн|сайт|дети|укр|бел|қаз|xn--[a-z0-9-]{1,59}"
)
"""What the name of a host ends with where no scheme says that it is one."""

LINK = re.compile(
    # with a scheme: any host, perhaps with somebody's name before it
    r"(?<!\w)https?://(?:[^\s/?#@<>\"]{1,100}+@)?(?:[\w-]{1,63}\.){0,40}[\w-]{1,63}(?![\w-])(?::\d{1,5}+)?(?:[/?#][^\s<>\"]*+)?"
    # without one: labels and a known end
    rf"|(?<![\w.:/@\\-])[^\W_][\w-]{{0,62}}+\.(?:[\w-]{{1,63}}+\.){{0,40}}(?:{NAMES})(?![\w@-]|\.[\w-])(?::\d{{1,5}}+)?(?:[/?#][^\s<>\"]*+)?",
    re.IGNORECASE,
)
ENDS = frozenset(".,:;!?'*_~…»”’)]}")  # what is rather the sentence's than the address's
OPENING = {")": "(", "]": "[", "}": "{"}


def find_links(text: str) -> list[str]:
    """The web addresses of a text in their order, each once; what names no scheme gets `http://`."""
    if "." not in text and "//" not in text:
        return []
    found = [spell(trim(match[0])) for match in LINK.finditer(text)]
    return list(dict.fromkeys(url for url in found if len(url) <= LONGEST and not url.endswith("//")))[:MOST_LINKS]


def trim(address: str) -> str:
    """The address without what ends the sentence around it; a bracket stays that the address itself has opened."""
    spare = {closing: address.count(closing) - address.count(opening) for closing, opening in OPENING.items()}
    end = len(address)
    while address[end - 1] in ENDS and spare.get(address[end - 1], 1) > 0:
        if address[end - 1] in spare:
            spare[address[end - 1]] -= 1
        end -= 1
    return address[:end]


def spell(address: str) -> str:
    """The address with its scheme."""
    return address if address[:8].lower().startswith(("http://", "https://")) else f"http://{address}"


def encode_links(text: str) -> str:
    """The same as the JSON text of its column."""
    return msgspec.json.encode(find_links(text)).decode()
