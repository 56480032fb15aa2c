"""The baseline of bench/messages.py: FastAPI and python-socketio, as their documents show them.

POST /messages/send checks the token and the membership, commits the message to SQLite, and emits it to the receiver's room. No
inbox, no receipts, no counters, no idempotency; one commit for each message, at synchronous=NORMAL, which a power cut may undo.
"""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import aiosqlite
import jwt
import socketio
import uvicorn
from fastapi import FastAPI, Header, HTTPException
from pydantic import BaseModel, Field

SECRET = os.environ["JWT_SECRET"]
SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = NORMAL;
CREATE TABLE members (chat_id INTEGER, user_id INTEGER, other_id INTEGER, PRIMARY KEY (chat_id, user_id));
CREATE TABLE messages (id INTEGER PRIMARY KEY, chat_id INTEGER NOT NULL, sender_id INTEGER NOT NULL, content TEXT NOT NULL);
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
    async with aiosqlite.connect(os.environ["DATABASE_PATH"]) as db:
        await db.executescript(SCHEMA)
        pairs = [(n, 2 * n - 1, 2 * n) for n in range(1, int(os.environ["CHATS"]) + 1)]
        rows = [(n, one, other) for n, low, high in pairs for one, other in ((low, high), (high, low))]
        await db.executemany("INSERT INTO members VALUES (?, ?, ?)", rows)
        await db.commit()
        app.state.db = db
        yield


api = FastAPI(lifespan=live)
sio = socketio.AsyncServer(async_mode="asgi", transports=["websocket"], http_compression=False)


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
    db: aiosqlite.Connection = api.state.db
    found = await db.execute_fetchall("SELECT other_id FROM members WHERE chat_id = ? AND user_id = ?", (draft.chat_id, me))
    rows = list(found)
    if not rows:
        raise HTTPException(404)
    inserted = await db.execute_insert(
        "INSERT INTO messages (chat_id, sender_id, content) VALUES (?, ?, ?)", (draft.chat_id, me, draft.content)
    )
    await db.commit()
    assert inserted is not None
    message = {"id": inserted[0], "chat_id": draft.chat_id, "user_id": me, "content": draft.content}
    await sio.emit("message", message, room=f"user-{rows[0][0]}")
    return message


app = socketio.ASGIApp(sio, api)

if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), log_level="error", ws_per_message_deflate=False)
