"""The same messages through ejabberd: Debian's package, one node of its own in a temporary folder, no root.

Each sender signs in (SASL PLAIN, without TLS, as everybody here), writes to a recipient of their own, and writes again when the
recipient's receipt (XEP-0184) has come back; the node keeps every message in its archive (`mod_mam`, Mnesia). So each message
costs a second stanza, the other way; and less is promised than by the others: nothing waits for a disk, a message that the node
has taken may be lost with it, no numbered log tells a device what it has missed, and nothing is limited.
"""

import asyncio
import base64
import contextlib
import os
import random
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, cast

from bench import lab
from bench.messages import PATIENCE, SENDERS, Tally

HOST = "bench"
PASSWORD = "correct-horse"
LIBRARIES = Path("/usr/lib")
CONFIGURATION = """
hosts: [{host}]
loglevel: error
registration_timeout: infinity
auth_method: internal
listen:
  - {{port: {port}, ip: "127.0.0.1", module: ejabberd_c2s, access: all, shaper: none, starttls: false}}
modules:
  mod_mam: {{db_type: mnesia, default: always}}
  mod_register: {{ip_access: all}}
"""
STREAM = (
    f"<?xml version='1.0'?><stream:stream to='{HOST}' version='1.0' "
    "xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>"
)
FEATURES = b"</stream:features>"
MARK = re.compile(rb"\[(\d+:\d+:\d+)\]")


def find_libraries() -> Path | None:
    """Where Erlang finds ejabberd; None when it is not installed."""
    found = sorted(LIBRARIES.glob("*/ejabberd-*/ebin")) if shutil.which("erl") else []
    return found[-1].parents[1] if found else None


@contextlib.asynccontextmanager
async def node(libraries: Path) -> AsyncIterator[tuple[int, int]]:
    """A node until the end of the block: its process and its port."""
    port = lab.free_port()
    with tempfile.TemporaryDirectory() as folder:
        configuration = Path(folder) / "ejabberd.yml"
        configuration.write_text(CONFIGURATION.format(host=HOST, port=port))
        paths = {"EJABBERD_CONFIG_PATH": str(configuration), "EJABBERD_LOG_PATH": f"{folder}/log", "HOME": folder}
        process = await asyncio.create_subprocess_exec(
            *("erl", "-noinput", "+K", "true", "-mnesia", "dir", f'"{folder}/mnesia"', "-s", "ejabberd"),
            env={**os.environ, **paths, "ERL_LIBS": str(libraries)},
            preexec_fn=lab.die_with_parent,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
        )
        try:
            await answering(port)
            yield process.pid, port
        finally:
            process.kill()
            await process.wait()


async def answering(port: int) -> None:
    """Wait until somebody listens."""
    for _ in range(400):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return
        await asyncio.sleep(0.05)
    raise RuntimeError("ejabberd did not start")


class Peer(asyncio.Protocol):
    """One signed-in client; `hear` gets every message stanza."""

    def __init__(self, name: str) -> None:
        self.hear: Callable[[bytes], None] = lambda stanza: None
        self._name = name
        self._buffer = b""
        self._awaited: tuple[bytes, asyncio.Future[None]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if self._awaited is not None and self._awaited[0] in self._buffer:
            self._buffer = b""
            self._awaited[1].set_result(None)
            self._awaited = None
        *stanzas, self._buffer = self._buffer.split(b"</message>")
        for stanza in stanzas:
            self.hear(stanza)

    def write(self, stanza: str) -> None:
        """Send it."""
        self._transport.write(stanza.encode())

    async def ask(self, stanza: str, answer: bytes) -> None:
        """Send it and wait until this is part of what comes back."""
        self._awaited = (answer, asyncio.get_running_loop().create_future())
        self.write(stanza)
        async with asyncio.timeout(10):
            await self._awaited[1]

    async def enter(self) -> None:
        """Register, sign in, bind, and say that we are here."""
        await self.ask(STREAM, FEATURES)
        register = f"<query xmlns='jabber:iq:register'><username>{self._name}</username><password>{PASSWORD}</password></query>"
        await self.ask(f"<iq type='set' id='register'>{register}</iq>", b"'result'")
        plain = base64.b64encode(f"\0{self._name}\0{PASSWORD}".encode()).decode()
        await self.ask(f"<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl' mechanism='PLAIN'>{plain}</auth>", b"<success")
        await self.ask(STREAM, FEATURES)
        await self.ask("<iq type='set' id='bind'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", b"<jid>")
        await self.ask("<presence/>", b"<presence")

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


class Writer:
    """A sender: writes the next message when the last one's receipt has come, and not before `every` seconds."""

    def __init__(self, number: int, peer: Peer, tally: Tally, until: float, every: float | None) -> None:
        self._number, self._peer, self._tally, self._until, self._every = number, peer, tally, until, every
        self._loop = asyncio.get_running_loop()
        self._next = self._loop.time() + random.uniform(0, every or 0)
        self.done: asyncio.Future[None] = self._loop.create_future()
        peer.hear = self._hear
        self._loop.call_at(self._next, self._send)

    def _send(self) -> None:
        self._next += self._every or 0
        count = self._tally.sent[self._number]
        mark = f"[{self._number}:{count}:{time.perf_counter_ns()}]"
        self._peer.write(
            f"<message to='to{self._number}@{HOST}' type='chat' id='m{count}'><body>Hi! How was your day? {mark}</body>"
            "<request xmlns='urn:xmpp:receipts'/></message>"
        )

    def _hear(self, stanza: bytes) -> None:
        if b"<received" not in stanza:
            return
        self._tally.sent[self._number] += 1
        if time.perf_counter() > self._until:
            self.done.set_result(None)
        elif self._every is None:
            self._send()
        else:
            self._loop.call_at(max(self._next, self._loop.time()), self._send)


def receive(number: int, peer: Peer, tally: Tally) -> None:
    """Count what comes to a recipient, and send its receipt."""

    def hear(stanza: bytes) -> None:
        if mark := MARK.search(stanza):
            count = tally.came[number]
            tally.hear(b"<%b>" % mark[1])
            peer.write(
                f"<message to='from{number}@{HOST}' type='chat'><received xmlns='urn:xmpp:receipts' id='m{count}'/></message>"
            )

    peer.hear = hear


async def enter(name: str, port: int) -> Peer:
    """Somebody new, signed in."""
    _, peer = await asyncio.get_running_loop().create_connection(lambda: Peer(name), "127.0.0.1", port)
    await peer.enter()
    return peer


async def load(pid: int, port: int, people: tuple[list[Peer], list[Peer]], seconds: float, pace: float | None) -> dict[str, Any]:
    """Send for some seconds; a row of the table."""
    tally = Tally(SENDERS)
    senders, recipients = people
    for number, peer in enumerate(recipients):
        receive(number, peer, tally)
    every = None if pace is None else SENDERS / pace
    started, busy = time.perf_counter(), time.process_time()
    spent: list[float] = []
    async with lab.cpu_of([pid], spent):
        writers = [Writer(number, peer, tally, started + seconds, every) for number, peer in enumerate(senders)]
        async with asyncio.timeout(seconds + 2 * PATIENCE):
            await asyncio.gather(*[writer.done for writer in writers])
        elapsed = time.perf_counter() - started
    messages, busy = sum(tally.sent), time.process_time() - busy
    return {
        "messages/s": messages / elapsed,
        "p50 ms": lab.quantile(tally.latencies, 0.5),
        "p99 ms": lab.quantile(tally.latencies, 0.99),
        "server CPU µs": spent[0] / max(1, messages) * 1e6,
        "client CPU µs": busy / max(1, messages) * 1e6,
        "messages": messages,
        "lost": tally.lost(),
        "PostgreSQL, Valkey CPU µs": 0.0,
    }


async def measure(seconds: float, pace: float) -> list[dict[str, Any]]:
    """At full speed and at a given pace; nothing where ejabberd is not installed."""
    libraries = find_libraries()
    if libraries is None:
        return []
    async with node(libraries) as (pid, port):
        senders = [await enter(f"from{number}", port) for number in range(SENDERS)]
        recipients = [await enter(f"to{number}", port) for number in range(SENDERS)]
        full = await load(pid, port, (senders, recipients), seconds, None)
        paced = await load(pid, port, (senders, recipients), seconds, pace)
        for peer in (*senders, *recipients):
            peer.close()
    return [{"server": "ejabberd"} | full, {"server": f"ejabberd, {pace:g}/s"} | paced]
