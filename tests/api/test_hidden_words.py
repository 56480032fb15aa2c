"""Hidden words: what holds one comes to none of the person's devices, and whoever wrote it does not notice."""

import time
from typing import Any

import msgspec
import pytest
import snowballstemmer  # type: ignore[import-untyped]

from dating.safety import stems, words
from tests.api.messenger import do, history, listen, make_group, refused
from tests.api.test_requests import ask, listed, unread
from tests.kit import Api, Person


async def hide(person: Person, *hidden: str) -> None:
    """Choose hidden words."""
    answer = await person.put("/me/hidden-words", json={"words": list(hidden)})
    assert (answer.status_code, answer.json()) == (200, {"words": list(hidden)})


async def hidden(person: Person) -> list[str]:
    """What is kept away."""
    return [one["content"] for one in (await person.get("/api/messages/hidden")).json()]


@pytest.mark.parametrize(
    ("word", "text", "found"),
    [
        ("крипта", "Заработай на КРИПТЕ!", True),
        ("крипту", "крипта", True),
        ("ёлка", "под елками", True),
        ("елка", "Ёлку купили", True),
        ("тупой", "какая же ты тупая", True),
        ("инвестиции", "инвестициями", True),
        ("секс", "сeкс", True),  # with a Latin e
        ("сука", "cyka", True),  # in Latin letters alone
        ("invest", "invеst", True),  # with a Cyrillic е
        ("invest", "іnvests", True),  # with a Ukrainian і
        ("spam", "spαm", True),  # with a Greek α
        ("spam", "𝐒𝐏𝐀𝐌", True),  # capitals of mathematics
        ("spam", "ｓｐａｍ Ⓢⓟⓐⓜ", True),
        ("крипта", "К҉Р҉И҉П҉Т҉А҉", True),  # each letter encircled
        ("крипта", "кри\u3164пта", True),  # with a blank letter
        ("крипта", "кр\u200bи\u2060п\ufe0fта", True),
        ("крипта", "а\u0306 крипта\u0306", True),  # with a breve that makes no й of it
        ("крипта", "к\u0301р\u0336и\u0301пта", True),
        ("мой", "мои", False),
        ("крипта", "\u202eкрипта\u202c", True),
        ("שלום", "שָׁלוֹם", True),
        ("vkонтакте", "VKонтакте", True),
        ("boy", "boys and a BOY", True),
        ("деньги", "де\u00adньгами", True),
        ("bitcoin", "Bitcoins!", True),
        ("invest now", "you must invest now, dear", True),
        ("invest now", "now invest", False),
        ("кот", "который", False),
        ("рак", "рука", False),
        ("18+", "18", True),
        ("💰 крипта", "крипта", True),
    ],
)
def test_words_are_found_in_their_forms(word: str, text: str, found: bool) -> None:
    """Case, ё, endings, plural, lookalikes and invisible characters make no difference; other words do."""
    assert words.Text(text).holds(f'["{word}"]') is found


def test_a_long_text_and_long_lists_take_no_long_time() -> None:
    """Work grows with the text, or with the lists, never with one times the other: a text of 4,000 characters against the lists
    of a full group, each 200 phrases of five words, which a comparison of each with each would take a quarter of a minute for.
    """
    text = "а " * 2000
    lists = [msgspec.json.encode([f"а а а а {n}" for n in range(first, first + 200)]).decode() for first in range(0, 51_000, 200)]
    began = time.process_time()
    said = words.Text(text)
    assert not any(said.holds(one) for one in lists)
    assert said.holds('["а а а а а"]')
    assert time.process_time() - began < 5
    assert words.Text("\ufdfa" * 4000).holds('["x"]') is False


def test_russian_stems_are_those_of_snowball() -> None:
    """The same as the library's, which is too slow for the transaction that sends."""
    library = snowballstemmer.stemmer("russian")
    text = """Однажды весною, в час небывало жаркого заката, в Москве, на Патриарших прудах, появились два гражданина. Первый из
    них, одетый в летнюю серенькую пару, был маленького роста, упитан, лыс, шляпу пирожком нес в руке, а на хорошо выбритом
    лице его помещались сверхъестественных размеров очки в черной роговой оправе. Смеявшись, подумавши, красивейшие возможности,
    радость, честность, бегущими, прочитанная, занимаешься, учились, уйдите, деньгами, инвестированный, длинные, конь"""
    for word in stems.tokenize(text):
        assert stems.stem(word) == library.stemWord(word) or len(word) <= stems.SHORT, word


def test_stems_of_anything() -> None:
    """Nothing that people type breaks them."""
    for text in ("", "🙂", "ь", "ss", "а" * 4000, "\u0306\u0306", "ß İ ﬁ Ⅷ ١٢٣", "ййй ившись"):
        assert all(stems.split(text)) or not text


async def test_a_hidden_message(api: Api) -> None:
    """The sender's answer, events and history are as ever; the other has a number, and the list of hidden messages."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    await hide(boris, "крипта")
    ears = await listen(anna, boris)
    before = await listed(boris)
    sent = await anna.say(chat_id, "Вложись в крипту")
    mine, theirs = await ears.heard()
    assert [event["content"] for event in mine] == ["Вложись в крипту"]
    assert theirs == [{"type": "hidden"}]
    assert (await listed(boris), await unread(boris)) == (before, (0, 0, 0))
    assert [one["id"] for one in await history(boris, chat_id)] == [one["id"] for one in await history(anna, chat_id)][:-1]
    assert (await history(anna, chat_id))[-1] == sent
    assert await hidden(boris) == ["Вложись в крипту"]
    assert await hidden(anna) == []
    await anna.say(chat_id, "Как дела?")
    assert (await unread(boris), (await history(boris, chat_id))[-1]["content"]) == ((1, 1, 0), "Как дела?")


async def test_it_can_be_read_after_all(api: Api) -> None:
    """It takes its place in the chat; the person's devices hear it once, nobody else anything."""
    anna, boris, clara = await api.people(3)
    chat_id = await anna.match(boris)
    await hide(boris, "крипта")
    sent = await anna.say(chat_id, "крипта")
    ears = await listen(anna, boris)
    for person in (anna, clara):
        assert await refused(person, f"/api/messages/{sent['id']}/unhide") == (404, "message_not_found")
    await do(boris, f"/api/messages/{sent['id']}/unhide")
    mine, theirs = await ears.heard()
    assert (mine, [(event["type"], event["id"], event["content"]) for event in theirs]) == (
        [],
        [("message", sent["id"], "крипта")],
    )
    assert ((await history(boris, chat_id))[-1]["id"], await hidden(boris)) == (sent["id"], [])
    assert await refused(boris, f"/api/messages/{sent['id']}/unhide") == (404, "message_not_found")


async def test_what_i_write_myself_is_not_kept_from_me(api: Api) -> None:
    """My words are about others' messages."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    await hide(anna, "крипта")
    ears = await listen(anna, boris)
    sent = await anna.say(chat_id, "крипта")
    assert [[event["type"] for event in events] for events in await ears.heard()] == [["message"], ["message"]]
    assert ((await history(anna, chat_id))[-1]["id"], await hidden(anna)) == (sent["id"], [])


async def test_in_a_group_only_who_does_not_want_it(api: Api) -> None:
    """The others read it; a block beside it makes no difference."""
    anna, boris, clara = await api.people(3)
    group = await make_group(anna, boris, clara)
    await hide(boris, "крипта")
    ears = await listen(anna, boris, clara)
    await anna.say(group, "крипта")
    assert [[event["type"] for event in events] for events in await ears.heard()] == [["message"], ["hidden"], ["message"]]
    await boris.post(f"/api/users/{anna.id}/block")
    await anna.say(group, "крипта опять")
    assert (await unread(boris), await hidden(boris)) == ((0, 0, 0), [])
    assert (await unread(clara))[0] == 2


async def test_an_edit_to_a_hidden_word(api: Api) -> None:
    """The message goes from the person's devices as one deleted for themselves; an edit of a hidden one is not told them."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    await hide(boris, "крипта")
    sent = await anna.say(chat_id, "привет")
    ears = await listen(anna, boris)
    await do(anna, f"/api/messages/{sent['id']}/edit", content="крипта")
    gone = {"type": "message_deleted", "chat_id": chat_id, "message_id": sent["id"], "user_id": boris.id, "for_all": False}
    mine, theirs = await ears.heard()
    assert ([event["type"] for event in mine], theirs) == (["message_edited"], [gone, {"type": "hidden"}])
    assert (await unread(boris), await hidden(boris)) == ((0, 0, 0), ["крипта"])
    assert [one["is_read"] for one in await history(anna, chat_id)][-1] is False
    await do(anna, f"/api/messages/{sent['id']}/edit", content="ещё крипта")
    assert [[event["type"] for event in events] for events in await ears.heard()] == [["message_edited"], ["hidden"]]
    await do(anna, f"/api/messages/{sent['id']}/delete")
    assert await hidden(boris) == []


async def test_a_request_with_a_hidden_word(api: Api) -> None:
    """It is no request, and not counted."""
    anna, boris = await api.people(2)
    await hide(boris, "заработок")
    chat_id = await ask(anna, boris, "Расскажу про заработок")
    assert (await listed(boris, "/chats/requests"), await unread(boris)) == ([], (0, 0, 0))
    assert await hidden(boris) == ["Расскажу про заработок"]
    assert await refused(anna, "/messages/send", chat_id=chat_id, content="x") == (403, "answer_awaited")
    ears = await listen(boris)
    (message,) = (await boris.get("/api/messages/hidden")).json()
    await do(boris, f"/api/messages/{message['id']}/unhide")
    [[event]] = await ears.heard()
    assert (event["type"], event["request"]) == ("message", True)
    assert [one[:2] for one in await listed(boris, "/chats/requests")] == [(chat_id, "received")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"words": ["x"] * 201}, "invalid"),
        ({"words": [""]}, "invalid"),
        ({"words": ["x" * 51]}, "invalid"),
        ({"words": ["…"]}, "no_word"),
        ({"words": "крипта"}, "invalid"),
        ({}, "invalid"),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_lists_that_are_none(api: Api, body: dict[str, Any], code: str) -> None:
    """The list is bounded and every entry is a word; the one before stays."""
    anna, boris = await api.people(2)
    await hide(anna, "Крипта", "18+")
    answer = await anna.put("/me/hidden-words", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert (await anna.get("/me/hidden-words")).json() == {"words": ["Крипта", "18+"]}
    assert (await boris.get("/me/hidden-words")).json() == {"words": []}
    await hide(anna)
    assert await api.count("hidden_words") == 0
