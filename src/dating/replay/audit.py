"""The check at the end: everybody's lists, histories and events against what was done."""

from collections import Counter

from dating.replay.client import Client
from dating.replay.device import Device
from dating.replay.pair import Pair
from dating.replay.referee import Faults, Judge


class Audit:
    """Goes from person to person; afterwards `matches` and `chats` hold every one that anybody was shown."""

    def __init__(self, client: Client, pairs: list[Pair], faults: Faults) -> None:
        self.client, self.faults = client, faults
        self.pairs: dict[int, list[Pair]] = {}
        for pair in pairs:
            for user_id in pair.ids:
                self.pairs.setdefault(user_id, []).append(pair)
        self.matches: set[frozenset[int]] = set()
        self.chats: set[int] = set()
        self.typing = 0

    async def check(self, device: Device) -> None:
        """One person, over HTTP and in what their device applied."""
        me = device.account.user_id
        pairs = self.pairs.get(me, [])
        others = {pair.chat_id: sum(pair.ids) - me for pair in pairs}
        self._check_typing(device, others)
        sent = [message for pair in pairs for message in pair.sent]
        readings = [reading for pair in pairs for reading in pair.readings]
        Judge(me, others, sent, readings, self.faults).judge(device.log)
        await self._check_lists(device, others)
        for pair in pairs:
            await self._check_history(device, pair)

    async def settle(self, device: Device, patience: float) -> None:
        """Waits for the last resume and for the top of the person's inbox, so that nothing comes after the count."""
        if not await device.return_online(patience):
            self.faults.add("wrong", f"The socket of {device.account.username} did not come back: {device.trouble}.")
        top = (await self.client.start(device.account)).seq
        if not await device.reach(top, patience) or device.log.applied > top:
            here = device.log.applied
            self.faults.add("lost", f"{device.account.username} is at event {here} of {top}.", max(1, top - here))

    async def _check_lists(self, device: Device, others: dict[int, int]) -> None:
        me = device.account.user_id
        matches = await self.client.matches(device.account)
        if sorted((row.chat_id, row.user_id) for row in matches) != sorted(others.items()):
            self.faults.add("wrong", f"GET /matches of person {me} is {matches}, the data say {others}.")
        self.matches |= {frozenset((me, row.user_id)) for row in matches}
        chats = await self.client.chats(device.account)
        if sorted(row.id for row in chats) != sorted(others):
            self.faults.add("wrong", f"GET /chats of person {me} is {chats}, the data say {others}.")
        if unread := [row for row in chats if row.unread_count]:
            self.faults.add("wrong", f"Person {me} has read everything, but GET /chats says {unread}.")
        self.chats |= {row.id for row in chats}

    async def _check_history(self, device: Device, pair: Pair) -> None:
        history = await self.client.history(device.account, pair.chat_id)
        told = [(m.id, m.sender_id, m.content) for m in history if m.kind != "system"]
        meant = [(m.id, m.sender, m.content) for m in pair.sent]
        if missing := len(set(meant) - set(told)):
            self.faults.add("lost", f"Chat {pair.chat_id} shows {told} instead of {meant}.", missing)
        elif told != meant:
            self.faults.add("disordered", f"Chat {pair.chat_id} shows {told} instead of {meant}.")

    def _check_typing(self, device: Device, others: dict[int, int]) -> None:
        """At most one typing per chat was sent to anybody; it may be dropped, but never strays."""
        heard = Counter((frame.chat_id, frame.user_id) for frame in device.typing)
        self.typing += len(heard)
        for (chat_id, user_id), times in heard.items():
            if others.get(chat_id) != user_id:
                self.faults.add("foreign", f"{user_id} typed in chat {chat_id} at {device.account.user_id}.")
            elif times > 1:
                self.faults.add("repeated", f"{user_id} typed once in chat {chat_id}, {times} were shown.")
