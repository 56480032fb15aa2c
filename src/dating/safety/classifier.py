"""Asking a classifier over HTTP about a text: what it is told, how both sides sign, and where it may be.

A question is `POST` of JSON `{"id": 1001, "text": "…", "kind": "message"}` with `X-Dating-Timestamp` (seconds since the epoch)
and `X-Dating-Signature`, the hexadecimal HMAC-SHA256 by the shared secret of `timestamp.body`. An answer is 200 with JSON
`{"score": 0.93, "hold": false, "reason": "spam"}` (`score` from 0, harmless, to 1) and its own `X-Dating-Signature`, of
`signature of the question.body`: so nobody else can answer, and no answer fits another question.

Who the people are is not told. Only https, and no address that is private to this machine or its network, unless the operator
allows both; the address that was judged is the one that is asked, and a redirect is not followed.
"""

import asyncio
import hashlib
import hmac
import ipaddress
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Annotated, Literal

import httpx
import msgspec
from msgspec import Meta

from dating.errors import Unavailable
from dating.settings import Settings, SettingsError

LARGEST = 16 * 1024
"""Bytes of an answer."""

SHORTEST_SECRET = 32
TRANSLATED = ipaddress.IPv6Network("64:ff9b::/96")


class ClassifierFailed(Unavailable):
    """The classifier was not there, not in time, or its answer was none."""

    code = "classifier_failed"
    detail = "The classifier gave no answer."


class Question(msgspec.Struct, frozen=True):
    """What is to be judged; `id` is that of the message."""

    id: int
    text: str
    kind: Literal["message"] = "message"


class Judgement(msgspec.Struct, frozen=True):
    """What the classifier thinks; `hold` asks for a moderator whatever the score."""

    score: Annotated[float, Meta(ge=0, le=1)]
    hold: bool = False
    reason: Annotated[str, Meta(max_length=20, pattern=r"^[^\x00-\x1f]*$")] | None = None


def sign(secret: str, first: str, body: bytes) -> str:
    """The signature of a body together with what came before it."""
    return hmac.new(secret.encode(), first.encode() + b"." + body, hashlib.sha256).hexdigest()


class Classifier:
    """The classifier that the settings name. Raises SettingsError when it is named unsafely."""

    def __init__(self, settings: Settings) -> None:
        url = read_url(settings.classifier_url or "")
        secret = settings.classifier_secret or ""
        if url.scheme != "https" and not (settings.classifier_private and url.scheme == "http"):
            raise SettingsError("DATING_CLASSIFIER_URL: must be https; http needs DATING_CLASSIFIER_PRIVATE=1.")
        if len(secret) < SHORTEST_SECRET:
            raise SettingsError(f"DATING_CLASSIFIER_SECRET: must have at least {SHORTEST_SECRET} characters.")
        self._url, self._secret = url, secret
        self._private = settings.classifier_private
        self._seconds = settings.classifier_seconds
        self._http = httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=self._seconds)
        # Threads of its own: those that wait for a name server that is silent must not be the ones that make archives.
        self._resolvers = ThreadPoolExecutor(2, "resolver")

    async def ask(self, question: Question) -> Judgement:
        """What it thinks of a text. Raises ClassifierFailed, whatever an answer does to whoever reads it."""
        body = msgspec.json.encode(question)
        try:
            async with asyncio.timeout(self._seconds):
                return await self._ask(body, str(int(time.time())))
        except Exception as error:
            raise ClassifierFailed from error

    async def _ask(self, body: bytes, timestamp: str) -> Judgement:
        signature = sign(self._secret, timestamp, body)
        host = self._url.host
        request = self._http.build_request(
            "POST",
            self._url.copy_with(host=await self._find_address()),
            content=body,
            headers={
                "Host": self._url.netloc.decode(),
                "Content-Type": "application/json",
                "X-Dating-Timestamp": timestamp,
                "X-Dating-Signature": signature,
            },
            extensions={"sni_hostname": host},
        )
        response = await self._http.send(request, stream=True)
        try:
            answer = await read_bounded(response)
        finally:
            await response.aclose()
        given = response.headers.get("x-dating-signature", "")
        if response.status_code != 200 or not hmac.compare_digest(given.encode(), sign(self._secret, signature, answer).encode()):
            raise ClassifierFailed
        return msgspec.json.decode(answer, type=Judgement)

    async def _find_address(self) -> str:
        """Where the host is. Raises ClassifierFailed when that is not a public address and need be one."""
        port = self._url.port or 443
        look_up = partial(socket.getaddrinfo, self._url.host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._resolvers, look_up)
        addresses = [str(one[4][0]) for one in found]
        if not self._private and not all(is_public(address) for address in addresses):
            raise ClassifierFailed
        return addresses[0]

    async def close(self) -> None:
        """End its connections."""
        await self._http.aclose()
        self._resolvers.shutdown(wait=False, cancel_futures=True)


def read_url(text: str) -> httpx.URL:
    """The address of the classifier. Raises SettingsError."""
    try:
        url = httpx.URL(text)
        names_a_host = bool(url.host) and not url.userinfo
    except (httpx.InvalidURL, ValueError) as error:
        raise SettingsError(f"DATING_CLASSIFIER_URL: {error}.") from error
    if not names_a_host:
        raise SettingsError("DATING_CLASSIFIER_URL: must name a host, and no user.")
    return url


async def read_bounded(response: httpx.Response) -> bytes:
    """The body. Raises ClassifierFailed when it is too large."""
    body = b""
    async for chunk in response.aiter_raw():
        body += chunk
        if len(body) > LARGEST:
            raise ClassifierFailed
    return body


def is_public(address: str) -> bool:
    """Whether an address is one of the internet, in whatever form it hides another."""
    given = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(given, ipaddress.IPv6Address):
        if given.sixtofour is not None or given.teredo is not None or given in TRANSLATED:
            return False
        given = given.ipv4_mapped or given
    return given.is_global and not given.is_multicast
