"""The baseline of bench/cluster.py: FastAPI and python-socketio with its Redis manager, on PostgreSQL.

The same as socketio_chat.py: token, membership, one commit for each message, an emit to the receiver's room, which the Redis
manager takes to the process where the receiver is. No inbox, no receipts, no counters, no idempotency.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import asyncpg
import jwt
import socketio
import uvicorn
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

SECRET = os.environ["JWT_SECRET"]
SCHEMA = """
SELECT pg_advisory_xact_lock(1);
CREATE TABLE IF NOT EXISTS members (chat_id BIGINT, user_id BIGINT, other_id BIGINT, PRIMARY KEY (chat_id, user_id));
CREATE TABLE IF NOT EXISTS messages (
    id BIGSERIAL PRIMARY KEY, chat_id BIGINT NOT NULL, sender_id BIGINT NOT NULL, content TEXT NOT NULL
);
"""


class Draft(BaseModel):
    """A message to be sent."""

    chat_id: int
    content: str = Field(min_length=1, max_length=4000)


def identify(token: str) -> int:
    """The person behind a token."""
    return int(jwt.decode(token, SECRET, algorithms=["HS256"])["sub"])


@asynccontextmanager
async def live(app: FastAPI) -> AsyncIterator[None]:
    """Open the database; chat n belongs to the people 2n - 1 and 2n."""
    async with asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=10, max_size=10) as pool:
        await pool.execute(SCHEMA)
        pairs = [(n, 2 * n - 1, 2 * n) for n in range(1, int(os.environ["CHATS"]) + 1)]
        rows = [(n, one, other) for n, low, high in pairs for one, other in ((low, high), (high, low))]
        await pool.executemany("INSERT INTO members VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", rows)
        app.state.pool = pool
        yield


api = FastAPI(lifespan=live)
manager = socketio.AsyncRedisManager(os.environ["REDIS_URL"])
sio = socketio.AsyncServer(async_mode="asgi", transports=["websocket"], http_compression=False, client_manager=manager)


@sio.event
async def connect(sid: str, environ: dict[str, Any], auth: dict[str, str]) -> None:
    """A socket joins the room of its person."""
    await sio.enter_room(sid, f"user-{identify(auth['token'])}")


@api.get("/readyz")
async def ready() -> bool:
    """The server answers."""
    return True


@api.post("/messages/send", status_code=201)
async def send(draft: Draft, authorization: Annotated[str, Header()]) -> dict[str, Any]:
    """Commit a message and emit it."""
    me = identify(authorization.removeprefix("Bearer "))
    async with api.state.pool.acquire() as connection:
        other_id = await connection.fetchval(
            "SELECT other_id FROM members WHERE chat_id = $1 AND user_id = $2", draft.chat_id, me
        )
        if other_id is None:
            raise HTTPException(404)
        message_id = await connection.fetchval(
            "INSERT INTO messages (chat_id, sender_id, content) VALUES ($1, $2, $3) RETURNING id",
            draft.chat_id,
            me,
            draft.content,
        )
    message = {"id": message_id, "chat_id": draft.chat_id, "user_id": me, "content": draft.content}
    await sio.emit("message", message, room=f"user-{other_id}")
    return message


app = socketio.ASGIApp(sio, api)

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", ws_per_message_deflate=False)
