"""Mails to a server that others wrote (aiosmtpd): contents, TLS, and logging in."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import tests.providers
from messaging.mime import Composer
from messaging.models import Verdict
from messaging.providers.base import Accepted, HandOff, Receipt, Refused
from messaging.providers.smtp import SmtpProvider
from tests.providers.messages import NOW, kinds, messages

# Made for these tests, for 127.0.0.1, and trusted by nobody else.
CERTIFICATE = Path(tests.providers.__path__[0]) / "loopback.pem"


class Mailbox:
    """Keeps what arrives."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.sessions: list[Session] = []

    async def handle_DATA(self, _: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.envelopes.append(envelope)
        self.sessions.append(session)
        return "250 kept"


class Strict(Mailbox):
    """Refuses recipients by what `replies` has for them."""

    def __init__(self, replies: dict[str, str]) -> None:
        super().__init__()
        self.replies = replies

    async def handle_RCPT(  # noqa: N802
        self, _: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.replies:
            return self.replies[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"


class AnyPort(Controller):
    """Listens on a port that is free, and then knows which."""

    def _trigger_server(self) -> None:
        self.port = self.server.sockets[0].getsockname()[1]
        super()._trigger_server()


@contextmanager
def server(mailbox: Mailbox | None = None, **options: Any) -> Iterator[tuple[Mailbox, int]]:
    mailbox = mailbox or Mailbox()
    controller = AnyPort(mailbox, hostname="127.0.0.1", port=0, **options)
    controller.start()
    try:
        yield mailbox, controller.port
    finally:
        controller.stop()


def tls() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def known(_: SMTP, _session: Session, _envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
    assert isinstance(data, LoginPassword)
    return AuthResult(success=data == LoginPassword(b"news", b"p@ss/word"), handled=False)


@pytest.fixture
def trusted(monkeypatch: Any) -> None:
    """The certificate of these tests is one that the machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(CERTIFICATE))


def send(url: str, settings: Any, count: int = 2) -> tuple[SmtpProvider, list[Receipt]]:
    settings.SMTP_URL = url
    provider = SmtpProvider()
    return provider, provider.send(messages(count), HandOff(NOW))


def test_mail_arrives_as_it_was_composed(settings: Any) -> None:
    with server() as (mailbox, port):
        settings.SMTP_URL = f"smtp://127.0.0.1:{port}"
        sent = messages(3)
        receipts = SmtpProvider().send(sent, HandOff(NOW))
    composer = Composer(settings.DEFAULT_FROM_EMAIL)
    assert receipts == [Accepted(f"<{m.delivery_id}@clirnet.example>") for m in sent]
    for message, envelope in zip(sent, mailbox.envelopes, strict=True):
        assert envelope.content == composer.compose(message, NOW).content
        assert envelope.mail_from == "news@clirnet.example"
        assert envelope.rcpt_tos == [message.recipient]
        parsed = message_from_bytes(envelope.content, policy=policy.default)
        assert parsed["X-Reengage-Delivery"] == str(message.delivery_id)


dots = st.lists(
    st.sampled_from([".", "..", ".x", "x", "", "\n", "\r\n", "=", " ", "—"]), max_size=30
).map("".join)


def test_lines_that_begin_with_dots_arrive(settings: Any) -> None:
    composer = Composer(settings.DEFAULT_FROM_EMAIL)
    with server() as (mailbox, port):
        settings.SMTP_URL = f"smtp://127.0.0.1:{port}"
        provider = SmtpProvider()

        @hypothesis_settings(suppress_health_check=list(HealthCheck), deadline=None)
        @given(dots, dots)
        def check(text: str, html: str) -> None:
            sent = [message._replace(text=text, html=html) for message in messages(2)]
            assert kinds(provider.send(sent, HandOff(NOW))) == ["Accepted"] * 2
            arrived = [envelope.content for envelope in mailbox.envelopes[-2:]]
            assert arrived == [composer.compose(message, NOW).content for message in sent]

        check()


@pytest.mark.usefixtures("trusted")
def test_starttls_and_login(settings: Any) -> None:
    options = {"tls_context": tls(), "require_starttls": True}
    with server(authenticator=known, auth_required=True, **options) as (mailbox, port):
        provider, receipts = send(f"smtp+tls://news:p%40ss%2Fword@127.0.0.1:{port}", settings)
        assert kinds(receipts) == ["Accepted"] * 2
        assert kinds(provider.send(messages(2), HandOff(NOW))) == ["Accepted"] * 2
    assert all(session.ssl and session.authenticated for session in mailbox.sessions)
    assert len({session.peer for session in mailbox.sessions}) == 1  # one connection


@pytest.mark.usefixtures("trusted")
def test_tls_from_the_start(settings: Any) -> None:
    with server(ssl_context=tls()) as (mailbox, port):
        provider, receipts = send(f"smtps://127.0.0.1:{port}", settings)
        assert kinds(receipts) == ["Accepted"] * 2
        assert kinds(provider.send(messages(2), HandOff(NOW))) == ["Accepted"] * 2
    assert len({session.peer for session in mailbox.sessions}) == 1


@pytest.mark.usefixtures("trusted")
def test_tls_connection_that_the_server_closed_is_replaced(settings: Any) -> None:
    with server(ssl_context=tls()) as (mailbox, port):
        provider, receipts = send(f"smtps://127.0.0.1:{port}", settings)
        assert kinds(receipts) == ["Accepted"] * 2
    with server(ssl_context=tls()) as (mailbox, port):
        provider._server = provider._server.__class__("smtps", "127.0.0.1", port, "", "")
        assert kinds(provider.send(messages(2), HandOff(NOW))) == ["Accepted"] * 2
        assert len(mailbox.envelopes) == 2


def test_certificate_that_nobody_trusts_is_an_outage(settings: Any) -> None:
    with server(tls_context=tls()) as (mailbox, port):
        for scheme in ("smtp+tls", "smtps"):
            _, receipts = send(f"{scheme}://127.0.0.1:{port}", settings, 1)
            assert isinstance(receipts[0], Refused)
            assert (receipts[0].is_outage, receipts[0].permanent) == (True, False)
    assert mailbox.envelopes == []


@pytest.mark.usefixtures("trusted")
def test_wrong_password_is_an_outage_and_not_for_good(settings: Any) -> None:
    options = {"tls_context": tls(), "require_starttls": True}
    with server(authenticator=known, auth_required=True, **options) as (mailbox, port):
        _, receipts = send(f"smtp+tls://news:wrong@127.0.0.1:{port}", settings, 1)
    assert isinstance(receipts[0], Refused)
    assert (receipts[0].code, receipts[0].is_outage, receipts[0].permanent) == ("535", True, False)
    assert "wrong" not in receipts[0].message
    assert mailbox.envelopes == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_missing_login_is_an_outage_and_not_for_good(settings: Any) -> None:
    options = {"auth_require_tls": False, "auth_required": True}
    with server(authenticator=known, **options) as (_, port):
        _, receipts = send(f"smtp://127.0.0.1:{port}", settings, 1)
    assert isinstance(receipts[0], Refused)
    assert (receipts[0].code, receipts[0].is_outage, receipts[0].permanent) == ("530", True, False)


def test_server_without_tls_gets_nothing_where_tls_is_asked_for(settings: Any) -> None:
    with server() as (mailbox, port):
        _, receipts = send(f"smtp+tls://news:secret@127.0.0.1:{port}", settings, 1)
    assert isinstance(receipts[0], Refused)
    assert (receipts[0].is_outage, receipts[0].permanent) == (True, False)
    assert "STARTTLS" in receipts[0].message
    assert mailbox.envelopes == []


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_password_that_smtp_cannot_carry_is_an_outage(settings: Any) -> None:
    options = {"auth_require_tls": False, "auth_required": True}
    with server(authenticator=known, **options) as (_, port):
        _, receipts = send(f"smtp://news:p%C3%A4ss@127.0.0.1:{port}", settings, 1)
    assert isinstance(receipts[0], Refused)
    assert (receipts[0].is_outage, receipts[0].permanent) == (True, False)


# --- Refusals --------------------------------------------------------------------------------


def test_refusal_of_a_recipient_is_that_one_only_and_tells_of_the_mailbox(settings: Any) -> None:
    replies = {
        "d1@example.com": "550 5.1.1 <d1@example.com> does not exist",
        "d2@example.com": "450 4.2.1 busy",
        "d3@example.com": "550 5.7.1 spam",
    }
    with server(Strict(replies)) as (mailbox, port):
        settings.SMTP_URL = f"smtp://127.0.0.1:{port}"
        sent = messages(4)
        receipts = SmtpProvider().send(sent, HandOff(NOW))
    assert receipts[:3] == [
        Refused("550", "5.1.1 <…> does not exist", permanent=True, verdict=Verdict.HARD_BOUNCE),
        Refused("450", "4.2.1 busy", permanent=False),
        Refused("550", "5.7.1 spam", permanent=True),
    ]
    assert kinds(receipts[3:]) == ["Accepted"]
    assert [envelope.rcpt_tos for envelope in mailbox.envelopes] == [["d4@example.com"]]


def test_line_that_is_closed_at_a_recipient_takes_no_mail(settings: Any) -> None:
    with server(Strict({"d1@example.com": "421 4.3.2 going down"})) as (mailbox, port):
        settings.SMTP_URL = f"smtp://127.0.0.1:{port}"
        receipts = SmtpProvider().send(messages(1), HandOff(NOW))
    assert receipts == [Refused("421", "4.3.2 going down", permanent=False, is_outage=True)]
    assert mailbox.envelopes == []
