"""What the tests of the messenger have in common: people in chats, and exactly what each of them is told."""

from typing import Any

from tests.kit import Person


class Listening:
    """What people are told from now on."""

    def __init__(self, people: list[Person]) -> None:
        self._people = people
        self._from: dict[int, int] = {}

    async def begin(self) -> "Listening":
        """Forget what was told so far."""
        self._from = {person.id: len(await person.inbox()) for person in self._people}
        return self

    async def heard(self) -> list[list[dict[str, Any]]]:
        """What each was told since, without numbers; then forget it."""
        told = []
        for person in self._people:
            events = (await person.inbox())[self._from[person.id] :]
            self._from[person.id] += len(events)
            told.append([{key: value for key, value in event.items() if key != "seq"} for event in events])
        return told


async def listen(*people: Person) -> Listening:
    """Begin to listen."""
    return await Listening(list(people)).begin()


async def do(person: Person, path: str, status: int = 200, **body: Any) -> Any:
    """POST something and expect this status; the answer."""
    answer = await person.post(path, json=body)
    assert answer.status_code == status, (path, answer.status_code, answer.text)
    return answer.json()


async def refused(person: Person, path: str, **body: Any) -> tuple[int, str]:
    """POST something that is refused; status and code."""
    answer = await person.post(path, json=body)
    return answer.status_code, answer.json().get("code", "")


async def make_group(owner: Person, *members: Person, name: str = "Походы") -> int:
    """A group of people who have a chat with the owner; its id."""
    for member in members:
        await owner.match(member)
    return int((await do(owner, "/api/chats", 201, kind="group", name=name, member_ids=[m.id for m in members]))["id"])


async def history(person: Person, chat_id: int) -> list[dict[str, Any]]:
    """The chat as the person reads it."""
    answer = await person.get(f"/chat/messages/{chat_id}?limit=200")
    assert answer.status_code == 200, answer.text
    return list(answer.json())


async def shown(person: Person, message_id: int, chat_id: int) -> dict[str, Any] | None:
    """One message of it."""
    return next((message for message in await history(person, chat_id) if message["id"] == message_id), None)


async def chat(person: Person, chat_id: int) -> dict[str, Any]:
    """The chat as the list shows it."""
    return next(one for one in (await person.get("/chats?limit=100")).json() if one["id"] == chat_id)
