"""A classifier that is asked about messages: a real HTTP server that is fast, slow, wrong or down, and what becomes of them."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import msgspec
import pytest

from dating.accounts import exclusions
from dating.app import create_app
from dating.chat import expiry, hold_queries, posts, releases
from dating.chat.limits import Rules
from dating.chat.post_models import Post
from dating.clock import SECOND
from dating.realtime import inbox
from dating.safety.classifier import Classifier, ClassifierFailed, Judgement, Question, is_public, sign
from dating.settings import Settings, SettingsError
from tests.api.messenger import Listening, chat, do, history, listen, refused
from tests.api.test_export import export
from tests.api.test_moderation import make_admin, statements
from tests.api.test_requests import ask, listed, unread
from tests.kit import Api, Person, running

SECRET = "a secret that both of them know and nobody else"
BAD = "купи крипту"


class Judge:
    """A classifier: bad texts are `BAD`; how it answers can be changed while it runs."""

    def __init__(self) -> None:
        self.asked: list[dict[str, Any]] = []
        self.seconds = 0.0
        self.secret = SECRET
        self.body: bytes | None = None
        self.status = b"200 OK"
        self.url = ""
        self.open = asyncio.Event()
        self.open.set()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection: questions one after the other."""
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
                fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if ": " in line)
                question = await reader.readexactly(int(fields["content-length"]))
                assert fields["x-dating-signature"] == sign(SECRET, fields["x-dating-timestamp"], question)
                asked = msgspec.json.decode(question)
                given = self.body  # as it is when a test sees that it was asked
                self.asked.append(asked)
                await asyncio.sleep(self.seconds)
                await self.open.wait()
                score = 0.9 if BAD in asked["text"] else 0.1
                body = msgspec.json.encode({"score": score, "reason": "spam"}) if given is None else given
                signature = sign(self.secret, fields["x-dating-signature"], body).encode()
                status = b"200 OK" if head.startswith("post /elsewhere ") else self.status
                writer.write(b"HTTP/1.1 %b\r\nContent-Length: %d\r\n" % (status, len(body)))
                writer.write(b"Location: /elsewhere\r\nX-Dating-Signature: %b\r\n\r\n%b" % (signature, body))
                await writer.drain()
        writer.close()


@pytest.fixture
async def judge() -> AsyncIterator[Judge]:
    """One on a free port."""
    judge = Judge()
    server = await asyncio.start_server(judge.answer, "127.0.0.1", 0)
    judge.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/judge"
    yield judge
    server.close()


def judged(settings: Settings, url: str, **changes: Any) -> Settings:
    """The same server with this classifier."""
    return msgspec.structs.replace(
        settings,
        **{
            "classifier_url": url,
            "classifier_secret": SECRET,
            "classifier_private": True,
            "classifier_seconds": 30.0,
            "classifier_attempts": 1,
            **changes,
        },
    )


async def until(look: Callable[[], Awaitable[Any]]) -> Any:
    """Wait until there is something; it."""
    async with asyncio.timeout(30):
        while not (found := await look()):
            await asyncio.sleep(0.02)
    return found


async def settled(api: Api) -> None:
    """Wait until nothing is to be asked any more."""

    async def rows(tx: Any) -> int:
        return int(await tx.one(int, "SELECT COUNT(*) FROM screenings WHERE due_at IS NOT NULL"))

    async def none_left() -> bool:
        return not await api.app.state.db.read(rows)

    await until(none_left)


async def held(moderator: Person) -> list[dict[str, Any]]:
    """The queue."""
    return list((await moderator.get("/api/moderation/held")).json()["messages"])


async def told(ears: Listening) -> list[list[tuple[str, Any]]]:
    """What each heard: the type, and what was said."""
    return [[(event["type"], event.get("content")) for event in events] for events in await ears.heard()]


async def test_a_harmless_message_is_held_and_released(settings: Settings, judge: Judge) -> None:
    """Until the answer only the sender's devices know of it; then both hear it once, at the end of the chat, in their order."""
    judge.open.clear()
    async with running(judged(settings, judge.url)) as api:
        anna, boris = await api.people(2)
        chat_id = await anna.match(boris)
        ears = await listen(anna, boris)
        first = await anna.say(chat_id, "раз", client_id="k-1")
        assert (await told(ears), (await history(boris, chat_id))[1:]) == ([[("message", "раз")], []], [])
        assert (await history(anna, chat_id))[-1] == first
        assert [one["last_message"] for one in (await anna.get("/chats")).json()] == ["раз"]
        again = await anna.post("/messages/send", json={"chat_id": chat_id, "content": "раз", "client_id": "k-1"})
        assert (again.status_code, again.json()) == (200, first)
        assert await refused(anna, "/messages/send", chat_id=chat_id, content="два", client_id="k-1") == (409, "client_id_reused")
        for text in ("два", "три", "четыре"):
            await anna.say(chat_id, text)
        await told(ears)
        judge.open.set()
        await settled(api)
        mine, theirs = await told(ears)
        assert theirs == [("message", text) for text in ("раз", "два", "три", "четыре")]
        assert [one for one in mine if one[0] == "message"] == theirs
        assert [kind for kind, _ in mine] == ["message_deleted", "message"] * 4
        assert [one["content"] for one in (await history(boris, chat_id))[1:]] == ["раз", "два", "три", "четыре"]
        assert await history(anna, chat_id) == await history(boris, chat_id)
        assert (await unread(boris), await unread(anna)) == ((4, 1, 0), (0, 0, 0))
        assert await api.count("screenings") == 0
        assert {frozenset(one) for one in judge.asked} == {frozenset(("id", "text", "kind"))}
        again = await anna.post("/messages/send", json={"chat_id": chat_id, "content": "раз", "client_id": "k-1"})
        assert (again.status_code, again.json()["content"]) == (200, "раз")


async def test_a_bad_message_waits_for_a_moderator(settings: Settings, judge: Judge) -> None:
    """It is delivered to nobody; a moderator sees its words after taking it, and lets it go or removes it with a statement."""
    async with running(judged(settings, judge.url)) as api:
        anna, boris, maria = await api.people(3)
        await make_admin(api, maria)
        chat_id = await anna.match(boris)
        ears = await listen(anna, boris)
        sent = [await anna.say(chat_id, f"{BAD} {n}") for n in range(3)]
        await anna.say(chat_id, "привет")
        await settled(api)
        assert (await told(ears))[1] == [("message", "привет")]
        queue = await until(lambda: held(maria))
        assert [(one["message_id"], one["held"], one["score"], one["reason"]) for one in queue] == [
            (one["id"], True, 0.9, "spam") for one in sent
        ]
        assert BAD not in str(queue)
        assert [one["content"] for one in (await export(anna))["held_messages"]] == [f"{BAD} {n}" for n in range(3)]
        assert (await export(boris))["held_messages"] == []
        await ears.heard()
        path = "/api/moderation/held/{}/{}".format
        for person in (anna, boris):
            assert await refused(person, path(sent[0]["id"], "assign")) == (404, "not_found")
        assert await refused(maria, path(sent[0]["id"], "resolve"), action="release") == (404, "case_not_found")
        assert (await do(maria, path(sent[0]["id"], "assign")))["content"] == f"{BAD} 0"
        await do(maria, path(sent[0]["id"], "resolve"), action="release")
        assert await told(ears) == [[("message_deleted", None), ("message", f"{BAD} 0")], [("message", f"{BAD} 0")]]
        assert await refused(maria, path(sent[0]["id"], "resolve"), action="release") == (404, "case_not_found")
        await do(maria, path(sent[1]["id"], "assign"))
        assert await refused(maria, path(sent[1]["id"], "resolve"), action="remove") == (400, "explanation_missing")
        await do(maria, path(sent[1]["id"], "resolve"), action="remove", explanation="Реклама.")
        assert [[kind for kind, _ in events] for events in await told(ears)] == [["message_deleted", "statement"], []]
        assert [(one["action"], one["reason"], one["explanation"]) for one in await statements(anna)] == [
            ("remove", "spam", "Реклама.")
        ]
        assert [one["content"] for one in (await history(anna, chat_id))[1:]] == [f"{BAD} 2", "привет", f"{BAD} 0"]
        await do(anna, f"/api/messages/{sent[2]['id']}/delete")
        assert (await held(maria), await api.count("screenings")) == ([], 0)
        page = (await maria.get("/api/moderation/transparency")).json()
        assert (page["screening"], page["waiting"]) == ("hold", 0)
        log = (await maria.get("/api/moderation/audit")).json()["rows"]
        assert [row["action"] for row in log][:4] == ["remove held", "view held", "release held", "view held"]


BODIES = {
    "garbage": b"<html>",
    "score": b'{"score": 7}',
    "large": b" " * 20_000 + b'{"score": 0}',
    "encoding": b'{"score": 0, "reason": "\xff"}',
    "depth": b'{"score": 0, "x": %b%b}' % (b"[" * 8000, b"]" * 8000),
    "nul": b'{"score": 1, "reason": "\\u0000"}',
}


@pytest.mark.parametrize("fault", ["slow", "down", "signature", "error", "redirect", *BODIES])
async def test_a_classifier_that_fails(settings: Settings, judge: Judge, fault: str) -> None:
    """Whatever is wrong, a message is delivered after the last attempt (open), or waits for a moderator (hold)."""
    if fault == "slow":
        judge.seconds = 5
    if fault == "signature":
        judge.secret = "another secret that nobody else knows at all"
    judge.body = BODIES.get(fault)
    judge.status = {"error": b"500 No", "redirect": b"307 Elsewhere"}.get(fault, b"200 OK")
    url = "http://127.0.0.1:1/" if fault == "down" else judge.url
    settings = judged(settings, url, classifier_seconds=0.2 if fault == "slow" else 30.0, classifier_failure="hold")
    async with running(settings) as api:
        anna, boris, maria = await api.people(3)
        await make_admin(api, maria)
        chat_id = await anna.match(boris)
        sent = await anna.say(chat_id, "привет")
        await settled(api)
        assert [(one["message_id"], one["score"]) for one in await held(maria)] == [(sent["id"], None)]
        assert await boris.told() == ["match"]
    if fault == "slow":
        async with running(judged(settings, url, classifier_seconds=0.2, classifier_failure="open")) as api:
            answer = await api.http.post("/login", json={"username": anna.username, "password": "correct horse battery"})
            again = Person(api, {**answer.json(), "user_id": anna.id})
            await again.say(chat_id, "ещё")
            await settled(api)
            assert [one["content"] for one in await history(again, chat_id)][-1] == "ещё"
            assert await api.count("screenings") == 1


async def test_attempts_are_bounded_and_the_last_counts(settings: Settings, judge: Judge) -> None:
    """A classifier that comes back is asked again after a pause, and its answer counts."""
    judge.body = b"busy"
    async with running(judged(settings, judge.url, classifier_attempts=3)) as api:
        anna, boris = await api.people(2)
        chat_id = await anna.match(boris)
        await anna.say(chat_id, "привет")

        async def was_asked() -> bool:
            return bool(judge.asked)

        await until(was_asked)
        judge.body = None
        await settled(api)
        assert (len(judge.asked), await boris.told()) == (2, ["match", "message"])


async def test_a_silent_classifier_makes_nobody_wait_in_line(settings: Settings, judge: Judge) -> None:
    """After a few questions without an answer it is asked now and then; everything is let go all the same, until it is back."""
    judge.seconds = 30
    async with running(judged(settings, judge.url, classifier_seconds=0.4, classifier_failure="open")) as api:
        anna, boris = await api.people(2)
        chat_id = await anna.match(boris)
        for n in range(60):
            await anna.say(chat_id, f"раз {n}")
        await settled(api)
        assert len(await boris.told()) == 61
        assert len(judge.asked) < 30
        judge.seconds = 0.0

        async def is_back() -> bool:
            await anna.say(chat_id, BAD)
            await settled(api)
            return await api.count("screenings") > 0

        await until(is_back)


async def test_a_classifier_that_is_switched_off_holds_nothing_back(settings: Settings, judge: Judge) -> None:
    """What it held is let go by a server without one; what waits for a moderator goes on waiting."""
    judge.seconds = 30
    async with running(judged(settings, judge.url)) as api:
        anna, boris = await api.people(2)
        chat_id = await anna.match(boris)
        await anna.say(chat_id, "привет")
        assert await boris.told() == ["match"]
    async with running(settings) as api:
        await api.app.state.db.write(make_due)
        api.app.state.screener.wake()
        await settled(api)
        entries = await api.app.state.db.read(inbox.since, boris.id, 0, 10)
        assert [msgspec.json.decode(entry.event)["type"] for entry in entries] == ["match", "message"]
        assert await api.count("screenings") == 0


async def make_due(tx: Any) -> None:
    """Let the claims of whoever has gone lapse."""
    await tx.run("UPDATE screenings SET due_at = 0 WHERE due_at IS NOT NULL")


@pytest.mark.parametrize("mode", ["hold", "score"])
async def test_the_answers_of_a_poll_are_judged_too(settings: Settings, judge: Judge, mode: str) -> None:
    """What a poll says, its answers say as well: to the classifier, to the moderator, and to hidden words."""
    async with running(judged(settings, judge.url, classifier_mode=mode)) as api:
        anna, boris, maria = await api.people(3)
        await make_admin(api, maria)
        await boris.put("/me/hidden-words", json={"words": ["крипта"]})
        chat_id = await anna.match(boris)
        poll = {"chat_id": chat_id, "content": "Что делаем?", "poll": {"options": [BAD, "спим"]}}
        sent = await do(anna, "/messages/send", 201, **poll)
        await settled(api)
        assert [one["message_id"] for one in await held(maria)] == [sent["id"]]
        assert BAD in (await do(maria, f"/api/moderation/held/{sent['id']}/assign"))["content"]
        await do(maria, f"/api/moderation/held/{sent['id']}/resolve", action="release")
        assert await boris.told() == ["match", "hidden"]


async def test_scores_of_delivered_messages(settings: Settings, judge: Judge) -> None:
    """By `score` everything is delivered at once, edits too; a bad one is shown to moderators, who may remove it."""
    async with running(judged(settings, judge.url, classifier_mode="score")) as api:
        anna, boris, maria = await api.people(3)
        await make_admin(api, maria)
        chat_id = await anna.match(boris)
        good, bad = await anna.say(chat_id, "привет"), await anna.say(chat_id, BAD)
        assert await boris.told() == ["match", "message", "message"]
        await settled(api)
        assert [(one["message_id"], one["held"]) for one in await held(maria)] == [(bad["id"], False)]
        await do(anna, f"/api/messages/{good['id']}/edit", content=f"и ещё {BAD}")
        await settled(api)
        assert [one["message_id"] for one in await held(maria)] == [good["id"], bad["id"]]
        assert (await do(maria, f"/api/moderation/held/{bad['id']}/assign"))["content"] == BAD
        await do(maria, f"/api/moderation/held/{bad['id']}/resolve", action="remove", explanation="Реклама.")
        assert (await history(boris, chat_id))[-1]["deleted"] is True
        assert [one["content"] for one in (await history(boris, chat_id))[1:]] == [f"и ещё {BAD}", ""]
        await do(maria, f"/api/moderation/held/{good['id']}/assign")
        await do(maria, f"/api/moderation/held/{good['id']}/resolve", action="release")
        assert (await held(maria), (await boris.told())[-1]) == ([], "message_deleted")


async def test_an_edit_is_held_until_it_was_judged(settings: Settings, judge: Judge) -> None:
    """Everybody reads the old text meanwhile, and hears nothing; its sender alone sees what is to come. Then all hear it once."""
    async with running(judged(settings, judge.url)) as api:
        anna, boris = await api.people(2)
        chat_id = await anna.match(boris)
        message = await anna.say(chat_id, "привет")
        await settled(api)
        judge.open.clear()
        (message,) = [one for one in await history(anna, chat_id) if one["content"] == "привет"]
        path = f"/api/messages/{message['id']}"
        ears = await listen(anna, boris)
        answer = await do(anna, f"{path}/edit", content="здравствуй")
        assert (answer["content"], answer["waiting_content"], answer["edited_at"]) == ("привет", "здравствуй", None)
        mine, theirs = [(await history(one, chat_id))[-1] for one in (anna, boris)]
        assert (mine["content"], mine["waiting_content"]) == ("привет", "здравствуй")
        assert (theirs["content"], theirs["waiting_content"], theirs["edited_at"]) == ("привет", None, None)
        for person in (anna, boris):
            assert (await chat(person, chat_id))["last_message"] == "привет"
            assert [one["content"] for one in (await person.get(f"{path}/versions")).json()] == ["привет"]
        assert await told(ears) == [[], []]
        judge.open.set()
        await settled(api)
        assert await told(ears) == [[("message_edited", "здравствуй")]] * 2
        for person in (anna, boris):
            last = (await history(person, chat_id))[-1]
            assert (last["content"], last["waiting_content"]) == ("здравствуй", None)
            assert [one["content"] for one in (await person.get(f"{path}/versions")).json()] == ["привет", "здравствуй"]


async def test_a_bad_edit_waits_for_a_moderator(settings: Settings, judge: Judge) -> None:
    """Removed, the message stays what it was, and its sender is told why; released, it is made. It is in its sender's archive."""
    async with running(judged(settings, judge.url)) as api:
        anna, boris, maria = await api.people(3)
        await make_admin(api, maria)
        chat_id = await anna.match(boris)
        await anna.say(chat_id, "привет")
        await settled(api)
        message_id = (await history(anna, chat_id))[-1]["id"]
        ears = await listen(boris)
        for action in ("remove", "release"):
            await do(anna, f"/api/messages/{message_id}/edit", content=f"{action}: {BAD}")
            await settled(api)
            assert [(one["message_id"], one["held"]) for one in await held(maria)] == [(message_id, True)]
            waiting = (await export(anna))["held_messages"]
            assert [(one["id"], one["content"]) for one in waiting] == [(message_id, f"{action}: {BAD}")]
            assert (await history(boris, chat_id))[-1]["content"] == "привет"
            taken = await do(maria, f"/api/moderation/held/{message_id}/assign")
            assert (taken["content"], taken["held"]) == (f"{action}: {BAD}", True)
            await do(maria, f"/api/moderation/held/{message_id}/resolve", action=action, explanation="Реклама.")
            assert await held(maria) == []
        assert await told(ears) == [[("message_edited", f"release: {BAD}")]]
        assert [one["action"] for one in await statements(anna)] == ["remove"]
        assert (await history(boris, chat_id))[-1]["content"] == f"release: {BAD}"


async def test_the_last_of_several_edits_is_judged(settings: Settings, judge: Judge) -> None:
    """What was judged of an earlier one makes no later one seen; an edit back takes back what waits."""
    async with running(judged(settings, judge.url)) as api:
        anna, boris = await api.people(2)
        chat_id = await anna.match(boris)
        await anna.say(chat_id, "привет")
        await settled(api)
        message_id = (await history(anna, chat_id))[-1]["id"]
        judge.open.clear()
        asked = len(judge.asked)
        await do(anna, f"/api/messages/{message_id}/edit", content="здравствуй")

        async def was_asked() -> bool:
            return len(judge.asked) > asked

        await until(was_asked)
        await do(anna, f"/api/messages/{message_id}/edit", content=BAD)
        judge.open.set()
        await settled(api)
        assert [(one["content"], one["edited_at"]) for one in (await history(boris, chat_id))[-1:]] == [("привет", None)]
        assert [one["text"] for one in judge.asked[asked:]] == ["здравствуй", BAD]
        back = await do(anna, f"/api/messages/{message_id}/edit", content="привет")
        assert (back["content"], back["waiting_content"]) == ("привет", None)
        assert await count_screenings(api) == 0


@pytest.mark.parametrize("end", ["delete", "expire", "leave", "block"])
async def test_what_ends_a_message_ends_its_edit(settings: Settings, judge: Judge, end: str) -> None:
    """Deleted, disappeared or out of its sender's reach: the edit is made by nobody, and kept nowhere."""
    async with running(judged(settings, judge.url)) as api:
        anna, boris = await api.people(2)
        chat_id = await anna.match(boris)
        if end == "leave":
            made = await do(boris, "/api/chats", 201, kind="group", name="Походы", member_ids=[anna.id])
            chat_id = made["id"]
        await anna.say(chat_id, "привет", **({"expires_in": 3600} if end == "expire" else {}))
        await settled(api)
        message_id = (await history(anna, chat_id))[-1]["id"]
        judge.open.clear()
        await do(anna, f"/api/messages/{message_id}/edit", content="здравствуй")
        ears = await listen(boris)
        if end == "delete":
            await do(anna, f"/api/messages/{message_id}/delete")
        elif end == "expire":
            clock = api.app.state.db.clock
            api.app.state.db.clock = lambda: clock() + 3601 * SECOND
            await api.app.state.jobs.expire()
        elif end == "leave":
            await anna.delete(f"/api/chats/{chat_id}")
        else:
            await do(boris, f"/api/users/{anna.id}/block")
        if end in ("delete", "expire"):
            assert await count_screenings(api) == 0
        judge.open.set()
        await settled(api)
        assert await count_screenings(api) == 0
        assert "message_edited" not in [event["type"] for event in (await ears.heard())[0]]


async def count_screenings(api: Api) -> int:
    """How much waits for the classifier or for a moderator."""

    async def rows(tx: Any) -> int:
        return int(await tx.one(int, "SELECT COUNT(*) FROM screenings"))

    return int(await api.app.state.db.read(rows))


async def test_a_held_request_is_one_message(settings: Settings, judge: Judge) -> None:
    """A held first message is the one that may be sent; released, it is a request. After a block it comes to nobody."""
    async with running(judged(settings, judge.url)) as api:
        anna, boris, clara, maria = await api.people(4)
        await make_admin(api, maria)
        chat_id = await ask(anna, boris, BAD)
        assert await refused(anna, "/messages/send", chat_id=chat_id, content="x") == (403, "answer_awaited")
        other = await anna.match(clara)
        lost = await anna.say(other, f"{BAD}!")
        await settled(api)
        assert (await listed(boris, "/chats/requests"), await unread(boris)) == ([], (0, 0, 0))
        await clara.post(f"/api/users/{anna.id}/block")
        for one in await held(maria):
            await do(maria, f"/api/moderation/held/{one['message_id']}/assign")
            await do(maria, f"/api/moderation/held/{one['message_id']}/resolve", action="release")
        assert await listed(boris, "/chats/requests") == [(chat_id, "received", 1)]
        assert (await clara.told(), await api.count("screenings")) == (["hidden"], 0)  # the match, since the block
        assert lost["content"] not in str(await clara.inbox())


async def test_first_messages_at_once(settings: Settings, judge: Judge) -> None:
    """Eight first messages at one moment, on two processes: one is held, the others wait for an answer."""
    judge.open.clear()
    async with running(judged(settings, judge.url)) as api:
        anna, boris = await api.people(2)
        chat_id = await ask(anna, boris, None)
        sends = [anna.post("/messages/send", json={"chat_id": chat_id, "content": f"{n}"}) for n in range(8)]
        assert sorted(answer.status_code for answer in await asyncio.gather(*sends)) == [201] + [403] * 7
        judge.open.set()
        await settled(api)
        assert await listed(boris, "/chats/requests") == [(chat_id, "received", 1)]


async def test_what_cannot_be_delivered_any_more_is_dropped(settings: Settings, judge: Judge) -> None:
    """The message of somebody who was banned meanwhile, and one whose client id another message has by now."""
    async with running(judged(settings, judge.url)) as api:
        anna, boris, clara, maria = await api.people(4)
        await make_admin(api, maria)
        chat_id, other = await anna.match(boris), await clara.match(boris)
        lost = await anna.say(chat_id, f"{BAD} 1")
        twice = await clara.say(other, f"{BAD} 2", client_id="k")
        await settled(api)

        async def change(tx: Any) -> None:
            await exclusions.ban(tx, anna.id, None)
            await posts.post(tx, [Post(clara.id, other, f"{BAD} 2", None, "k")])  # as by a server without a classifier

        await api.app.state.db.write(change)
        for one in (lost, twice):
            await do(maria, f"/api/moderation/held/{one['id']}/assign")
            await do(maria, f"/api/moderation/held/{one['id']}/resolve", action="release")
        assert await boris.told() == ["match", "match", "message"]
        assert await api.count("messages WHERE sender_id IS NOT NULL") == 1


async def test_questions_are_asked_in_their_order(settings: Settings, judge: Judge) -> None:
    """What one person sends into one chat is asked about one after the other, however many may be asked about at once."""
    judge.open.clear()
    async with running(judged(settings, judge.url)) as api:
        anna, boris, clara = await api.people(3)
        first, other = await anna.match(boris), await anna.match(clara)
        for text in ("раз", "два", "три"):
            await anna.say(first, text)
        await anna.say(other, "раз")

        async def asked() -> bool:
            return bool(judge.asked)

        await until(asked)
        claimed = await api.app.state.db.write(releases.claim, 8, api.app.state.db.clock())
        assert {row.text for row in claimed} | {one["text"] for one in judge.asked} == {"раз"}
        judge.open.set()
        await settled(api)


async def test_a_held_message_among_delivered_ones(settings: Settings, judge: Judge) -> None:
    """The list shows what was said last, held or not; a held answer whose original has expired is released as no answer."""
    async with running(judged(settings, judge.url)) as api:
        anna, boris, maria = await api.people(3)
        await make_admin(api, maria)
        chat_id = await anna.match(boris)
        original = await boris.say(chat_id, "скоро исчезнет", expires_in=3600)
        await settled(api)
        (original,) = (await history(anna, chat_id))[1:]
        sent = await anna.say(chat_id, BAD, reply_to_id=original["id"])
        await anna.say(chat_id, "привет")
        await settled(api)
        assert [one["last_message"] for one in (await anna.get("/chats")).json()] == ["привет"]
        db = api.app.state.db
        clock, start = db.clock, db.clock()
        db.clock = lambda: start + 7200 * SECOND
        await db.write(expiry.expire)
        db.clock = clock
        await do(maria, f"/api/moderation/held/{sent['id']}/assign")
        await do(maria, f"/api/moderation/held/{sent['id']}/resolve", action="release")
        released = (await history(boris, chat_id))[-1]
        assert (released["content"], released["reply_to_id"]) == (BAD, None)


async def test_two_processes_release_once(settings: Settings, judge: Judge) -> None:
    """A claim is one process's; whoever settles first delivers, and nobody after them."""
    async with running(judged(settings, judge.url, classifier_failure="hold")) as api:
        anna, boris, maria = await api.people(3)
        await make_admin(api, maria)
        chat_id = await anna.match(boris)
        sent = await anna.say(chat_id, BAD)
        await settled(api)
        await do(maria, f"/api/moderation/held/{sent['id']}/assign")
        path = f"/api/moderation/held/{sent['id']}/resolve"
        answers = await asyncio.gather(*[maria.post(path, json={"action": "release"}) for _ in range(4)])
        assert {answer.status_code for answer in answers} <= {200, 404}
        assert (await boris.told(), [one["content"] for one in await history(boris, chat_id)][1:]) == (
            ["match", "message"],
            [BAD],
        )

        async def claim() -> int:
            return len(await api.app.state.db.write(hold_queries.claim, 8, api.app.state.db.clock() + 1))

        assert await claim() == 0


async def test_without_a_classifier_rules_alone_judge(api: Api) -> None:
    """Which is the default, and said."""
    anna, boris, maria = await api.people(3)
    await make_admin(api, maria)
    await anna.say(await anna.match(boris), BAD)
    assert await boris.told() == ["match", "message"]
    assert await api.count("screenings") == 0
    assert (await maria.get("/api/moderation/transparency")).json()["screening"] == "rules"


@pytest.mark.parametrize(
    "changes",
    [
        {"classifier_url": "http://classifier.example.org/"},
        {"classifier_url": "ftp://classifier.example.org/", "classifier_private": True},
        {"classifier_url": "https://user:word@classifier.example.org/"},
        {"classifier_url": "https://classifier.example.org/", "classifier_secret": "short"},
        {"classifier_url": "https://classifier.example.org/", "classifier_secret": None},
        {"classifier_url": "https://[::1/"},
        {"classifier_url": "https://xn--/"},
    ],
    ids=str,
)
def test_an_unsafe_classifier_is_refused_at_the_start(changes: dict[str, Any]) -> None:
    """No http unless private ones are allowed, no user in the address, no weak secret."""
    with pytest.raises(SettingsError, match="DATING_CLASSIFIER"):
        create_app(Settings(**{"classifier_secret": SECRET, **changes}))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "[::1]", "0x7f.1", "2130706433", "169.254.169.254", "10.0.0.1", "0.0.0.0"]
)
async def test_private_addresses_are_not_asked(host: str) -> None:
    """Whatever the form or the name: no connection is made."""
    connected = False

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connected
        connected = True
        writer.close()

    canary = await asyncio.start_server(accept, "127.0.0.1", 0, family=socket.AF_INET)
    port = canary.sockets[0].getsockname()[1]
    classifier = Classifier(Settings(classifier_url=f"https://{host}:{port}/", classifier_secret=SECRET, classifier_seconds=1))
    with pytest.raises(ClassifierFailed):
        await classifier.ask(Question(1, "x"))
    await classifier.close()
    canary.close()
    assert not connected


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True), ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True), ("::ffff:10.0.0.1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False), ("2002:7f00:1::", False), ("fe80::1%eth0", False), ("fc00::1", False), ("224.0.0.1", False),
        ("100.64.0.1", False), ("192.0.2.1", False), ("::", False), ("255.255.255.255", False),
    ],
)  # fmt: skip
def test_public_addresses(address: str, public: bool) -> None:
    """Only what the whole internet reaches, and no other address inside another."""
    assert is_public(address) is public


async def test_an_answer_fits_its_question_alone(judge: Judge) -> None:
    """The signature covers the question's; a judgement is what was signed."""
    settings = judged(Settings(), judge.url)
    classifier = Classifier(settings)
    assert await classifier.ask(Question(7, BAD)) == Judgement(0.9, False, "spam")
    judge.secret = "x" * 40
    with pytest.raises(ClassifierFailed):
        await classifier.ask(Question(7, BAD))
    await classifier.close()


async def test_pages_of_a_chat_hold_what_is_held(api: Api) -> None:
    """Page by page, up and down, the sender reads what was delivered and what is held, each once; the list shows the last."""
    anna, boris = await api.people(2)
    chat_id = await anna.match(boris)
    db = api.app.state.db
    for n, screening in enumerate(("rules", "hold", "hold", "hold", "rules", "rules", "hold")):
        await db.write(posts.post, [Post(anna.id, chat_id, f"{n}", None, None)], Rules(screening=screening))
    whole = await history(anna, chat_id)
    assert [one["content"] for one in whole[1:]] == [f"{n}" for n in range(7)]
    assert [one["content"] for one in (await history(boris, chat_id))[1:]] == ["0", "4", "5"]

    async def page(**place: int) -> list[dict[str, Any]]:
        answer = await anna.get(f"/chat/messages/{chat_id}", params={"limit": 2, **place})
        return list(answer.json())

    down, up = await page(), await page(after_id=0)
    while rest := await page(before_id=down[0]["id"]):
        down = [*rest, *down]
    while rest := await page(after_id=up[-1]["id"]):
        up = [*up, *rest]
    assert down == up == whole
    assert (await anna.get("/chats")).json()[0]["last_message"] == "6"
