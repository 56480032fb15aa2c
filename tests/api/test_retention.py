"""Nothing is kept longer than is said, nor shorter: the clock is moved, and the sweep drops exactly what is over."""

import json

import pytest

from dating import idempotency
from dating.accounts.mail import make_mailer
from dating.chat import limit_queries
from dating.chat.limit_models import Sending
from dating.clock import DAY, SECOND
from dating.database import SWEPT, DatabaseAway, Transaction
from dating.jobs import Jobs
from dating.realtime import redis_tickets
from dating.safety import queries as safety_queries
from dating.safety import word_queries
from dating.tokens import Identity
from tests.api.messenger import do, make_group
from tests.api.test_export import order
from tests.kit import PASSWORD, Api, Person

MINUTE = 60 * SECOND
LIVES = {
    "tickets": 30 * SECOND,
    "codes": 15 * MINUTE,
    "answers": DAY,
    "newcomer_sends": DAY,
    "exports": DAY,
    "invites": 7 * DAY,
    "inbox": 30 * DAY,
    "sessions": 30 * DAY,
    "exposures": 30 * DAY,
    "reports WHERE closed_at IS NOT NULL": 180 * DAY,
    "screenings WHERE draft IS NULL": 180 * DAY,
    "screenings WHERE draft IS NOT NULL": 10_000 * DAY,
    "reports WHERE closed_at IS NULL": 10_000 * DAY,
    "messages": 10_000 * DAY,
    "users": 10_000 * DAY,
}
"""How long the rows of a table are kept, in microseconds; ten thousand days: until somebody deletes them."""

SLACK = {"exposures": DAY}
"""What is kept by whole days may stay one more."""

SHOWN = "INSERT INTO exposures (day, viewer_id, shown_id, shown_at, deck_at) VALUES (:day, :me, :other, :now, 0)"
CLOSE = "UPDATE reports SET closed_at = :now, outcome = 'dismiss' WHERE target_id = :other"
FLAG = """
INSERT INTO screenings (message_id, chat_id, sender_id, draft, created_at)
VALUES (:message_id, :chat_id, :me, CAST(:draft AS TEXT), :now)
"""
ANSWER = """
INSERT INTO answers (user_id, key, fingerprint, answer, created_at)
SELECT :me, 'key-' || value, '', '', CAST(:now AS BIGINT) FROM json_each(CAST(:numbers AS TEXT)) WHERE TRUE
"""


async def live(api: Api) -> None:
    """Something of every kind."""
    anna = await api.person(email="anna@example.org")
    boris, clara = await api.people(2)
    group = await make_group(anna, boris, clara)
    await do(anna, f"/api/chats/{group}/invites", 201)
    await anna.say(group, "привет")
    await anna.post("/chat/read", json={"chat_id": group}, headers={"Idempotency-Key": "key"})
    for other in (boris, clara):
        await do(anna, "/api/reports", 201, target_kind="person", target_id=other.id, reason="spam")
    await order(anna)
    await api.app.state.db.write(write_down, anna, boris, group)


async def write_down(tx: Transaction, me: Person, other: Person, chat_id: int) -> None:
    """What is written down for processes alone."""
    await redis_tickets.keep(tx, "token", Identity(me.id, 1, "user", 0), 30)
    await tx.run(SHOWN, day=tx.now // DAY, me=me.id, other=other.id, now=tx.now)
    await tx.run(CLOSE, other=other.id, now=tx.now)
    for message_id, draft in ((1, None), (2, "[]")):
        await tx.run(FLAG, message_id=message_id, chat_id=chat_id, me=me.id, draft=draft, now=tx.now)
    await limit_queries.keep(tx, [Sending(0, me.id, 1, "digest", 0)])


async def find_kept(api: Api) -> set[str]:
    """What there are rows of."""

    async def look(tx: Transaction) -> set[str]:
        return {rows for rows in LIVES if await tx.one(int, f"SELECT COUNT(*) FROM {rows}")}

    return set(await api.app.state.db.read(look))


async def test_everything_goes_when_its_time_has_come(api: Api) -> None:
    """Just before the end of each life the sweep leaves it, and just after it does not."""
    await live(api)
    assert await find_kept(api) == set(LIVES)
    db = api.app.state.db
    start = db.clock()
    for life in sorted({*LIVES.values()} - {10_000 * DAY}):
        for moment in (life - life // 20, life + life // 20):
            db.clock = lambda moment=moment: start + moment
            await api.app.state.jobs.sweep()
            kept = {rows for rows, end in LIVES.items() if moment < end}
            spared = {rows for rows, slack in SLACK.items() if abs(moment - LIVES[rows]) < slack}
            assert await find_kept(api) - spared == kept - spared, moment / DAY


async def test_a_sweep_drops_a_part_at_a_time(api: Api) -> None:
    """One transaction drops so many rows at most; the sweep goes on until nothing is left that is over."""
    anna = await api.person()
    db = api.app.state.db

    async def answer(tx: Transaction, first: int, last: int) -> None:
        await tx.run(ANSWER, me=anna.id, now=tx.now, numbers=json.dumps(list(range(first, last))))

    await db.write(answer, 0, 2 * SWEPT + 1)
    start = db.clock()
    db.clock = lambda: start + 2 * DAY
    assert await db.write(idempotency.forget, start + DAY) == SWEPT
    await db.write(answer, 2 * SWEPT + 1, 2 * SWEPT + 2)
    await api.app.state.jobs.sweep()
    assert await api.count("answers") == 1


async def test_what_comes_after_a_deletion_goes(api: Api) -> None:
    """What was written by a request that had passed the gate before the account went is erased by the next sweep."""
    anna, boris = await api.people(2)
    db = api.app.state.db
    assert (await anna.delete("/me", json={"password": PASSWORD})).status_code == 200
    await db.write(word_queries.keep, anna.id, ["слово"])
    await db.write(safety_queries.block, anna.id, boris.id)
    assert (await api.count("hidden_words"), await api.count("blocks")) == (1, 1)
    await api.app.state.jobs.sweep()
    assert (await api.count("hidden_words"), await api.count("blocks")) == (0, 0)


async def test_a_step_that_fails_keeps_none_from_its_work(api: Api) -> None:
    """What comes after it is dropped all the same, and the sweep says what failed; a database that is away ends it at once."""
    await live(api)
    db = api.app.state.db
    start = db.clock()
    db.clock = lambda: start + 20_000 * DAY
    settings = api.app.state.settings
    jobs = Failing(settings, db, make_mailer(settings), lambda since: set())
    with pytest.raises(ExceptionGroup) as failed:
        await jobs.sweep()
    assert [type(error) for error in failed.value.exceptions] == [ZeroDivisionError]
    assert await find_kept(api) == {"inbox"} | {rows for rows, life in LIVES.items() if life == 10_000 * DAY}
    jobs.failure = DatabaseAway(retry_after=1)
    with pytest.raises(DatabaseAway):
        await jobs.sweep()


class Failing(Jobs):
    """Its first step fails."""

    failure: Exception = ZeroDivisionError()

    async def _trim_inboxes(self, before: int) -> None:
        raise self.failure
