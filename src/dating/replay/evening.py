"""The evening itself: everybody comes, decides, talks, and loses and finds the connection meanwhile."""

import asyncio
import random
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from rich.progress import Progress

from dating.replay.audit import Audit
from dating.replay.client import Account, Client, Refused
from dating.replay.data import Date, Evening, Participant, age, profile
from dating.replay.device import Device, Seats
from dating.replay.pair import Pair
from dating.replay.referee import Faults, Key, Reading, Sent, read_key
from dating.replay.talk import Line, Turn, plan

T = TypeVar("T")
PATIENCE = 30.0
SHORTEST = 0.2
NUDGE = 2.0


class Plan(msgspec.Struct, frozen=True):
    """How to replay: requests at once, messages per pair, share of sockets dropped per phase, seed."""

    concurrency: int = 32
    messages: int = 4
    drop: float = 0.2
    seed: int = 1


class Phase(msgspec.Struct, frozen=True):
    """What one progress bar stood for."""

    title: str
    units: int
    seconds: float
    requests: int


class Storm:
    """Drops a share of the sockets, spread evenly over the work of a phase."""

    def __init__(self, devices: Iterable[Device], share: float, work: int, dice: random.Random) -> None:
        everyone = list(devices)
        self.victims = dice.sample(everyone, round(share * len(everyone)))
        self.gap = work / (len(self.victims) + 1)
        self.dice = dice
        self.done = self.gone = self.drops = 0

    def tick(self) -> None:
        """One unit of work is done; now and then somebody's socket pays for it."""
        self.done += 1
        while self.victims and self.done >= (self.gone + 1) * self.gap:
            self.gone += 1
            politely, away = self.dice.random() < 0.5, self.dice.uniform(0.01, 0.5)
            self.drops += self.victims.pop().drop(politely, away)


class Stage:
    """Carries the phases in turn and keeps the figures; one instance is one run."""

    def __init__(self, evening: Evening, server: str, plan: Plan, progress: Progress) -> None:
        self.evening, self.server, self.plan, self.progress = evening, server, plan, progress
        self.dice = random.Random(plan.seed)
        self.run_id = secrets.token_hex(4)
        self.faults = Faults()
        self.client = Client(server, plan.concurrency)
        self.door = asyncio.Semaphore(plan.concurrency)
        self.devices: dict[int, Device] = {}
        self.pairs: list[Pair] = []
        self.audit = Audit(self.client, [], self.faults)
        self.phases: list[Phase] = []
        self.statuses: Counter[str] = Counter()
        self.swipe_times: list[float] = []
        self.message_times: list[float] = []
        self.patience = PATIENCE
        self.seats = Seats()
        self.typed = self.drops = self.apart = 0

    async def play(self) -> None:
        """All phases, from the door to the verdict; raises Refused when not everybody can come in."""
        async with self.client, AsyncExitStack() as sockets:
            await self.client.reach()
            await self._each("Registering", self.evening.people, self._register)
            self._require(len(self.devices))
            devices = list(self.devices.values())
            for device in devices:
                await sockets.enter_async_context(device)
            await self._each("Connecting", devices, self._greet)
            self._require(sum(device.connections > 0 for device in devices))
            await self._each("Sitting down", devices, self._sit)
            await self._swipe_all()
            await self._talk_all()
            self.audit = Audit(self.client, self.pairs, self.faults)
            await self._each("Settling", devices, self._settle)
            await self._each("Checking", devices, self.audit.check)
            self._count()

    def _require(self, present: int) -> None:
        if present < len(self.evening.people):
            raise Refused(f"Only {present} of {len(self.evening.people)} people could come in.")

    async def _each(self, title: str, items: Iterable[T], work: Callable[[T], Awaitable[object]], width: int = 1) -> None:
        """Works through the items under a progress bar, as many at once as requests are allowed, `width` for each item."""
        todo = list(items)
        bar = self.progress.add_task(title, total=len(todo))
        began, requests, queue = time.monotonic(), self.client.requests, iter(todo)

        async def carry() -> None:
            for item in queue:
                try:
                    await work(item)
                except Refused as error:
                    self.faults.add("wrong", str(error))
                self.progress.advance(bar)

        async with asyncio.TaskGroup() as crew:
            for _ in range(min(max(1, self.plan.concurrency // width), len(todo))):
                crew.create_task(carry())
        seconds = time.monotonic() - began
        self.phases.append(Phase(title, len(todo), seconds, self.client.requests - requests))

    async def _register(self, person: Participant) -> None:
        today = datetime.now(UTC).date()
        account = Account(f"replay-{self.run_id}-{person.iid}", secrets.token_urlsafe(12))
        mine = profile(person, today)
        me = await self.client.register(account, mine, f"replay-{person.iid}")
        if (me.get("bio"), me.get("age")) != (mine.bio, age(mine.birthday, today)):
            self.faults.add("wrong", f"{account.username} registered {mine} and became {me}.")
        side = int(mine.gender == "female")
        self.devices[person.iid] = Device(account, self.client, self.server, self.door, self.faults, self.seats, side)

    async def _greet(self, device: Device) -> None:
        """Nothing may happen before everybody listens."""
        if not await device.return_online(self.patience):
            self.faults.add("wrong", f"The socket of {device.account.username} did not open: {device.trouble}.")
            self._lose_patience()

    async def _sit(self, device: Device) -> None:
        """Everybody knows by now how many processes there are."""
        if not await device.settle(self.patience):
            self.faults.add("wrong", f"The socket of {device.account.username} did not come back: {device.trouble}.")
            self._lose_patience()

    async def _swipe_all(self) -> None:
        dates = list(self.evening.dates)
        self.dice.shuffle(dates)
        orders = {(date.m, date.f): self.dice.choice(("man", "woman", "both")) for date in dates}
        storm = Storm(self.devices.values(), self.plan.drop, len(dates), self.dice)

        async def meet(date: Date) -> None:
            await self._meet(date, orders[date.m, date.f])
            storm.tick()

        await self._each("Swiping", dates, meet, width=2)
        self.drops += storm.drops

    async def _meet(self, date: Date, order: str) -> None:
        """Both decisions of one date; a mutual like has to be a match for exactly one of the two answers."""
        man, woman = (date.m, date.f, date.man_likes), (date.f, date.m, date.woman_likes)
        if order == "both":
            answers = list(await asyncio.gather(self._swipe(*man), self._swipe(*woman)))
        else:
            first, second = (man, woman) if order == "man" else (woman, man)
            answers = [await self._swipe(*first), await self._swipe(*second)]
        chats = [chat for chat in answers if chat]
        if len(chats) != date.mutual or (order != "both" and answers[0]):
            self.faults.add("wrong", f"{date}, {order} first, was answered with the chats {answers}.")
        if chats and date.mutual:
            self._pair(date, chats[0])

    async def _swipe(self, iid: int, other: int, likes: bool) -> int:
        """One decision; the new chat's id, or 0."""
        account, target = self.devices[iid].account, self.devices[other].account
        began = time.monotonic()
        answer = await self.client.swipe(account, target.user_id, "like" if likes else "dislike")
        self.swipe_times.append(time.monotonic() - began)
        self.statuses[answer.status] += 1
        allowed = ("like", "match") if likes else ("dislike",)
        if answer.status not in allowed or (answer.status == "match") != bool(answer.chat_id):
            self.faults.add("wrong", f"The swipe of {iid} at {other} was answered with {answer}.")
        return answer.chat_id or 0

    def _pair(self, date: Date, chat_id: int) -> None:
        dice = random.Random(f"{self.plan.seed}:{date.m}:{date.f}")
        turns = plan(dice, self.plan.messages, f"{self.run_id}-{date.m}-{date.f}")
        self.pairs.append(Pair(self.devices[date.m], self.devices[date.f], chat_id, turns))

    async def _talk_all(self) -> None:
        turns = sum(len(pair.turns) for pair in self.pairs)
        storm = Storm(self.devices.values(), self.plan.drop, turns, self.dice)

        async def talk(pair: Pair) -> None:
            await self._talk(pair, storm)

        await self._each("Talking", self.pairs, talk, width=2)
        self.drops += storm.drops

    async def _talk(self, pair: Pair, storm: Storm) -> None:
        for device in pair.devices:
            await self._hear(device, ("match", pair.chat_id))
            await device.return_online(self.patience)
        self.apart += pair.devices[0].process != pair.devices[1].process
        typed: set[int] = set()
        for turn in pair.turns:
            for by in {line.by for line in turn.lines} - typed:
                typed.add(by)
                told = await pair.devices[by].type(pair.chat_id)
                self.typed += told
            await self._exchange(pair, turn, last=turn is pair.turns[-1])
            storm.tick()

    async def _exchange(self, pair: Pair, turn: Turn, last: bool) -> None:
        """Sends a turn, waits until it has arrived and its author knows, then reads it."""
        if turn.together:
            sent = list(await asyncio.gather(*(self._send(pair, line) for line in turn.lines)))
        else:
            sent = [await self._send(pair, line) for line in turn.lines]
        pair.close(turn, sent, self.faults)
        for message in sent:
            for device in pair.devices:
                await self._hear(device, ("message", message.id))
        for reader in (0, 1):
            news = tuple(m.id for m in sent if m.sender != pair.ids[reader])
            if news:
                await self._confirm(pair, reader, max(news))
            if news or last:
                await self._read(pair, reader, () if last else news, bool(news))

    async def _send(self, pair: Pair, line: Line) -> Sent:
        author, reader = pair.devices[line.by], pair.devices[1 - line.by]
        began, connection = time.monotonic(), reader.connections
        answer = await self.client.send(author.account, pair.chat_id, line.content, line.client_id)
        sent = pair.acknowledge(line, answer, self.faults)

        def time_it(heard: float) -> None:
            if reader.connections == connection:
                self.message_times.append(heard - began)

        reader.note(("message", sent.id), time_it)
        return sent

    async def _confirm(self, pair: Pair, reader: int, message_id: int) -> None:
        """The author hears that the newest message arrived; the phone says so again if its word was lost."""
        author, phone = pair.devices[1 - reader], pair.devices[reader]
        deadline = time.monotonic() + self.patience
        while not await author.hear(("delivered", pair.chat_id, message_id), NUDGE):
            if time.monotonic() > deadline:
                self._lose_patience()
                break
            await phone.receipt(pair.chat_id)
        phone.owed.pop(pair.chat_id, None)

    async def _read(self, pair: Pair, reader: int, ids: tuple[int, ...], news: bool) -> None:
        account = pair.devices[reader].account
        if ids:
            await self.client.read_messages(account, pair.chat_id, list(ids))
        else:
            await self.client.read_chat(account, pair.chat_id)
        pair.readings.append(Reading(pair.chat_id, account.user_id, ids, news))
        if news:
            await self._hear(pair.devices[1 - reader], (*read_key(pair.chat_id, ids), account.user_id))

    async def _hear(self, device: Device, key: Key) -> None:
        """Waits for an event; what does not come is found lost by the judge, here it only costs patience."""
        if not await device.hear(key, self.patience):
            self._lose_patience()

    def _lose_patience(self) -> None:
        """A broken server must not make the run last for hours."""
        self.patience = max(SHORTEST, self.patience / 2)

    async def _settle(self, device: Device) -> None:
        await self.audit.settle(device, self.patience)

    def _count(self) -> None:
        shown = (len(self.audit.matches), len(self.audit.chats))
        if shown != (self.evening.mutual, self.evening.mutual):
            matches, chats = shown
            self.faults.add("wrong", f"{self.evening.mutual} likes are mutual: {matches} matches and {chats} chats came.")
