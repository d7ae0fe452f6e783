"""On a delivery's page: what exactly went out, by the version and the values of the day."""

from __future__ import annotations

from typing import Any

from django.core.exceptions import ObjectDoesNotExist
from django.http import HttpRequest, HttpResponse

from messaging.admin.versions import version_link
from messaging.evidence import NoText, SentText, sent_text
from messaging.models import AttemptOutcome, MessageDelivery
from messaging.preview import locked
from reengage.admin_base import AnyAdmin, Table
from segments.admin.base import when

# What is known of an attempt, for the sentence above its text.
_KNOWN = {
    AttemptOutcome.ACCEPTED: "The provider took this on {}.",
    AttemptOutcome.UNKNOWN: "This was handed over on {}; the provider has not said what became "
    "of it.",
    AttemptOutcome.WRITTEN_OFF: "This was handed over on {} and got no answer; somebody decided to "
    "send it again.",
    AttemptOutcome.PENDING: "This is being handed over since {}.",
}


class EvidenceMixin(AnyAdmin):
    """The text that went out, above the tables. To stand before PageExtrasMixin."""

    change_form_after_template = "messaging/evidence/page.html"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> HttpResponse:
        """Hand it to the page."""
        if delivery := context.get("original"):
            context["evidence"] = _shown(request, delivery)
        return super().render_change_form(request, context, *args, **kwargs)


def _shown(request: HttpRequest, delivery: MessageDelivery) -> dict[str, Any]:
    found = sent_text(delivery)
    if isinstance(found, NoText):
        return {"reason": found.reason, **_of_sandbox(delivery, found)}
    may_see = request.user.has_perm("messaging.view_messagetemplate")
    return {
        "known": _KNOWN[AttemptOutcome(found.attempt.outcome)].format(
            when(found.attempt.authorised_at)
        ),
        "recipient": found.recipient,
        "version": version_link(found.version) if may_see else f"Version {found.version.number}",
        "template_key": found.version.content["template_key"],
        "saved_at": found.version.saved_at,
        "subject": found.message.subject,
        "text": found.message.text,
        "page": locked(found.message.html) if found.message.html else "",
        "variables": _variables(found),
    }


def _of_sandbox(delivery: MessageDelivery, found: NoText) -> dict[str, Any]:
    """The sandbox keeps every message that it took: better than nothing where ours is not kept."""
    if found.attempt is None:
        return {}
    try:
        message = delivery.sandbox_message
    except ObjectDoesNotExist:
        return {}
    return {
        "known": f"The sandbox took this on {when(message.accepted_at)}.",
        "subject": message.subject,
        "text": message.text,
        "page": locked(message.html) if message.html else "",
    }


def _variables(found: SentText) -> Table:
    """The values that were filled in, by name."""
    return Table(
        title="Values that were filled in",
        headers=("Variable", "Value"),
        rows=[(name, _value(value)) for name, value in sorted(found.variables.items())],
        empty="The text has no variables.",
    )


def _value(value: Any) -> str:
    """A value on one line; of a list its entries."""
    if not isinstance(value, list):
        return str(value)
    entries = (
        ", ".join(map(str, entry.values())) if isinstance(entry, dict) else str(entry)
        for entry in value
    )
    return f"{len(value)}: {'; '.join(entries)}"
