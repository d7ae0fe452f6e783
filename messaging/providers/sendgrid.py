"""E-mail through SendGrid's v3 API: anymail makes up the call, http.py carries it.

anymail no longer tests against SendGrid (it warns of it), so the fake of the tests checks each call
as SendGrid's reference says.
"""

from __future__ import annotations

import http.client
import json
import warnings
from collections.abc import Iterator
from email.message import Message
from typing import Any, ClassVar

from anymail.exceptions import AnymailNotSupportedWarning

from messaging.providers.account import Account, Variable
from messaging.providers.anymail_mail import Writer
from messaging.providers.base import Accepted, Outgoing, Receipt
from messaging.providers.codes import SENDGRID
from messaging.providers.http import FOR_NOW, HttpProvider, refusal
from messaging.providers.http_line import Request, ask
from messaging.providers.sockets import describe

with warnings.catch_warnings():
    warnings.simplefilter("ignore", AnymailNotSupportedWarning)
    from anymail.backends.sendgrid import EmailBackend

API_KEY = Variable("API_KEY", "a key that may send mail, SG.…")
API_URL = Variable("API_URL", "where calls go", "https://api.sendgrid.com/v3/")

ASK_SECONDS = 8.0
SCOPE = "mail.send"


class SendGridProvider(HttpProvider):
    """Carries e-mail."""

    name = "sendgrid"
    channels = frozenset({"email"})
    variables: ClassVar = (API_KEY, API_URL)

    def __init__(self, account: Account) -> None:
        """ImproperlyConfigured: settings.DEFAULT_FROM_EMAIL is no address."""
        super().__init__()
        self.name = account.name
        self._account = account
        self._writer = Writer()
        self._url = f"{account.get(API_URL).rstrip('/')}/"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AnymailNotSupportedWarning)
            # Reports know a mail by our delivery's id, not by one that is drawn for each call.
            self._backend = EmailBackend(
                api_key=account.get(API_KEY), api_url=self._url, generate_message_id=False
            )

    def request_for(self, message: Outgoing) -> Request:
        """POST to mail/send. Links and opens are counted by ourselves, so not by SendGrid."""
        mail = self._writer.mail(message, track_opens=False, track_clicks=False)
        # What anymail's reports give as a mail's own id.
        mail.metadata["anymail_id"] = str(message.delivery_id)
        payload: Any = self._backend.build_message_payload(mail, self._backend.send_defaults)
        call = payload.get_request_params(self._url)
        data = call["data"]
        body = data.encode() if isinstance(data, str) else data
        return Request(call["method"], call["url"], call["headers"], body)

    def receipt_for(self, status: int, headers: Message, body: bytes, message: Outgoing) -> Receipt:  # noqa: ARG002
        """Nothing is said of a mail that was taken; it is known by our delivery's id."""
        if status in FOR_NOW:
            return refusal(status, body)
        if status >= 400:
            told = json.loads(body)["errors"]
            return SENDGRID.refused(status, "; ".join(str(each["message"]) for each in told))
        if status != 202:
            raise ValueError("202 is what SendGrid says of a mail that it took.")
        return Accepted(str(message.delivery_id))

    def problems(self, _channel: str) -> Iterator[str]:
        """What SendGrid says against the key. Sends nothing."""
        name = self._account.variable("API_KEY")
        headers = {"Authorization": f"Bearer {self._account.get(API_KEY)}"}
        try:
            answer = ask(Request("GET", f"{self._url}scopes", headers, b""), ASK_SECONDS)
            if answer.status in (401, 403):
                yield f"SendGrid does not accept {name}."
            elif answer.status != 200:
                yield f"SendGrid gave no answer (HTTP {answer.status})."
            elif SCOPE not in json.loads(answer.body)["scopes"]:
                yield f"{name} may not send: it lacks the scope {SCOPE}."
        except (OSError, http.client.HTTPException) as error:
            yield f"SendGrid gave no answer ({describe(error)})."
        except (ValueError, KeyError, TypeError):
            yield "SendGrid gave an answer that cannot be understood."
