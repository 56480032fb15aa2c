"""Reports, cases, decisions, statements, appeals and the log: who may do what, and who is told what."""

import asyncio
from typing import Any

import msgspec
import pytest

from dating.accounts.exclusions import lift_expired
from dating.accounts.passwords import Passwords
from dating.accounts.service import create_admin
from dating.chat import hold_queries
from dating.clock import DAY
from dating.database import Clash
from dating.safety import audit, report_queries, reports
from dating.settings import Settings
from tests.api.messenger import make_group
from tests.kit import PASSWORD, Api, Person, Server, running

WHY = {"explanation": "Так нельзя."}


class Court:
    """Anna reports what Boris wrote to her; Maria and Mikhail are moderators, Adam an administrator."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def open(self) -> "Court":
        """Register them, let him write, and let her report it."""
        self.anna, self.boris, self.maria, self.mikhail, self.adam = await self.api.people(5)
        await make_admin(self.api, self.adam)
        for moderator in (self.maria, self.mikhail):
            form = {"role": "moderator", "password": PASSWORD}
            answer = await self.adam.request("PUT", f"/api/moderation/users/{moderator.id}/role", json=form)
            assert answer.json() == {"user_id": moderator.id, "role": "moderator"}
        self.chat_id = await self.anna.match(self.boris)
        await self.anna.say(self.chat_id, "нет")
        self.message_id = (await self.boris.say(self.chat_id, "ты дура"))["id"]
        self.report_id = await report(self.anna, "message", self.message_id)
        return self

    async def decide(self, moderator: Person, action: str, **fields: Any) -> dict[str, Any]:
        """Take the case and decide it."""
        assert (await moderator.post(f"/api/moderation/reports/{self.report_id}/assign")).status_code == 200
        form = {"action": action, **WHY, **fields}
        answer = await moderator.post(f"/api/moderation/reports/{self.report_id}/resolve", json=form)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


async def make_admin(api: Api, person: Person) -> None:
    """As the command line does it."""
    passwords = Passwords(Settings(argon2_memory_kib=64, argon2_time=1))
    await create_admin(api.app.state.db, passwords, person.username, PASSWORD)
    passwords.close()


async def report(person: Person, kind: str, target_id: int, reason: str = "harassment", **fields: Any) -> int:
    """Report something; the report's id."""
    answer = await person.post("/api/reports", json={"target_kind": kind, "target_id": target_id, "reason": reason, **fields})
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


async def statements(person: Person) -> list[dict[str, Any]]:
    """What was decided about somebody, as they read it."""
    return list((await person.get("/me/statements")).json()["statements"])


async def login(api: Api, person: Person) -> int:
    """The status of signing in."""
    return (await api.http.post("/login", json={"username": person.username, "password": PASSWORD})).status_code


async def test_the_evidence_is_kept_as_it_was(api: Api) -> None:
    """An edit, a deletion for all and another name later change nothing in the case; the report itself tells nobody."""
    court = await Court(api).open()
    events = [await court.boris.inbox(), await court.anna.inbox()]
    person_report = await report(court.anna, "person", court.boris.id, comment="он не перестаёт")
    assert [await court.boris.inbox(), await court.anna.inbox()] == events
    await court.boris.post(f"/api/messages/{court.message_id}/edit", json={"content": "прости"})
    await court.boris.post(f"/api/messages/{court.message_id}/delete", json={})
    await court.boris.patch("/me", json={"name": "Другой"})
    case = (await court.maria.post(f"/api/moderation/reports/{court.report_id}/assign")).json()
    assert case["evidence"]["content"] == "ты дура"
    assert [line["content"] for line in case["evidence"]["before"]][-1] == "нет"
    assert (case["accused_id"], case["target_id"]) == (court.boris.id, court.message_id)
    case = (await court.maria.post(f"/api/moderation/reports/{person_report}/assign")).json()
    assert case["comment"] == "он не перестаёт"
    assert (case["evidence"]["username"], case["evidence"]["name"]) == (court.boris.username, None)


async def test_what_was_edited_is_in_the_evidence(api: Api) -> None:
    """Who edits before the report does not hide what was said."""
    court = await Court(api).open()
    second = (await court.boris.say(court.chat_id, "угроза"))["id"]
    await court.boris.post(f"/api/messages/{second}/edit", json={"content": "шутка"})
    number = await report(court.anna, "message", second)
    case = (await court.maria.post(f"/api/moderation/reports/{number}/assign")).json()
    assert (case["evidence"]["versions"], case["evidence"]["content"]) == (["угроза"], "шутка")


async def test_who_got_a_message_may_report_it(api: Api) -> None:
    """After an unmatch and after a block, either way, too; a stranger, the author and a member of nothing may not."""
    court = await Court(api).open()
    clara = await api.person()
    form = {"target_kind": "message", "target_id": court.message_id, "reason": "spam"}
    for stranger in (clara, court.boris, court.maria):
        answer = await stranger.post("/api/reports", json=form)
        assert (answer.status_code, answer.json()["code"]) == (404, "target_not_found")
    await court.boris.post(f"/api/users/{court.anna.id}/block")
    assert await report(court.anna, "message", court.message_id) == court.report_id
    await court.anna.post(f"/api/users/{court.boris.id}/block")
    assert await report(court.anna, "person", court.boris.id) > court.report_id
    answer = await court.anna.post("/api/reports", json={"target_kind": "person", "target_id": court.anna.id, "reason": "spam"})
    assert (answer.status_code, answer.json()["code"]) == (400, "report_self")
    hidden = {"target_kind": "person", "target_id": court.anna.id, "reason": "spam"}
    await court.boris.delete(f"/api/users/{court.anna.id}/block")
    blocked = await court.boris.post("/api/reports", json=hidden)
    absent = await court.boris.post("/api/reports", json=hidden | {"target_id": 2**50})
    assert (blocked.status_code, blocked.content) == (404, absent.content)


async def test_what_was_said_after_somebody_left_is_not_theirs_to_report(api: Api) -> None:
    """Who has left a group may report what they got there, and learns of nothing that was said later."""
    anna, boris, clara = await api.people(3)
    group = await make_group(anna, boris, clara)
    before = (await anna.say(group, "раньше"))["id"]
    await clara.request("DELETE", f"/api/chats/{group}/members/{clara.id}")
    after = (await anna.say(group, "потом"))["id"]
    form = {"target_kind": "message", "target_id": after, "reason": "spam"}
    refusals = [await clara.post("/api/reports", json={**form, "target_id": id_}) for id_ in (after, after + 1000)]
    assert {(answer.status_code, answer.text) for answer in refusals} == {(404, refusals[0].text)}
    await report(clara, "message", before)


async def test_fifty_reports_by_one_person_are_one(api: Api) -> None:
    """One open report of a person about a thing; the queue counts people, not reports."""
    court = await Court(api).open()
    assert {await report(court.anna, "message", court.message_id) for _ in range(50)} == {court.report_id}
    clara = await api.person()
    await report(clara, "person", court.boris.id, "spam")
    queue = (await court.maria.get("/api/moderation/reports")).json()["reports"]
    assert [(row["accused_id"], row["reporters"]) for row in queue] == [(court.boris.id, 2)] * 2
    assert "дура" not in msgspec.json.encode(queue).decode()


async def test_the_queue_has_filters_and_pages(api: Api) -> None:
    """By reason, kind, state and whose it is; a cursor misses nothing."""
    court = await Court(api).open()
    others = [await report(court.anna, "person", person.id, "spam") for person in await api.people(3)]
    await court.maria.post(f"/api/moderation/reports/{others[0]}/assign")

    async def ask(query: str) -> list[int]:
        answer = await court.maria.get(f"/api/moderation/reports?{query}")
        assert answer.status_code == 200, answer.text
        return [row["id"] for row in answer.json()["reports"]]

    assert await ask("reason=spam") == others
    assert await ask("target_kind=message") == [court.report_id]
    assert await ask("assignee=me") == others[:1]
    assert await ask("assignee=none") == [court.report_id, *others[1:]]
    assert await ask("status=closed") == []
    first = (await court.maria.get("/api/moderation/reports?limit=3")).json()
    assert await ask(f"limit=3&cursor={first['next_cursor']}") == others[2:]
    assert (await court.maria.get("/api/moderation/reports?reason=boredom")).status_code == 400


async def test_no_words_without_a_case(api: Api) -> None:
    """A moderator reads the evidence of a case that he has taken, no other's; and each look is one row in the log."""
    court = await Court(api).open()
    path = f"/api/moderation/reports/{court.report_id}"
    for person in (court.anna, court.boris, court.maria, court.adam):
        assert (await person.get(path)).status_code == 404
    assert (await court.maria.post(f"{path}/resolve", json={"action": "dismiss"})).status_code == 404
    before = await api.count("audit")
    assert (await court.maria.post(f"{path}/assign")).status_code == 200
    assert (await court.maria.get(path)).status_code == 200
    assert await api.count("audit") == before + 2
    assert (await court.mikhail.get(path)).status_code == 404
    taken = await court.mikhail.post(f"{path}/assign")
    assert (taken.status_code, taken.json()["code"]) == (409, "case_taken")
    assert await api.count("audit") == before + 2


async def test_nobody_judges_their_own_case(api: Api) -> None:
    """A moderator who reported or was reported finds no such case."""
    court = await Court(api).open()
    about, by = await report(court.anna, "person", court.maria.id), await report(court.maria, "person", court.boris.id)
    listed = (await court.maria.get("/api/moderation/reports")).json()["reports"]
    assert [row["id"] for row in listed] == [court.report_id]
    for number in (about, by):
        assert (await court.maria.post(f"/api/moderation/reports/{number}/assign")).status_code == 404


async def test_a_warning_tells_the_accused_and_nobody_else(api: Api) -> None:
    """One event `statement` for him, whose words are under /me/statements, without a word of who reported or decided."""
    court = await Court(api).open()
    people = [court.anna, court.maria, court.mikhail, court.adam]
    told = [await person.inbox() for person in people]
    decided = await court.decide(court.maria, "warn")
    assert (decided["outcome"], decided["closed"]) == ("warn", 1)
    event = (await court.boris.inbox())[-1]
    assert (event["type"], event["statement_id"], event["action"]) == ("statement", decided["statement_id"], "warn")
    assert [await person.inbox() for person in people] == told
    [statement] = await statements(court.boris)
    assert (statement["action"], statement["reason"], statement["explanation"]) == ("warn", "harassment", "Так нельзя.")
    assert set(statement) == {
        *("id", "action", "reason", "explanation", "created_at", "until"),
        *("appeal", "appealed_at", "answer", "answered_at", "overturned"),
    }
    again = await court.maria.post(f"/api/moderation/reports/{court.report_id}/resolve", json={"action": "dismiss"})
    assert (again.status_code, again.json()["code"]) == (409, "case_taken")


async def test_a_dismissal_tells_nobody(api: Api) -> None:
    """And every open report about the same thing is closed with it."""
    court = await Court(api).open()
    told = [await court.anna.inbox(), await court.boris.inbox()]
    assert (await court.decide(court.maria, "dismiss"))["statement_id"] is None
    assert [await court.anna.inbox(), await court.boris.inbox()] == told
    assert await statements(court.boris) == []
    assert (await court.maria.get("/api/moderation/reports")).json()["reports"] == []


async def test_a_removed_message_is_gone_for_all(api: Api) -> None:
    """Both are told that it was deleted, by nobody; its words are in no history and no inbox, and in the evidence still."""
    court = await Court(api).open()
    await court.decide(court.maria, "remove")
    for person in (court.anna, court.boris):
        deleted = next(event for event in await person.inbox() if event["type"] == "message_deleted")
        assert (deleted["message_id"], deleted["user_id"]) == (court.message_id, None)
        page = await person.get(f"/chat/messages/{court.chat_id}")
        assert "дура" not in page.text + msgspec.json.encode(await person.inbox()).decode()
    case = (await court.maria.get(f"/api/moderation/reports/{court.report_id}")).json()
    assert case["evidence"]["content"] == "ты дура"


async def exclusion(court: Court) -> tuple[bool, int | None]:
    """Whether Boris is kept out, and until when (None: for good)."""

    async def read(tx: Any) -> Any:
        return await tx.all(tuple, "SELECT banned_at, suspended_until FROM users WHERE id = :id", id=court.boris.id)

    (found,) = await court.api.app.state.db.read(read)
    return found[0] is not None, found[1]


async def test_the_longest_of_several_decisions_holds(api: Api) -> None:
    """A suspension after a ban, and a shorter one, shorten nothing; overturning one leaves what the others say."""
    court = await Court(api).open()
    second = (await court.boris.say(court.chat_id, "и ты"))["id"]
    other_reports = [await report(court.anna, "person", court.boris.id), await report(court.anna, "message", second)]
    await court.decide(court.maria, "suspend", days=10)
    until = (await exclusion(court))[1]
    assert until is not None
    ids = {}
    for report_id, form in zip(other_reports, ({"action": "suspend", "days": 1}, {"action": "ban"}), strict=True):
        path = f"/api/moderation/reports/{report_id}"
        assert (await court.mikhail.post(f"{path}/assign")).status_code == 200
        answer = await court.mikhail.post(f"{path}/resolve", json={**form, **WHY})
        ids[form["action"]] = answer.json()["statement_id"]
        expected = (True, until) if form["action"] == "suspend" else (True, None)
        assert await exclusion(court) == expected
    shown = await court.api.http.post("/api/auth/appeal", json=appeal_of(court, "Нет"))
    assert shown.json()["id"] == ids["ban"]
    overturned = {"text": "Ошибка.", "overturned": True}
    assert (await court.maria.post(f"/api/moderation/appeals/{ids['ban']}", json=overturned)).status_code == 200
    assert await exclusion(court) == (True, until)
    shown = await court.api.http.post("/api/auth/appeal", json=appeal_of(court, "И это"))
    assert shown.json()["action"] == "suspend"
    answer = await court.mikhail.post(f"/api/moderation/appeals/{shown.json()['id']}", json=overturned)
    assert answer.status_code == 200
    assert (await exclusion(court))[0] is True  # the shorter one is not over yet
    moment = api.app.state.db.clock()
    api.app.state.db.clock = lambda: moment + DAY + 1
    await api.app.state.db.write(lift_expired)
    assert await exclusion(court) == (False, None)


def appeal_of(court: Court, text: str) -> dict[str, str]:
    """What Boris says from outside."""
    return {"username": court.boris.username, "password": PASSWORD, "text": text}


async def test_a_case_is_decided_once(api: Api) -> None:
    """Six clicks at once, on two processes, are one decision and one statement; the others find the case closed."""
    court = await Court(api).open()
    path = f"/api/moderation/reports/{court.report_id}"
    assert (await court.maria.post(f"{path}/assign")).status_code == 200
    form = {"action": "warn", **WHY}
    answers = await asyncio.gather(*[court.maria.post(f"{path}/resolve", json=form) for _ in range(6)])
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    assert len(await statements(court.boris)) == 1


@pytest.mark.parametrize("how", ["role", "ban", "deletion"])
async def test_cases_of_a_moderator_who_goes_are_free_again(api: Api, how: str) -> None:
    """Whoever loses the role, is kept out or leaves gives their cases back, reports and held messages alike."""
    court = await Court(api).open()
    path = f"/api/moderation/reports/{court.report_id}"
    assert (await court.maria.post(f"{path}/assign")).status_code == 200
    held_id = await hold(court, court.maria)
    assert (await court.mikhail.post(f"{path}/assign")).status_code == 409
    if how == "role":
        form = {"role": "user", "password": PASSWORD}
        await court.adam.request("PUT", f"/api/moderation/users/{court.maria.id}/role", json=form)
    elif how == "ban":
        about = f"/api/moderation/reports/{await report(court.anna, 'person', court.maria.id)}"
        await court.adam.post(f"{about}/assign")
        assert (await court.adam.post(f"{about}/resolve", json={"action": "ban", **WHY})).status_code == 200
    else:
        assert (await court.maria.request("DELETE", "/me", json={"password": PASSWORD})).status_code == 200
    assert (await court.mikhail.post(f"{path}/assign")).status_code == 200
    assert (await court.mikhail.post(f"/api/moderation/held/{held_id}/assign")).status_code == 200


async def hold(court: Court, moderator: Person) -> int:
    """Flag a message of Boris for moderators, and let this one take it."""

    async def write(tx: Any) -> None:
        await hold_queries.keep(tx, [(court.message_id, court.chat_id, court.boris.id, None)])
        await hold_queries.flag(tx, court.message_id, tx.now, 0.9, "spam")

    await court.api.app.state.db.write(write)
    assert (await moderator.post(f"/api/moderation/held/{court.message_id}/assign")).status_code == 200
    return court.message_id


@pytest.mark.parametrize("actions", [("remove", "remove"), ("release", "remove")], ids=str)
async def test_a_flagged_message_is_ruled_once(api: Api, actions: tuple[str, ...]) -> None:
    """Clicks at once, on two processes, are one ruling: nobody reads twice, or of a message that stayed, that it was removed."""
    court = await Court(api).open()
    path = f"/api/moderation/held/{await hold(court, court.maria)}/resolve"
    forms = [{"action": action, **WHY} for action in actions * 3]
    answers = await asyncio.gather(*[court.maria.post(path, json=form) for form in forms])
    assert sorted(answer.status_code for answer in answers) == [200] + [404] * 5
    (ruled,) = [answer.json()["action"] for answer in answers if answer.is_success]
    assert len(await statements(court.boris)) == (ruled == "remove")
    (row,) = [one for one in (await court.anna.get(f"/chat/messages/{court.chat_id}")).json() if one["id"] == court.message_id]
    assert row["deleted"] is (ruled == "remove")


async def test_nobody_rules_on_messages_of_their_own_chats(api: Api) -> None:
    """Whoever is in the chat neither sees the message in the queue nor takes it."""
    court = await Court(api).open()
    await hold(court, court.maria)
    form = {"role": "moderator", "password": PASSWORD}
    assert (await court.adam.request("PUT", f"/api/moderation/users/{court.anna.id}/role", json=form)).status_code == 200
    assert (await court.anna.get("/api/moderation/held")).json()["messages"] == []
    refusal = await court.anna.post(f"/api/moderation/held/{court.message_id}/assign")
    assert (refusal.status_code, refusal.json()["code"]) == (404, "case_not_found")
    assert len((await court.mikhail.get("/api/moderation/held")).json()["messages"]) == 1


async def test_moderators_do_not_rule_on_messages_of_administrators(api: Api) -> None:
    """That is for another administrator."""
    court = await Court(api).open()
    await make_admin(api, court.boris)
    path = f"/api/moderation/held/{await hold(court, court.maria)}/resolve"
    answer = await court.maria.post(path, json={"action": "remove", **WHY})
    assert (answer.status_code, answer.json()["code"]) == (403, "admin_needed")
    assert await statements(court.boris) == []


async def test_the_only_administrator_answers_an_appeal_by_a_moderator(api: Api) -> None:
    """Other moderators may not, so that there are some is no reason to leave it unanswered."""
    court = await Court(api).open()
    about = f"/api/moderation/reports/{await report(court.anna, 'person', court.maria.id)}"
    await court.adam.post(f"{about}/assign")
    statement_id = (await court.adam.post(f"{about}/resolve", json={"action": "warn", **WHY})).json()["statement_id"]
    await court.maria.post(f"/me/statements/{statement_id}/appeal", json={"text": "Нет."})
    form = {"text": "Да.", "overturned": False}
    assert (await court.mikhail.post(f"/api/moderation/appeals/{statement_id}", json=form)).status_code == 403
    assert (await court.adam.post(f"/api/moderation/appeals/{statement_id}", json=form)).status_code == 200


async def test_a_suspension_ends_by_itself(api: Api) -> None:
    """Out at once and hidden, with the reason for whoever knows the password; in again when its days are over."""
    court = await Court(api).open()
    await court.decide(court.maria, "suspend", days=3)
    assert await login(api, court.boris) == 403
    assert (await court.boris.get("/me")).status_code == 401
    assert (await court.anna.get(f"/user/{court.boris.id}")).status_code == 404
    form = {"username": court.boris.username, "password": PASSWORD}
    statement = (await api.http.post("/api/auth/appeal", json=form)).json()
    assert (statement["action"], statement["explanation"]) == ("suspend", "Так нельзя.")
    assert statement["until"] is not None
    wrong = await api.http.post("/api/auth/appeal", json=form | {"password": "wrong password"})
    innocent = await api.http.post("/api/auth/appeal", json=form | {"username": court.anna.username})
    assert (wrong.status_code, wrong.content) == (401, innocent.content)
    db = api.app.state.db
    await db.write(lift_expired)
    assert await login(api, court.boris) == 403
    real = db.clock
    db.clock = lambda: real() + 3 * DAY
    await db.write(lift_expired)
    db.clock = real
    assert await login(api, court.boris) == 200


async def test_a_ban_may_be_appealed_from_outside(api: Api) -> None:
    """Once; another moderator answers, and who was right is let in again and told."""
    court = await Court(api).open()
    decided = await court.decide(court.maria, "ban")
    form = {"username": court.boris.username, "password": PASSWORD, "text": "Это была цитата."}
    assert (await api.http.post("/api/auth/appeal", json=form)).json()["appeal"] == "Это была цитата."
    assert (await api.http.post("/api/auth/appeal", json=form)).json()["code"] == "appealed_before"
    [waiting] = (await court.mikhail.get("/api/moderation/appeals")).json()["appeals"]
    path = f"/api/moderation/appeals/{decided['statement_id']}"
    answer = {"overturned": True, "text": "Верно."}
    mine = await court.maria.post(path, json=answer)
    assert (mine.status_code, mine.json()["code"]) == (409, "another_moderator_needed")
    assert (await court.mikhail.post(path, json=answer)).json()["overturned"] is True
    assert (await court.mikhail.post(path, json=answer)).status_code == 404
    assert await login(api, court.boris) == 200
    [statement] = await statements(court.boris)
    assert (statement["id"], statement["answer"]) == (waiting["id"], "Верно.")
    assert [event["type"] for event in await court.boris.inbox()][-2:] == ["statement", "statement"]


async def test_only_the_person_appeals_and_once(api: Api) -> None:
    """Others find no such statement; a second appeal is a conflict; an answer that upholds changes nothing."""
    court = await Court(api).open()
    number = (await court.decide(court.maria, "warn"))["statement_id"]
    path = f"/me/statements/{number}/appeal"
    for other in (court.anna, court.maria):
        assert (await other.post(path, json={"text": "нет"})).status_code == 404
    assert (await court.boris.post(path, json={"text": ""})).status_code == 400
    assert (await court.boris.post(path, json={"text": "нет"})).json()["appeal"] == "нет"
    assert (await court.boris.post(path, json={"text": "нет"})).status_code == 409
    answer = await court.mikhail.post(f"/api/moderation/appeals/{number}", json={"overturned": False, "text": "Да."})
    assert (answer.status_code, answer.json()["answer"]) == (200, "Да.")


async def test_decisions_are_whole(api: Api) -> None:
    """No sanction without a reason, no suspension without days, nothing removed that is no message."""
    court = await Court(api).open()
    number = await report(court.anna, "person", court.boris.id)
    await court.maria.post(f"/api/moderation/reports/{number}/assign")
    for form, code in (
        ({"action": "warn"}, "explanation_missing"),
        ({"action": "suspend", **WHY}, "days_misplaced"),
        ({"action": "ban", "days": 3, **WHY}, "days_misplaced"),
        ({"action": "remove", **WHY}, "nothing_to_remove"),
    ):
        answer = await court.maria.post(f"/api/moderation/reports/{number}/resolve", json=form)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
    assert await statements(court.boris) == []


async def test_only_administrators_decide_about_moderators(api: Api) -> None:
    """A moderator cannot ban another or an administrator, give roles, or read the log; nobody changes their own role."""
    court = await Court(api).open()
    for number in [await report(court.anna, "person", person.id) for person in (court.mikhail, court.adam)]:
        await court.maria.post(f"/api/moderation/reports/{number}/assign")
        refused = await court.maria.post(f"/api/moderation/reports/{number}/resolve", json={"action": "ban", **WHY})
        assert (refused.status_code, refused.json()["code"]) == (403, "admin_needed")
    form = {"role": "admin", "password": PASSWORD}
    for person in (court.maria, court.anna):
        assert (await person.put(f"/api/moderation/users/{court.anna.id}/role", json=form)).status_code == 404
        assert (await person.get("/api/moderation/audit")).status_code == 404
    assert (await court.adam.put(f"/api/moderation/users/{court.adam.id}/role", json=form)).json()["code"] == "own_role"
    wrong = await court.adam.put(f"/api/moderation/users/{court.anna.id}/role", json=form | {"password": "wrong password"})
    assert (wrong.status_code, wrong.json()["code"]) == (403, "wrong_password")
    assert await login(api, court.mikhail) == await login(api, court.adam) == 200
    await court.adam.put(f"/api/moderation/users/{court.maria.id}/role", json=form | {"role": "user"})
    assert (await court.maria.get("/api/moderation/reports")).status_code == 404


UPSERT = " ON CONFLICT (id) DO UPDATE SET at = 1"
CHANGES = (
    "UPDATE audit SET action = 'x'",
    "DELETE FROM audit",
    "DELETE FROM audit WHERE id = 1",
    "INSERT INTO audit (id, at, moderator_id, action, previous, seal) VALUES (1, 1, 1, '', '', '')" + UPSERT,
)
CHANGES_OF_ONE = {
    "sqlite": "INSERT OR REPLACE INTO audit (id, at, moderator_id, action, previous, seal) VALUES (1, 1, 1, 'x', 'x', 'x')",
    "postgres": "TRUNCATE audit",
}


@pytest.mark.parametrize("statement", [*CHANGES, None])
async def test_the_log_cannot_be_changed(api: Api, statement: str | None) -> None:
    """The database refuses to change or delete a row; what was written stands, and its seals fit."""
    court = await Court(api).open()
    await court.decide(court.maria, "warn")
    written = (await court.adam.get("/api/moderation/audit")).json()

    async def change(tx: Any) -> None:
        await tx.run(statement or CHANGES_OF_ONE[api.app.state.db.dialect])

    with pytest.raises(Clash):
        await api.app.state.db.write(change)
    assert (await court.adam.get("/api/moderation/audit")).json() == written
    assert written["whole"] is True
    assert [row["action"] for row in written["rows"]] == ["warn", "assign", "role moderator", "role moderator"]


async def test_a_forged_log_shows(api: Api) -> None:
    """A row with another number, or one missing in the middle, does not fit the seals."""
    court = await Court(api).open()
    await court.decide(court.maria, "warn")
    rows = (await api.app.state.db.read(report_queries.read_log, 100, 0, 2**53))[::-1]
    assert audit.is_whole(rows)
    assert not audit.is_whole([*rows[:1], *rows[2:]])
    assert not audit.is_whole([*rows[:1], msgspec.structs.replace(rows[1], person_id=1_000_000), *rows[2:]])


@pytest.mark.parametrize("place", ["last", "between pages", "first"])
async def test_a_row_that_was_taken_out_shows(api: Api, place: str) -> None:
    """Past the triggers: whichever row it was, the page that lacks it says so."""
    court = await Court(api).open()
    await court.decide(court.maria, "warn")
    pages = [await log(court, f"?limit=2{cursor}") for cursor in ("", "&cursor=3")]
    assert [page["whole"] for page in pages] == [True, True]
    gone = {"last": 4, "between pages": 2, "first": 1}[place]

    async def cut(tx: Any) -> None:
        await tx.run("DROP TRIGGER audit_kept" if is_sqlite(api) else "SET LOCAL session_replication_role = replica")
        await tx.run("DELETE FROM audit WHERE id = :gone", gone=gone)

    await api.app.state.db.write(cut)
    pages = [await log(court, f"?limit=2{cursor}") for cursor in ("", "&cursor=3")]
    assert False in [page["whole"] for page in pages]


def is_sqlite(api: Api) -> bool:
    """On which database the test runs."""
    return bool(api.app.state.db.dialect == "sqlite")


async def log(court: Court, query: str) -> dict[str, Any]:
    """A page of the log."""
    return dict((await court.adam.get(f"/api/moderation/audit{query}")).json())


async def test_counts_for_a_transparency_report(api: Api) -> None:
    """By reason, outcome and action, with appeals; nobody is named."""
    court = await Court(api).open()
    number = (await court.decide(court.maria, "warn"))["statement_id"]
    await court.boris.post(f"/me/statements/{number}/appeal", json={"text": "нет"})
    counted = (await court.maria.get("/api/moderation/transparency?days=30")).json()
    assert counted == {
        "days": 30,
        "reports": [{"name": "harassment", "count": 1}],
        "outcomes": [{"name": "warn", "count": 1}],
        "decisions": [{"name": "warn", "count": 1}],
        "appeals": 1,
        "overturned": 0,
        "screening": "rules",
        "waiting": 0,
    }


async def test_closed_reports_are_forgotten(api: Api) -> None:
    """A closed report goes with its evidence when its time is over; an open one stays."""
    court = await Court(api).open()
    await court.decide(court.maria, "dismiss")
    waiting = await report(court.anna, "person", court.boris.id)
    db = api.app.state.db
    await db.write(reports.forget, db.clock() - DAY)
    assert await api.count("reports") == 2
    await db.write(reports.forget, db.clock() + DAY)
    assert await api.count("reports") == 1
    assert [row["id"] for row in (await court.maria.get("/api/moderation/reports")).json()["reports"]] == [waiting]


async def test_reports_are_limited(settings: Settings) -> None:
    """So many an hour for each person."""
    async with running(msgspec.structs.replace(settings, rate_limits=True, limit_report="2/hour")) as api:
        anna, *others = await api.people(4)
        forms = [{"target_kind": "person", "target_id": other.id, "reason": "spam"} for other in others]
        statuses = [(await anna.post("/api/reports", json=form)).status_code for form in forms]
        assert statuses == [201, 201, 429]


async def test_a_ban_closes_open_sockets(server: Server) -> None:
    """Every socket of the person ends at once, on whichever process it is."""
    court = await Court(server).open()
    async with server.socket(court.boris) as one, server.socket(court.boris) as two, server.socket(court.anna) as other:
        await court.decide(court.maria, "ban")
        assert [await one.closed(), await two.closed()] == [4403, 4403]
        assert await other.quiet() == []
