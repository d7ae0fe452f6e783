"""E-mail through Amazon SES v2: anymail writes the mail, boto3 signs it, http.py carries it."""

from __future__ import annotations

from collections.abc import Iterator
from email.message import Message
from typing import Any, ClassVar

from messaging.providers import aws
from messaging.providers.account import Account, Variable
from messaging.providers.anymail_mail import Writer
from messaging.providers.base import Accepted, Outgoing, Receipt
from messaging.providers.codes import SES
from messaging.providers.http import HttpProvider
from messaging.providers.http_line import Request

CONFIGURATION_SET = Variable("CONFIGURATION_SET", "what has reports sent to us by SNS", "")
SANDBOX_QUOTA = 200  # mails a day, of an account that AWS has not let out of its sandbox


class SesProvider(HttpProvider):
    """Carries e-mail."""

    name = "ses"
    channels = frozenset({"email"})
    variables: ClassVar = (CONFIGURATION_SET, *aws.VARIABLES)

    def __init__(self, account: Account) -> None:
        """ImproperlyConfigured: settings.DEFAULT_FROM_EMAIL is no address."""
        from anymail.backends.amazon_ses import EmailBackend  # noqa: PLC0415  it imports boto3

        super().__init__()
        self.name = account.name
        self._account = account
        self._writer = Writer()
        self._ses = aws.Service("sesv2", account)
        self._backend = EmailBackend(
            configuration_set_name=account.get(CONFIGURATION_SET) or None,
        )

    def request_for(self, message: Outgoing) -> Request:
        """SendEmail of the mail as it is, with our id in X-Metadata."""
        mail = self._writer.mail(message)
        payload: Any = self._backend.build_message_payload(mail, self._backend.send_defaults)
        payload.finalize_payload()
        return self._ses.request(payload.api_name, **payload.params)

    def receipt_for(self, status: int, headers: Message, body: bytes, message: Outgoing) -> Receipt:  # noqa: ARG002
        """A message id, or a refusal by its code."""
        if status >= 400:
            return self._ses.refused(SES, "send_email", (status, headers, body))
        return Accepted(self._ses.read("send_email", status, headers, body)["MessageId"])

    def problems(self, _channel: str) -> Iterator[str]:
        """What SES says against the account and the sender's domain. Sends nothing."""
        if not self._account.get(CONFIGURATION_SET):
            name = self._account.variable("CONFIGURATION_SET")
            yield f"{name} is not set: what has SES report to us. Until then no reports come."
        try:
            quota = aws.ask("ses", self._account, "get_send_quota")
            if quota["Max24HourSend"] == SANDBOX_QUOTA:
                yield "The account is in the sandbox of SES: it sends to verified addresses only."
            yield from self._identity_problems()
        except aws.UnansweredError as error:
            yield str(error)

    def _identity_problems(self) -> Iterator[str]:
        domain = self._writer.domain
        try:
            told = aws.ask("sesv2", self._account, "get_email_identity", EmailIdentity=domain)
        except aws.UnansweredError as error:
            if error.code != "NotFoundException":
                raise
            yield f"DEFAULT_FROM_EMAIL: the domain {domain} is not an identity of the account."
            return
        if not told.get("VerifiedForSendingStatus"):
            yield f"DEFAULT_FROM_EMAIL: the domain {domain} is not verified."
