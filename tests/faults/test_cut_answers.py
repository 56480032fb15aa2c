"""Answers that are cut off: what was asked is done, nobody hears it, and a repeat is given the first answer."""

import asyncio
from typing import Any

import httpx
import pytest

from tests.cluster.proxy import ANSWERED, COMMITTED, Proxy
from tests.faults.conftest import Behind
from tests.kit import Person, Server

ROUNDS = 5


async def test_the_commit_of_a_message_cut_off_by_a_proxy(behind: Behind) -> None:
    """The sender gets 503 and repeats with the same client_id: one message, the first, which the receiver hears soon."""
    server, proxy = behind
    anna, boris = await server.people(2)
    chat_id = await anna.match(boris)
    async with server.socket(boris) as far:
        for number in range(ROUNDS):
            body = {"chat_id": chat_id, "content": f"Привет {number} 👋", "client_id": f"{number}"}
            proxy.lose(COMMITTED)
            unknown = await anna.post("/messages/send", json=body)
            assert (unknown.status_code, unknown.json()["code"]) == (503, "database_away")
            assert (int(unknown.headers["retry-after"]) >= 1, proxy.lost) == (True, number + 1)
            heard = await far.wait("message")  # before any repeat
            first, again = [await anna.post("/messages/send", json=body) for _ in range(2)]
            assert (first.status_code, again.status_code) == (200, 200)
            assert first.json() == again.json()
            assert (heard["id"], heard["content"]) == (first.json()["id"], body["content"])
        assert await far.quiet() == []
    assert await server.count("messages WHERE kind = 'text'") == ROUNDS


async def test_the_commit_of_a_match_cut_off_by_a_proxy(behind: Behind) -> None:
    """The like that matches is answered 503 and repeated: one match, one chat, and each of both is told once."""
    server, proxy = behind
    for number in range(ROUNDS):
        anna, boris = await server.people(2)
        await anna.like(boris)
        async with server.socket(anna) as far:
            proxy.lose(COMMITTED)
            unknown = await boris.post("/swipe", json={"target_id": anna.id, "action": "like"})
            assert (unknown.status_code, proxy.lost) == (503, number + 1)
            heard = await far.wait("match")
            answer = await boris.like(anna)
            assert (answer["status"], answer["chat_id"]) == ("match", heard["chat_id"])
        assert (await anna.told()).count("match") == (await boris.told()).count("match") == 1
    assert await server.count("chats") == await server.count("pairs WHERE matched_at IS NOT NULL") == ROUNDS


async def test_the_commit_of_a_logout_cut_off_by_a_proxy(behind: Behind) -> None:
    """The session has ended although nobody heard it: its open socket closes within seconds."""
    server, proxy = behind
    anna = await server.person()
    async with server.socket(anna) as socket:
        proxy.lose(COMMITTED)
        assert (await anna.post("/logout")).status_code == 503
        assert await socket.closed() == 4403


async def repeat(server: Server, proxy: Proxy, person: Person, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """What a client gets that loses the first answer and asks again; its status and content."""
    headers = {"Authorization": f"Bearer {person.token}"}
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{proxy.port}", headers=headers) as http:
        proxy.lose(ANSWERED)
        with pytest.raises(httpx.TransportError):
            await http.post(path, json=body)
        answer = await http.post(path, json=body)
    return answer.status_code, answer.json()


async def test_an_answer_cut_off_between_server_and_client(server: Server) -> None:
    """A message and a like whose answers never arrive are repeated by the client: one message, one match, told once."""
    proxy = await Proxy(server.port).start()
    anna, boris = await server.people(2)
    chat_id = await anna.match(boris)
    for number in range(ROUNDS):
        body = {"chat_id": chat_id, "content": "Привет 👋", "client_id": f"{number}"}
        status, message = await repeat(server, proxy, anna, "/messages/send", body)
        assert (status, message["client_id"]) == (200, f"{number}")
        vera, gleb = await server.people(2)
        await vera.like(gleb)
        status, answer = await repeat(server, proxy, gleb, "/swipe", {"target_id": vera.id, "action": "like"})
        assert (status, answer["status"]) == (200, "match")
        assert (await vera.told()).count("match") == (await gleb.told()).count("match") == 1
    assert proxy.lost == 2 * ROUNDS
    assert await server.count("messages WHERE kind = 'text'") == ROUNDS
    assert await server.count("chats") == 1 + ROUNDS
    await proxy.close()


async def test_partition_to_postgres_is_503_in_time(behind: Behind) -> None:
    """PostgreSQL is there and nothing passes: every request is answered 503, none hangs; healed, everything is as before."""
    server, proxy = behind
    anna, boris = await server.people(2)
    chat_id = await anna.match(boris)
    await anna.say(chat_id, "before")
    body = {"chat_id": chat_id, "content": "now", "client_id": "now"}
    async with server.socket(boris) as far:
        proxy.hold()
        async with asyncio.timeout(20):
            answers = await asyncio.gather(
                *[anna.post("/messages/send", json=body) for _ in range(8)],
                *[anna.get("/chats") for _ in range(8)],
                server.http.post("/register", json={"username": "nobody", "password": "correct horse battery"}),
                server.http.get("/readyz"),
            )
        assert {answer.status_code for answer in answers} == {503}
        assert all("retry-after" in answer.headers for answer in answers)
        assert (await server.http.get("/ping")).status_code == 200
        proxy.heal()
        async with asyncio.timeout(20):
            while (answer := await anna.post("/messages/send", json=body)).status_code == 503:
                await asyncio.sleep(0.05)
        assert (await far.wait("message", 10))["id"] == answer.json()["id"]
        assert await far.quiet() == []
    assert await server.count("messages WHERE content = 'now'") == 1
