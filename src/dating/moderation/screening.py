"""The work of asking the classifier: what is due is claimed in the database, asked about, and settled.

A claim lasts for a while, so a process that dies with it leaves the message to another. Questions that fail are asked again with
growing pauses, a bounded number of times; then the setting says whether a held message is delivered or waits for a moderator.
While the classifier is silent, attempts pass without a question, so that nobody waits for one time-out after the other; one
question now and then finds out whether it is back. Where an operator has switched it off, what is held still is let go likewise.
"""

import asyncio
import contextlib
import logging
import time

from dating.chat import hold_queries, releases
from dating.chat.hold_models import Due
from dating.clock import SECOND
from dating.database import Database
from dating.errors import Unavailable
from dating.safety.classifier import Classifier, ClassifierFailed, Judgement, Question
from dating.settings import Settings

logger = logging.getLogger(__name__)

AT_ONCE = 8
"""Questions of one process at the same time."""

IDLE = 1.0
"""Seconds between looks for what other processes left, or what is to be asked again."""

TRUSTED = AT_ONCE
"""Questions in a row without an answer after which the classifier counts as away."""

AWAY = 1.0
"""Seconds, beside the deadline of a question, between questions to one that is away."""

LEFTOVERS = 60.0
"""Seconds between looks for what is held still, without a classifier."""

CLAIMED = 30 * SECOND
FIRST_PAUSE = SECOND
LONGEST_PAUSE = 300 * SECOND


class Screener:
    """The screening of one process. Without a classifier it asks nobody: people's reports and people decide."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self._settings = settings
        self._db = db
        self._classifier = Classifier(settings) if settings.classifier_url else None
        self._woken = asyncio.Event()
        self._closed = False
        self._task: asyncio.Task[None] | None = None
        self._unanswered = 0
        self._asks_again = 0.0

    def start(self) -> None:
        """Begin to ask."""
        self._task = asyncio.create_task(self._work())

    async def close(self) -> None:
        """Stop; what is not settled is asked about again after a while."""
        self._closed = True  # a write that has begun ends although its task is canceled
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._classifier is not None:
            await self._classifier.close()

    def wake(self) -> None:
        """Something may be due."""
        self._woken.set()

    async def _work(self) -> None:
        while not self._closed:
            try:
                busy = await self._round()
            except Unavailable:
                logger.warning("messages were not screened: the database is away")
                busy = False
            except Exception:  # whoever is held must not wait for ever because of one of them
                logger.exception("messages were not screened")
                busy = False
            if not busy and not self._closed:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), LEFTOVERS if self._classifier is None else IDLE)
            self._woken.clear()

    async def _round(self) -> bool:
        """Ask about what is due; whether there was anything."""
        now = self._db.clock()
        due = await self._db.write(releases.claim, AT_ONCE, now + CLAIMED + int(self._settings.classifier_seconds * SECOND))
        asked = self._count_askable()
        work = [self._screen(one, is_asked=n < asked) for n, one in enumerate(due)]
        for outcome in await asyncio.gather(*work, return_exceptions=True):
            if isinstance(outcome, Exception):
                logger.error("a message was not screened; it is claimed again later", exc_info=outcome)
        return bool(due)

    def _count_askable(self) -> int:
        """How many questions may be asked now. Of one who has not answered for long, one, and only now and then."""
        if self._unanswered < TRUSTED:
            return AT_ONCE
        now = time.monotonic()
        if now < self._asks_again:
            return 0
        self._asks_again = now + AWAY + self._settings.classifier_seconds
        return 1

    async def _screen(self, one: Due, *, is_asked: bool) -> None:
        if self._classifier is None:
            await self._give_up(one)
            return
        judgement = await self._ask(self._classifier, one) if is_asked else None
        if judgement is None:
            await self._put_off(one)
        elif judgement.hold or judgement.score >= self._settings.classifier_threshold:
            await self._db.write(hold_queries.flag, one.message_id, one.due_at, judgement.score, judgement.reason)
        else:
            await self._db.write(releases.settle, one.message_id, one.due_at)

    async def _ask(self, classifier: Classifier, one: Due) -> Judgement | None:
        """What it thinks; None when it does not answer."""
        try:
            judgement = await classifier.ask(Question(one.message_id, one.text))
        except ClassifierFailed as failure:
            self._unanswered += 1
            logger.warning("the classifier gave no answer", extra={"attempt": one.attempts, "cause": repr(failure.__cause__)})
            return None
        self._unanswered = 0
        return judgement

    async def _put_off(self, one: Due) -> None:
        if one.attempts < self._settings.classifier_attempts:
            pause = min(FIRST_PAUSE << (one.attempts - 1), LONGEST_PAUSE)
            await self._db.write(hold_queries.postpone, one.message_id, one.due_at, self._db.clock() + pause)
        else:
            await self._give_up(one)

    async def _give_up(self, one: Due) -> None:
        """No answer is to be had: the setting says what becomes of a held message or edit."""
        if one.is_held and self._settings.classifier_failure == "hold":
            await self._db.write(hold_queries.flag, one.message_id, one.due_at, None, None)
        else:
            await self._db.write(releases.settle, one.message_id, one.due_at)
