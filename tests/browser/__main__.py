"""A call between two tabs of a real browser, by hand: it needs a Chromium, which a machine of the suite may not have.

    python -m tests.browser [--browser chromium]

Starts a server, a page of another origin, as a web application has, and the browser; lets one tab call the other through our
signalling, with a microphone and a camera that the browser makes up; and ends with status 0 when both sides were connected,
received sound and picture, and heard the end. What the frames of the two sides are exactly is tested in
`tests/ws/test_calls.py`.
"""

import argparse
import asyncio
import contextlib
import json
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import websockets

from dating.settings import Settings
from tests.kit import CHEAP, Person, Server, serving

PHONE = Path(__file__).with_name("phone.js").read_text()
FLAGS = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--remote-debugging-port=0",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
]
BROWSERS = ["chromium", "chromium-browser", "google-chrome"]
START_SECONDS = 30.0
CALL_SECONDS = 30.0
LARGEST = 2**24  # bytes of an answer of the browser


class Tab:
    """One tab of the browser, told what to do by the Chrome DevTools Protocol."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._number = 0

    async def command(self, method: str, **parameters: Any) -> Any:
        """Ask the browser for something; what it answers."""
        self._number += 1
        await self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            answer = json.loads(await self._socket.recv())
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    async def run(self, script: str) -> Any:
        """What a script ends with, when it is a promise after that is kept."""
        answer = await self.command("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")


async def show_page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer a browser that asks for the page."""
    if not await reader.readline():  # browsers open connections that they may need
        writer.close()
        return
    page = f"<!doctype html><meta charset=utf-8><title>phone</title><script>{PHONE}</script>".encode()
    writer.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(page) + page
    )
    await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def browsing(program: str) -> AsyncIterator[int]:
    """A browser for the time of a block; the port on which it takes commands."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        quiet = asyncio.subprocess.DEVNULL
        process = await asyncio.create_subprocess_exec(program, *FLAGS, f"--user-data-dir={folder}", stdout=quiet, stderr=quiet)
        try:
            yield await find_port(Path(folder, "DevToolsActivePort"))
        finally:
            process.kill()
            await process.wait()


async def find_port(said: Path) -> int:
    """Where the browser listens, as soon as it says so."""
    async with asyncio.timeout(START_SECONDS):
        while not (words := await asyncio.to_thread(read_words, said)):
            await asyncio.sleep(0.05)
    return int(words[0])


def read_words(path: Path) -> list[str]:
    """The words of a file, none when it is not there yet."""
    return path.read_text().split() if path.exists() else []


@contextlib.asynccontextmanager
async def opening(port: int, page: str, server: Server, person: Person) -> AsyncIterator[Tab]:
    """A tab with somebody's phone in it."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}/json/new?{page}", method="PUT")
    with await asyncio.to_thread(urllib.request.urlopen, request) as answer:
        url = json.load(answer)["webSocketDebuggerUrl"]
    async with websockets.connect(url, max_size=LARGEST) as socket:
        tab = Tab(socket)
        async with asyncio.timeout(START_SECONDS):
            while await tab.run("document.readyState + document.title") != "completephone":
                await asyncio.sleep(0.05)
            await tab.run(f"globalThis.phone = new Phone('127.0.0.1:{server.port}', '{person.token}'); phone.open()")
        yield tab


async def wait_for(tabs: list[Tab], what: str) -> list[dict[str, Any]]:
    """What both phones show, as soon as a condition on `shown` holds in both."""
    async with asyncio.timeout(CALL_SECONDS):
        while True:
            shown = [await tab.run("phone.look()") for tab in tabs]
            assert all(one["error"] is None for one in shown), shown
            if all([await tab.run(f"phone.look().then((shown) => {what})") for tab in tabs]):
                return shown
            await asyncio.sleep(0.1)


async def call(program: str) -> None:
    """The whole call. Raises AssertionError or TimeoutError when it does not come about."""
    listener = await asyncio.start_server(show_page, "127.0.0.1", 0)
    page = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(database_path=Path(folder, "dating.db"), cors_origins=(page,), **CHEAP)
        async with listener, serving(settings) as server, browsing(program) as port:
            anna, boris = await server.people(2)
            chat = await anna.match(boris)
            async with opening(port, page, server, anna) as hers, opening(port, page, server, boris) as his:
                tabs = [hers, his]
                await hers.run(f"phone.ring({chat})")
                media = "shown.received.audio > 1000 && shown.received.video > 1000"
                shown = await wait_for(tabs, f"shown.connection === 'connected' && shown.call === 'answered' && {media}")
                await his.run("phone.hangUp()")
                await wait_for(tabs, "shown.call === 'ended'")
    for name, one in zip(("caller", "callee"), shown, strict=True):
        print(f"{name}: {one['connection']}, received {one['received']}, heard {', '.join(one['heard'])}")


def main(words: list[str]) -> int:
    """One call; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser", description=__doc__.partition("\n")[0])
    parser.add_argument("--browser", default=next((name for name in BROWSERS if shutil.which(name)), BROWSERS[0]))
    given = parser.parse_args(words)
    asyncio.run(call(given.browser))
    print("good")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
