"""A mutual like on the client's side: two devices, the plan of their talk, and what came of it."""

from dating.replay.client import Message
from dating.replay.device import Device
from dating.replay.referee import Faults, Reading, Sent
from dating.replay.talk import Line, Turn


class Pair:
    """Index 0 is the man, 1 the woman, in devices and ids alike."""

    def __init__(self, man: Device, woman: Device, chat_id: int, turns: list[Turn]) -> None:
        self.devices = (man, woman)
        self.ids = (man.account.user_id, woman.account.user_id)
        self.chat_id, self.turns = chat_id, turns
        self.sent: list[Sent] = []
        self.readings: list[Reading] = []

    def acknowledge(self, line: Line, answer: Message, faults: Faults) -> Sent:
        """Takes down that the server has the message, and whether it answered with what it was given."""
        sent = Sent(answer.id, self.chat_id, self.ids[line.by], line.content, line.client_id)
        told = (answer.chat_id, answer.sender_id, answer.content)
        if told != (sent.chat_id, sent.sender, sent.content):
            faults.add("wrong", f"The message {line} was answered with {answer}.")
        return sent

    def close(self, turn: Turn, sent: list[Sent], faults: Faults) -> None:
        """Takes a finished turn over: its ids come after all earlier ones, in the order of sending."""
        ids = [message.id for message in sent]
        newest = self.sent[-1].id if self.sent else 0
        if min(ids) <= newest or (not turn.together and ids != sorted(ids)):
            faults.add("disordered", f"Chat {self.chat_id} gave the ids {ids} after {newest}.")
        self.sent += sorted(sent, key=lambda message: message.id)
