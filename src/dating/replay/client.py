"""The HTTP side of the replay: asks again until the answer is known, and does nothing twice."""

import asyncio
import random
import ssl
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, TypeVar

import httpx
import msgspec

from dating.replay.data import Profile

T = TypeVar("T")
PATIENCE = 60.0
PAGE = 200
LATER = (429, 503)


class Registered(msgspec.Struct, frozen=True):
    """The answer to /register, /login and /refresh, as far as the replay needs it."""

    access_token: str
    refresh_token: str
    user_id: int = 0
    user: dict[str, Any] = {}


class Started(msgspec.Struct, frozen=True):
    """A one-time socket token, and the top of the person's inbox when it was made."""

    session_token: str
    seq: int


class Swiped(msgspec.Struct, frozen=True):
    """`like`, `dislike`, or `match` with the new chat."""

    status: str
    chat_id: int | None = None


class Message(msgspec.Struct, frozen=True):
    """A message as sending and history answer it."""

    id: int
    chat_id: int
    content: str | None = None
    sender_id: int | None = None
    kind: str = "text"


class Match(msgspec.Struct, frozen=True):
    """A row of GET /matches."""

    user_id: int
    chat_id: int


class Chat(msgspec.Struct, frozen=True):
    """A row of GET /chats."""

    id: int
    user1_id: int | None = None
    user2_id: int | None = None
    unread_count: int = 0


class Account:
    """One registered participant with the tokens of the moment."""

    def __init__(self, username: str, password: str) -> None:
        self.username, self.password = username, password
        self.user_id = 0
        self.access = self.refresh = ""
        self.renewing = asyncio.Lock()

    def hold(self, tokens: Registered) -> None:
        """Uses these tokens from now on."""
        self.access, self.refresh = tokens.access_token, tokens.refresh_token


class Refused(Exception):
    """The server said no to something that is allowed, or nothing at all: then `status` is 0."""

    def __init__(self, sentence: str, status: int = 0) -> None:
        super().__init__(sentence)
        self.status = status


class Client:
    """Every call of the replay; at most `concurrency` requests are on the way at once."""

    def __init__(self, server: str, concurrency: int) -> None:
        self.server = server
        self._slots: asyncio.LifoQueue[httpx.AsyncClient] = asyncio.LifoQueue()
        trust = httpx.create_ssl_context(trust_env=False)
        for _ in range(concurrency):
            self._slots.put_nowait(_connection(server, trust))
        self.requests = self.retries = 0
        self.patience = PATIENCE

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        while not self._slots.empty():
            await self._slots.get_nowait().aclose()

    async def reach(self) -> None:
        """Raises Refused at once when nothing listens there."""
        try:
            async with self._slot() as http:
                await http.get("/ping")
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise Refused(f"No server answers at {self.server}: {error}.") from error

    async def register(self, account: Account, profile: Profile, device_id: str) -> dict[str, Any]:
        """Makes the account and answers Me; a name that an unknown outcome left behind is logged into."""
        body = {"username": account.username, "password": account.password, "device_id": device_id}
        try:
            answer = await self.call("POST", "/register", Registered, body | msgspec.to_builtins(profile))
        except Refused as refusal:
            if refusal.status != 409:
                raise
            return await self.login(account)
        account.user_id = answer.user_id
        account.hold(answer)
        return answer.user

    async def login(self, account: Account) -> dict[str, Any]:
        """Fresh tokens by name and password; answers Me."""
        body = {"username": account.username, "password": account.password}
        account.hold(await self.call("POST", "/login", Registered, body))
        me = await self.call("GET", "/me", dict[str, Any], account=account)
        account.user_id = int(me["id"])
        return me

    async def start(self, account: Account) -> Started:
        """A token for one socket, good for 30 s."""
        return await self.call("POST", "/ws/start", Started, account=account)

    async def swipe(self, account: Account, target_id: int, action: str) -> Swiped:
        """One decision, told once however often it has to be asked."""
        body = {"target_id": target_id, "action": action}
        return await self.call("POST", "/swipe", Swiped, body, account=account)

    async def send(self, account: Account, chat_id: int, content: str, client_id: str) -> Message:
        """A message; `client_id` makes a repeat answer with the first result."""
        body = {"chat_id": chat_id, "content": content, "client_id": client_id}
        return await self.call("POST", "/messages/send", Message, body, account=account)

    async def read_chat(self, account: Account, chat_id: int) -> None:
        """Everything in the chat is read."""
        await self.call("POST", "/chat/read", bool, {"chat_id": chat_id}, account=account)

    async def read_messages(self, account: Account, chat_id: int, ids: list[int]) -> None:
        """These messages are read, 500 at most."""
        body = {"chat_id": chat_id, "message_ids": ids}
        await self.call("POST", "/messages/read", dict[str, str], body, account=account)

    async def matches(self, account: Account) -> list[Match]:
        """Up to 100 matches, far more than one evening gives."""
        return await self.call("GET", "/matches?limit=100", list[Match], account=account)

    async def chats(self, account: Account) -> list[Chat]:
        """Up to 100 chats, far more than one evening gives."""
        return await self.call("GET", "/chats?limit=100", list[Chat], account=account)

    async def history(self, account: Account, chat_id: int) -> list[Message]:
        """The whole chat, ascending, read backwards from its newest page."""
        found: list[Message] = []
        before = ""
        while True:
            path = f"/chat/messages/{chat_id}?limit={PAGE}{before}"
            page = await self.call("GET", path, list[Message], account=account)
            found = page + found
            if len(page) < PAGE:
                return found
            before = f"&before_id={page[0].id}"

    async def call(self, method: str, path: str, answer: type[T], body: object = None, *, account: Account | None = None) -> T:
        """The decoded answer; an unknown outcome is asked again under the same Idempotency-Key.

        Raises Refused for any other status than success, for an answer of another shape, and when a minute
        (less, once that has happened) brought no answer.
        """
        content = b"" if body is None else msgspec.json.encode(body)
        headers = {"content-type": "application/json"} if content else {}
        if method != "GET":
            headers["idempotency-key"] = uuid.uuid4().hex
        response = await self._settle(method, path, content, headers, account)
        try:
            return msgspec.json.decode(response.content, type=answer)
        except msgspec.DecodeError as error:
            raise Refused(f"{method} {path} answered {response.text[:300]}: {error}.") from error

    async def _settle(
        self, method: str, path: str, content: bytes, headers: dict[str, str], account: Account | None
    ) -> httpx.Response:
        """Repeats the request until it has a definite outcome."""
        deadline, renewed, attempt = time.monotonic() + self.patience, False, 0
        while True:
            used = account.access if account else ""
            response = await self._once(method, path, content, headers, used)
            if response is not None and response.is_success:
                return response
            if response is not None and response.status_code == 401 and account and not renewed:
                await self._renew(account, used)
                renewed = True
                continue
            if response is not None and response.status_code not in LATER:
                status = response.status_code
                raise Refused(f"{method} {path} was refused: {status} {response.text[:300]}", status)
            if time.monotonic() > deadline:
                self.patience = max(1.0, self.patience / 2)
                raise Refused(f"{method} {path} had no answer in time.")
            attempt += 1
            self.retries += 1
            await asyncio.sleep(_pause(response, attempt))

    async def _once(self, method: str, path: str, content: bytes, headers: dict[str, str], token: str) -> httpx.Response | None:
        """One attempt; None when nobody knows whether the server acted on it."""
        if token:
            headers = headers | {"authorization": f"Bearer {token}"}
        async with self._slot() as http:
            self.requests += 1
            try:
                return await http.request(method, path, content=content, headers=headers)
            except httpx.TransportError:
                return None

    @asynccontextmanager
    async def _slot(self) -> AsyncIterator[httpx.AsyncClient]:
        """One connection for as long as it is needed; the one used last comes first."""
        http = await self._slots.get()
        try:
            yield http
        finally:
            self._slots.put_nowait(http)

    async def _renew(self, account: Account, used: str) -> None:
        """New tokens in place of `used`, once for all requests that noticed together."""
        async with account.renewing:
            if account.access != used:
                return
            try:
                tokens = await self.call("POST", "/refresh", Registered, {"refresh_token": account.refresh})
                account.hold(tokens)
            except Refused:
                await self.login(account)


def _connection(server: str, trust: ssl.SSLContext) -> httpx.AsyncClient:
    """A client of one connection: httpx looks through its whole pool twice for each request."""
    pool = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=2)
    return httpx.AsyncClient(base_url=server, limits=pool, timeout=15, verify=trust, trust_env=False)


def _pause(response: httpx.Response | None, attempt: int) -> float:
    """Seconds to wait: what the server asked for, else a growing, jittered pause of at most 2 s."""
    grown = min(2.0, 0.05 * 2.0 ** min(attempt, 8)) * random.uniform(0.5, 1)
    asked = response.headers.get("retry-after", "") if response is not None else ""
    return min(float(asked), PATIENCE) + grown if asked.isdigit() else grown
