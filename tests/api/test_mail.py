"""Mail: what is sent to whom, over a real SMTP server, and that a lost letter harms nobody."""

import asyncio
import re

import pytest

from dating.accounts.mail import CARRIERS, WAITING, ConsoleMailer, Letter, Postbox, SmtpMailer, Undeliverable, make_mailer
from dating.settings import Settings
from tests.kit import PASSWORD, free_port
from tests.post import CERTIFICATE, mailing, post_office, tls

LETTER = Letter("мария@example.org", "Тема 💌", "Текст письма: 123456")


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate of the tests is one that this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))


async def test_a_letter_arrives_whole() -> None:
    """Sender, recipient, subject and text survive, in any alphabet."""
    async with post_office() as office:
        await SmtpMailer(
            Settings(smtp_url=f"smtp://127.0.0.1:{office.port}", mail_from="Знакомства <no-reply@example.org>")
        ).send(LETTER)
        (letter,) = office.letters
        assert (letter["To"], letter["Subject"]) == ("мария@example.org", "Тема 💌")
        assert letter["From"] == "Знакомства <no-reply@example.org>"
        assert letter.get_content().strip() == LETTER.text
        assert letter["Date"]
        assert letter["Message-ID"]


@pytest.mark.usefixtures("trusted")
async def test_smtps_speaks_tls_from_the_start() -> None:
    """The scheme alone decides."""
    async with post_office("smtps") as office:
        await SmtpMailer(Settings(smtp_url=f"smtps://localhost:{office.port}")).send(LETTER)
        assert office.encrypted == [True]


@pytest.mark.usefixtures("trusted")
async def test_smtp_turns_to_tls_where_the_server_can() -> None:
    """STARTTLS is taken when it is offered, and then name and password go over it."""
    async with post_office(tls_context=tls()) as office:
        await SmtpMailer(Settings(smtp_url=f"smtp://us%40er:pa%3Ass@localhost:{office.port}")).send(LETTER)
        assert office.encrypted == [True]
        assert office.logins == [("us@er", "pa:ss")]


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
async def test_an_unknown_certificate_gets_no_mail(scheme: str) -> None:
    """Whoever sits in between reads nothing."""
    async with post_office(scheme, **({"tls_context": tls()} if scheme == "smtp" else {})) as office:
        with pytest.raises(Exception, match="certificate verify failed"):
            await SmtpMailer(Settings(smtp_url=f"{scheme}://localhost:{office.port}")).send(LETTER)
        assert office.letters == []


async def test_a_password_is_not_sent_in_the_clear_to_another_machine() -> None:
    """With a name, and beyond this machine, TLS is demanded."""
    assert SmtpMailer(Settings(smtp_url="smtp://user:password@mail.example.org"))._start_tls is True
    assert SmtpMailer(Settings(smtp_url="smtp://user:password@127.0.0.1"))._start_tls is None
    assert SmtpMailer(Settings(smtp_url="smtp://mail.example.org"))._start_tls is None


@pytest.mark.parametrize("answer", ["550 No such person", "554 Spam"])
async def test_a_final_refusal_is_not_repeated(answer: str, caplog: pytest.LogCaptureFixture) -> None:
    """A letter that is refused for good is dropped after one try, and the log names neither the person nor the text."""
    async with post_office() as office:
        office.refusals = [answer] * 5
        postbox = Postbox(SmtpMailer(Settings(smtp_url=f"smtp://127.0.0.1:{office.port}")), pauses=(0.0, 0.0))
        postbox.post(LETTER)
        await postbox.close()
        assert office.tries == 1
    assert [record.message for record in caplog.records] == ["A letter cannot be delivered."]
    assert "мария" not in caplog.text
    assert "123456" not in caplog.text


async def test_a_passing_refusal_is_tried_again() -> None:
    """The server is busy twice, then takes the letter; it comes once."""
    async with post_office() as office:
        office.refusals = ["451 Busy", "421 Closing"]
        postbox = Postbox(SmtpMailer(Settings(smtp_url=f"smtp://127.0.0.1:{office.port}")), pauses=(0.0, 0.0, 0.0))
        postbox.post(LETTER)
        assert len(await office.wait()) == 1
        await postbox.close()
        assert len(office.letters) == 1


async def test_nobody_at_the_port_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """Without a server the letter is lost after its tries, with a line in the log."""
    postbox = Postbox(SmtpMailer(Settings(smtp_url=f"smtp://127.0.0.1:{free_port()}")), pauses=(0.0,))
    postbox.post(LETTER)
    await postbox.close()
    assert [record.message for record in caplog.records] == ["A letter could not be sent."]


async def test_every_letter_leaves_however_many() -> None:
    """Many letters posted at once all arrive, and those that come while the last ones leave as well."""
    async with post_office() as office:
        postbox = Postbox(SmtpMailer(Settings(smtp_url=f"smtp://127.0.0.1:{office.port}")))
        for number in range(20):
            postbox.post(Letter(f"p{number}@example.org", "s", "t"))
        await office.wait(20)
        postbox.post(LETTER)
        await office.wait(21)
        await postbox.close()
        assert len({str(letter["To"]) for letter in office.letters}) == 21


class Stuck:
    """A way out that is blocked."""

    def __init__(self) -> None:
        self.begun = 0

    async def send(self, letter: Letter) -> None:
        self.begun += 1
        await asyncio.Event().wait()


async def test_waiting_letters_are_bounded(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where nothing leaves, posting neither blocks nor grows without end, and the server still stops."""
    monkeypatch.setattr("dating.accounts.mail.CLOSING", 0.01)
    stuck = Stuck()
    postbox = Postbox(stuck)
    for _ in range(CARRIERS):
        postbox.post(LETTER)
    await asyncio.sleep(0)
    for _ in range(WAITING + 3):
        postbox.post(LETTER)
    assert [record.message for record in caplog.records] == ["A letter was dropped: too many wait."] * 3
    await postbox.close()
    assert stuck.begun == CARRIERS


async def test_the_console_shows_letters_in_development(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Without an SMTP server they are printed to standard output, and nothing of them is logged."""
    await ConsoleMailer(Settings()).send(LETTER)
    assert "123456" in capsys.readouterr().out
    assert caplog.records == []


async def test_the_console_keeps_still_in_production(capsys: pytest.CaptureFixture[str]) -> None:
    """Codes do not belong into the output of a real server."""
    with pytest.raises(Undeliverable):
        await ConsoleMailer(Settings(env="production")).send(LETTER)
    assert capsys.readouterr().out == ""


async def test_the_settings_choose_the_way_out() -> None:
    """The console by default, SMTP where there is a server."""
    assert isinstance(make_mailer(Settings())._mailer, ConsoleMailer)
    assert isinstance(make_mailer(Settings(smtp_url="smtp://localhost"))._mailer, SmtpMailer)


async def test_a_dead_mail_server_fails_no_request(settings: Settings) -> None:
    """Registration is answered although nothing can be mailed."""
    async with mailing(settings) as (api, office):
        office.refusals = ["550 No"] * 9
        person = await api.person(email="maria@example.org")
        assert (await person.get("/me")).status_code == 200


async def test_secrets_leave_by_mail_only(
    settings: Settings, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    """Codes, tokens and passwords of every flow occur in no answer that should not hold them, no header and no log."""
    caplog.set_level("DEBUG", "dating")
    async with mailing(settings) as (api, office):
        answers = [
            await api.http.post("/register", json={"username": "maria", "password": PASSWORD, "email": "maria@example.org"})
        ]
        code = await office.code()
        body = {"email": "maria@example.org"}
        answers.append(await api.http.post("/api/auth/resend-verify-code", json=body))
        second = await office.code(2)
        answers.append(await api.http.post("/api/auth/verify-code", json=body | {"code": second}))
        answers.append(await api.http.post("/api/auth/password/forgot", json=body))
        third = await office.code(3)
        new = "another long password"
        answers.append(await api.http.post("/api/auth/password/reset", json=body | {"code": third, "password": new}))
        answers.append(await api.http.post("/login", json={"username": "maria", "password": new}))
        assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200, 200]
        handed = re.findall(r'(?:_token|access|refresh)":"([^"]{30,})', "".join(answer.text for answer in answers))
        await office.wait(4)
    assert len(handed) == 6
    logged = "".join([*[str(record.__dict__) for record in caplog.records], *capsys.readouterr()])
    for answer in answers:
        shown = answer.text + str(answer.headers)
        assert not any(secret in shown for secret in (code, second, third, PASSWORD, new))
    assert not any(secret in logged for secret in (code, second, third, PASSWORD, new, *handed))
    assert not any(token in letter.get_content() for letter in office.letters for token in handed)
