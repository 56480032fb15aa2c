"""A real SMTP server for tests: keeps every letter, and refuses on demand."""

import asyncio
import contextlib
import email
import email.policy
import re
import ssl
from collections.abc import AsyncIterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import msgspec
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from dating.settings import Settings
from tests.kit import Api, running

CERTIFICATE = Path(__file__).with_name("localhost.pem")


class PostOffice:
    """Where letters arrive. `refusals` are answered to the next letters, first come first served."""

    def __init__(self) -> None:
        self.letters: list[EmailMessage] = []
        self.encrypted: list[bool] = []
        self.logins: list[tuple[str, str]] = []
        self.refusals: list[str] = []
        self.tries = 0
        self.port = 0

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        """Take a letter, or refuse it."""
        self.tries += 1
        if self.refusals:
            return self.refusals.pop(0)
        assert isinstance(envelope.content, bytes)
        self.letters.append(email.message_from_bytes(envelope.content, policy=email.policy.default))  # type: ignore[arg-type]  # the policy makes an EmailMessage
        self.encrypted.append(session.ssl is not None or server.transport.get_extra_info("sslcontext") is not None)
        return "250 Taken"

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth_data: Any) -> AuthResult:
        """Let everybody in who says a name and a password."""
        assert isinstance(auth_data, LoginPassword)
        self.logins.append((auth_data.login.decode(), auth_data.password.decode()))
        return AuthResult(success=True)

    async def wait(self, count: int = 1) -> list[EmailMessage]:
        """At least so many letters."""
        async with asyncio.timeout(10):
            while len(self.letters) < count:
                await asyncio.sleep(0.005)
        return self.letters

    async def code(self, count: int = 1) -> str:
        """The six digits in the letter of this number."""
        letter = (await self.wait(count))[count - 1]
        found = re.search(r"\b\d{6}\b", letter.get_content())
        assert found is not None
        return found[0]


def tls() -> ssl.SSLContext:
    """What a server at localhost shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


@contextlib.asynccontextmanager
async def post_office(scheme: str = "smtp", **options: Any) -> AsyncIterator[PostOffice]:
    """A server for the time of a block; `smtps` speaks TLS from the first byte."""
    office = PostOffice()
    loop = asyncio.get_running_loop()
    connections: list[SMTP] = []

    def serve() -> SMTP:
        connections.append(
            SMTP(
                office,
                loop=loop,
                hostname="localhost",
                ident="test",
                enable_SMTPUTF8=True,
                authenticator=office.authenticate,
                **options,
            )
        )
        return connections[-1]

    server = await loop.create_server(serve, "127.0.0.1", 0, ssl=tls() if scheme == "smtps" else None)
    office.port = server.sockets[0].getsockname()[1]
    try:
        yield office
    finally:
        server.close()
        await server.wait_closed()
        for connection in connections:
            if connection.transport is not None:
                connection.transport.close()


@contextlib.asynccontextmanager
async def mailing(settings: Settings, **changes: Any) -> AsyncIterator[tuple[Api, PostOffice]]:
    """A server in this process whose mail arrives at a post office."""
    async with post_office() as office:
        url = f"smtp://127.0.0.1:{office.port}"
        async with running(msgspec.structs.replace(settings, smtp_url=url, **changes)) as api:
            yield api, office
