"""An e-mail as anymail takes it: to one person, with our delivery's id and the way out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from anymail.message import AnymailMessage
from django.conf import settings

from messaging.mime import DELIVERY_HEADER, Composer, UnmailableError
from messaging.providers.base import Outgoing
from messaging.providers.http import UnfitError

DELIVERY_KEY = "delivery_id"  # in the metadata, which reports bring back; case matters
_ANY_TIME = datetime(2026, 1, 1, tzinfo=UTC)


class Writer:
    """Writes the mails of settings.DEFAULT_FROM_EMAIL. ImproperlyConfigured: it is no address."""

    def __init__(self) -> None:
        self._sender = settings.DEFAULT_FROM_EMAIL
        self._composer = Composer(self._sender)

    @property
    def domain(self) -> str:
        """Of the sender."""
        return self._composer.address.rpartition("@")[2]

    def mail(self, message: Outgoing, **more: Any) -> AnymailMessage:
        """The mail; `more` are anymail's own attributes. UnfitError: SMTP would not take it."""
        try:
            self._composer.compose(message, _ANY_TIME)  # the same rules as for SMTP
        except UnmailableError as error:
            raise UnfitError(str(error)) from error
        delivery_id = str(message.delivery_id)
        headers = {DELIVERY_HEADER: delivery_id}
        if message.unsubscribe_url:
            headers["List-Unsubscribe"] = f"<{message.unsubscribe_url}>"
            headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"  # RFC 8058
        mail = AnymailMessage(
            subject=" ".join(message.subject.split()),  # a line break would end the header
            body=message.text,
            from_email=self._sender,
            to=[message.recipient],
            headers=headers,
            metadata={DELIVERY_KEY: delivery_id},
            **more,
        )
        if message.html:
            mail.attach_alternative(message.html, "text/html")
        return mail
