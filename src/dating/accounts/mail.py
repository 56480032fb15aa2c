"""Mail: what is written to people, and how it leaves.

Whoever changes something posts a letter after the commit; a few tasks carry it, apart from the request, with a deadline and
retries. A letter that cannot be sent fails nothing: codes can be asked for again. Letters wait in memory and do not survive the
process.
"""

import asyncio
import logging
from collections import deque
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from ipaddress import ip_address
from typing import Protocol
from urllib.parse import unquote, urlsplit

import msgspec
from aiosmtplib import SMTPRecipientsRefused, SMTPResponseException, send

from dating.settings import Settings

logger = logging.getLogger(__name__)

DEADLINE = 10.0  # seconds for one attempt
PAUSES = (1.0, 4.0, 16.0)  # seconds before each further attempt
CARRIERS = 4  # letters on their way at once
WAITING = 1000  # letters that may wait; more are dropped
CLOSING = 3.0  # seconds for what still waits when the server stops


class Letter(msgspec.Struct, frozen=True):
    """One mail in plain text."""

    to: str
    subject: str
    text: str


class Undeliverable(Exception):
    """The letter was refused for good: trying again is of no use."""


class Mailer(Protocol):
    """A way out for letters."""

    async def send(self, letter: Letter) -> None:
        """Hand the letter over. Raises Undeliverable, or anything else when it may work later."""


class ConsoleMailer:
    """Prints letters to standard output, for development. In production nothing is shown: codes do not belong into logs."""

    def __init__(self, settings: Settings) -> None:
        self._show = not settings.production

    async def send(self, letter: Letter) -> None:
        """Print it, apart from the log."""
        if not self._show:
            raise Undeliverable("DATING_SMTP_URL is not set")
        print(f"--- mail to {letter.to}: {letter.subject}\n{letter.text}\n---", flush=True)


class SmtpMailer:
    """Hands letters to an SMTP server: `smtps` is TLS from the start; `smtp` turns to TLS where the server can.

    With a password, and to another machine, TLS is demanded.
    """

    def __init__(self, settings: Settings) -> None:
        assert settings.smtp_url is not None
        parts = urlsplit(settings.smtp_url)
        self._host = parts.hostname or "localhost"
        self._tls = parts.scheme == "smtps"
        self._port = parts.port or (465 if self._tls else 25)
        self._user = unquote(parts.username) if parts.username else None
        self._password = unquote(parts.password) if parts.password else None
        self._start_tls = True if self._user and not self._tls and not is_here(self._host) else None
        self._sender = settings.mail_from

    async def send(self, letter: Letter) -> None:
        """One attempt. Raises Undeliverable when the server refuses the letter itself."""
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = letter.to
        message["Subject"] = letter.subject
        message["Date"] = formatdate()
        message["Message-ID"] = make_msgid(domain="dating.invalid")
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.text)
        try:
            await send(
                message,
                hostname=self._host,
                port=self._port,
                username=self._user,
                password=self._password,
                use_tls=self._tls,
                start_tls=False if self._tls else self._start_tls,
                timeout=DEADLINE,
            )
        except (SMTPResponseException, SMTPRecipientsRefused) as error:
            code = error.code if isinstance(error, SMTPResponseException) else error.recipients[0].code
            if code >= 500:
                raise Undeliverable(f"refused with {code}") from error
            raise


def is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class Postbox:
    """Where letters are posted. Carriers are tasks that live only while there is something to carry."""

    def __init__(self, mailer: Mailer, pauses: tuple[float, ...] = PAUSES) -> None:
        self._mailer = mailer
        self._pauses = pauses
        self._letters: deque[Letter] = deque()
        self._carriers: set[asyncio.Task[None]] = set()

    def post(self, letter: Letter) -> None:
        """Take a letter and return at once; when too many wait already it is dropped, with a line in the log."""
        if len(self._letters) >= WAITING:
            logger.error("A letter was dropped: too many wait.")
            return
        self._letters.append(letter)
        if sum(not carrier.done() for carrier in self._carriers) < CARRIERS:
            carrier = asyncio.create_task(self._carry())
            self._carriers.add(carrier)
            carrier.add_done_callback(self._carriers.discard)

    async def close(self) -> None:
        """Give what waits a moment, then let it go."""
        carriers = list(self._carriers)
        if carriers:
            await asyncio.wait(carriers, timeout=CLOSING)
        for carrier in carriers:
            carrier.cancel()
        await asyncio.gather(*carriers, return_exceptions=True)
        if self._letters:
            logger.error("Letters were not sent before the end.", extra={"count": len(self._letters)})

    async def _carry(self) -> None:
        while self._letters:
            await self._deliver(self._letters.popleft())

    async def _deliver(self, letter: Letter) -> None:
        for pause in (*self._pauses, None):
            try:
                await asyncio.wait_for(self._mailer.send(letter), DEADLINE)
            except Undeliverable as error:
                logger.error("A letter cannot be delivered.", extra={"reason": str(error)})
                return
            except Exception as error:  # whatever it is, the letters behind this one must go on
                reason = type(error).__name__
            else:
                return
            if pause is None:
                logger.error("A letter could not be sent.", extra={"reason": reason})
            else:
                await asyncio.sleep(pause)


def make_mailer(settings: Settings) -> Postbox:
    """A postbox that empties to the SMTP server of the settings, or to the console."""
    return Postbox(SmtpMailer(settings) if settings.smtp_url else ConsoleMailer(settings))


# --- what is written ----------------------------------------------------------------------------------------------------------


def write_verification(to: str, code: str, minutes: int) -> Letter:
    """Proves that the address belongs to the account."""
    return Letter(
        to,
        "Your verification code",
        f"Your code is {code}\n\nIt is good for {minutes} minutes. If you did not ask for it, ignore this mail.",
    )


def write_reset(to: str, code: str, minutes: int) -> Letter:
    """Lets the owner of the address choose a new password."""
    return Letter(
        to,
        "Choose a new password",
        f"Your code is {code}\n\nIt is good for {minutes} minutes. If you did not ask for it, ignore this mail; nothing changed.",
    )


def write_change(to: str) -> Letter:
    """Says that the password was changed."""
    return Letter(
        to,
        "The password of your account was changed",
        "The password of your account was changed, and every other device was signed out.\n\n"
        "If that was not you, choose a new one at once by the code for forgotten passwords.",
    )


def write_export_asked(to: str) -> Letter:
    """Says that an archive was asked for."""
    return Letter(
        to,
        "A copy of your data was asked for",
        "A copy of everything that your account holds was asked for. It is being made.\n\n"
        "If that was not you, choose another password at once: every other device is signed out then.",
    )


def write_export_ready(to: str, until: str) -> Letter:
    """Says that it is there. The way to it is not in the letter: whoever reads somebody's mail does not get it."""
    return Letter(
        to,
        "The copy of your data is ready",
        f"The copy of your data that was asked for can be fetched once, until {until}. Sign in and ask for it again there; "
        "for your safety this letter has no link.\n\n"
        "If you did not ask for it, choose another password at once: every other device is signed out then.",
    )


def write_farewell(to: str) -> Letter:
    """Says that the account is gone."""
    return Letter(to, "Your account was deleted", "Your account and everything that belonged to it were deleted.")
