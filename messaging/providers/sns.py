"""SMS through AWS SNS, with the attributes that India's operators ask for.

SNS has nothing that it echoes: reports stand in the delivery log by SNS's own message id, which is
what we keep as the delivery's external id. Its deduplication does not work for SMS.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from email.message import Message
from typing import ClassVar

from django.conf import settings

from messaging.providers import aws
from messaging.providers.account import Account, Variable
from messaging.providers.base import Accepted, Need, Outgoing, Receipt
from messaging.providers.codes import SNS
from messaging.providers.http import HttpProvider, UnfitError
from messaging.providers.http_line import Request

SENDER_ID = Variable("SENDER_ID", "the registered header, 3 to 11 letters and digits")
ENTITY_ID = Variable("ENTITY_ID", "the entity id of the DLT registration; empty: not to India", "")
SMS_TYPE = Variable("SMS_TYPE", "Promotional or Transactional", "Promotional")

LONGEST = 1600  # bytes


class SnsProvider(HttpProvider):
    """Carries SMS."""

    name = "sns"
    in_flight = 50  # AWS allows 20 a second where nobody asked for more
    channels = frozenset({"sms"})
    needs: ClassVar[Mapping[str, Need]] = {}  # SMS_DLT_REQUIRED says it
    variables: ClassVar = (SENDER_ID, ENTITY_ID, SMS_TYPE, *aws.VARIABLES)

    def __init__(self, account: Account) -> None:
        super().__init__()
        self.name = account.name
        self._account = account
        self._sns = aws.Service("sns", account)

    def request_for(self, message: Outgoing) -> Request:
        """Publish to a number; UnfitError: it is too long."""
        if len(message.text.encode()) > LONGEST:
            raise UnfitError(f"It is longer than {LONGEST:,} bytes.")
        attributes = {
            "AWS.SNS.SMS.SenderID": self._account.get(SENDER_ID),
            "AWS.SNS.SMS.SMSType": self._account.get(SMS_TYPE),
            "AWS.MM.SMS.EntityId": self._account.get(ENTITY_ID),
            "AWS.MM.SMS.TemplateId": message.dlt_template_id,
        }
        return self._sns.request(
            "publish",
            PhoneNumber=message.recipient,
            Message=message.text,
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value}
                for name, value in attributes.items()
                if value
            },
        )

    def receipt_for(self, status: int, headers: Message, body: bytes, message: Outgoing) -> Receipt:  # noqa: ARG002
        """A message id, or a refusal by its code."""
        if status >= 400:
            return self._sns.refused(SNS, "publish", (status, headers, body))
        return Accepted(self._sns.read("publish", status, headers, body)["MessageId"])

    def problems(self, _channel: str) -> Iterator[str]:
        """What SNS says against the account, and what of the settings cannot be right."""
        if self._account.get(SMS_TYPE) not in ("Promotional", "Transactional"):
            yield f"{self._account.variable('SMS_TYPE')} is neither Promotional nor Transactional."
        sender = self._account.get(SENDER_ID)
        if not (3 <= len(sender) <= 11 and sender.isascii() and sender.isalnum()):
            yield f"{self._account.variable('SENDER_ID')} is not 3 to 11 letters and digits."
        if settings.SMS_DLT_REQUIRED and not self._account.get(ENTITY_ID):
            name = self._account.variable("ENTITY_ID")
            yield f"{name} is not set: the DLT entity id, without which India rejects SMS."
        try:
            aws.ask("sns", self._account, "get_sms_attributes")
        except aws.UnansweredError as error:
            yield str(error)
