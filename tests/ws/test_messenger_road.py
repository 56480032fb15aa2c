"""The messenger's clients: one conversation over its own paths alone, each row of the README's table once, by what it does."""

import re
from pathlib import Path
from typing import Any

from tests.api.test_find import index
from tests.kit import PASSWORD, Server

ROOT = Path(__file__).parents[2]


def list_rows() -> set[str]:
    """The operations in the first column of the table."""
    section = (ROOT / "README.md").read_text("utf-8").split("## The messenger, row by row", 1)[1].split("\n## ", 1)[0]
    return set(re.findall(r"^\| (?:`([A-Z]+ [^`]+)`|a socket at `/ws`) \|", section, re.MULTILINE)) - {""}


class Client:
    """Somebody who knows the messenger's paths and nothing else, and notes which were asked."""

    def __init__(self, server: Server, asked: set[str]) -> None:
        self.server, self.asked = server, asked
        self.token, self.id = "", 0

    async def ask(self, status: int, operation: str, body: Any = None, query: str = "", **names: int) -> Any:
        """One request; what it answers."""
        self.asked.add(operation)
        method, path = operation.split(" ")
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        answer = await self.server.http.request(method, path.format(**names) + query, json=body, headers=headers)
        assert answer.status_code == status, (operation, answer.text)
        return answer.json()

    async def join(self, username: str) -> "Client":
        """Register, and sign in as the messenger's clients do."""
        given = {"username": username, "password": PASSWORD}
        made = await self.ask(201, "POST /api/auth/register", given | {"settings": {"messages_from": "everyone"}})
        found = await self.ask(200, "POST /api/auth/login", given)
        assert found["user_id"] == made["user_id"]
        self.token, self.id = found["access_token"], found["user_id"]
        assert (await self.ask(200, "GET /api/users/me"))["username"] == username
        return self


async def test_every_row_of_the_messenger_works(server: Server) -> None:
    """Two people find each other, talk, react, edit and delete, and hear of it at /ws; no row of the table is left out."""
    asked: set[str] = set()
    anna, boris = await Client(server, asked).join("анна_м"), await Client(server, asked).join("boris_m")
    await index(server)
    found = await anna.ask(200, "GET /api/users/search", query="?q=boris_m")
    assert boris.id in [user["id"] for user in found["users"]], found
    chat_id = (await anna.ask(201, "POST /api/chats", {"kind": "direct", "member_ids": [boris.id]}))["id"]
    at_ws = {"additional_headers": {"Authorization": f"Bearer {boris.token}"}}
    async with server.connect("/ws", **at_ws) as socket:
        assert (await socket.next())["type"] == "hello"
        first = (await anna.ask(201, "POST /api/messages", {"chat_id": chat_id, "content": "Привет 👋"}))["id"]
        assert (await socket.wait("message"))["content"] == "Привет 👋"
        reply = await boris.ask(201, "POST /api/messages", {"chat_id": chat_id, "content": "И тебе", "reply_to_id": first})
        await boris.ask(200, "POST /api/messages/{message_id}/react", {"emoji": "❤️"}, message_id=first)
        second = (await anna.ask(201, "POST /api/messages", {"chat_id": chat_id, "content": "Идём?"}))["id"]
        await anna.ask(200, "POST /api/messages/{message_id}/edit", {"content": "Идём в горы?"}, message_id=second)
        assert (await socket.wait("message_edited"))["content"] == "Идём в горы?"
        await boris.ask(200, "POST /api/messages/{message_id}/delete", message_id=reply["id"])
        assert (await socket.wait("message_deleted"))["message_id"] == reply["id"]
    messages = await anna.ask(200, "GET /api/chats/{chat_id}/messages", chat_id=chat_id)
    said = {message["id"]: message for message in messages}
    assert [said[number]["content"] for number in (first, second, reply["id"])] == ["Привет 👋", "Идём в горы?", ""]
    assert [reaction["emoji"] for reaction in said[first]["reactions"]] == ["❤️"]
    chat = await anna.ask(200, "GET /api/chats/{chat_id}", chat_id=chat_id)
    assert {member["user_id"] for member in chat["members"]} == {anna.id, boris.id}
    assert [one["id"] for one in await boris.ask(200, "GET /api/chats")] == [chat_id]
    assert (asked, len(asked)) == (list_rows(), 12)
