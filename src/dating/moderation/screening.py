"""The work of asking the classifier: what is due is claimed in the database, asked about, and settled.

A claim lasts for a while, so a process that dies with it leaves the message to another. Questions that fail are asked again with
growing pauses, a bounded number of times; then the setting says whether a held message is delivered or waits for a moderator.
"""

import asyncio
import contextlib
import logging

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

CLAIMED = 30 * SECOND
FIRST_PAUSE = SECOND
LONGEST_PAUSE = 300 * SECOND


class Screener:
    """The screening of one process. Without a classifier it does nothing: people's reports and people decide."""

    def __init__(self, settings: Settings, db: Database) -> None:
        self._settings = settings
        self._db = db
        self._classifier = Classifier(settings) if settings.classifier_url else None
        self._woken = asyncio.Event()
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to ask."""
        if self._classifier is not None:
            self._task = asyncio.create_task(self._work(self._classifier))

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

    async def _work(self, classifier: Classifier) -> None:
        while not self._closed:
            try:
                busy = await self._round(classifier)
            except Unavailable:
                logger.warning("messages were not screened: the database is away")
                busy = False
            except Exception:  # whoever is held must not wait for ever because of one of them
                logger.exception("messages were not screened")
                busy = False
            if not busy and not self._closed:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), IDLE)
            self._woken.clear()

    async def _round(self, classifier: Classifier) -> bool:
        """Ask about what is due; whether there was anything."""
        now = self._db.clock()
        due = await self._db.write(releases.claim, AT_ONCE, now + CLAIMED + int(self._settings.classifier_seconds * SECOND))
        for outcome in await asyncio.gather(*[self._screen(classifier, one) for one in due], return_exceptions=True):
            if isinstance(outcome, Exception):
                logger.error("a message was not screened; it is claimed again later", exc_info=outcome)
        return bool(due)

    async def _screen(self, classifier: Classifier, one: Due) -> None:
        try:
            judgement = await classifier.ask(Question(one.message_id, one.text))
        except ClassifierFailed:
            await self._put_off(one)
        else:
            await self._settle(one, judgement)

    async def _settle(self, one: Due, judgement: Judgement) -> None:
        if judgement.hold or judgement.score >= self._settings.classifier_threshold:
            await self._db.write(hold_queries.flag, one.message_id, judgement.score, judgement.reason)
        else:
            await self._db.write(releases.settle, one.message_id)

    async def _put_off(self, one: Due) -> None:
        logger.warning("the classifier gave no answer", extra={"attempt": one.attempts})
        if one.attempts < self._settings.classifier_attempts:
            pause = min(FIRST_PAUSE << (one.attempts - 1), LONGEST_PAUSE)
            await self._db.write(hold_queries.postpone, one.message_id, self._db.clock() + pause)
        elif one.draft is not None and self._settings.classifier_failure == "hold":
            await self._db.write(hold_queries.flag, one.message_id, None, None)
        else:
            await self._db.write(releases.settle, one.message_id)
