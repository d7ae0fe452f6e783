"""May a template go out on its channel, through the channel's provider, and if not, why.

WhatsApp takes approved templates only, and an SMS to India is let through as registered or not at
all. What a provider needs is its class's `needs` (providers/base.py); what the template has stands
in its own columns. Asked before a launch, and for each step while a campaign runs.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, NamedTuple

from django.conf import settings

from messaging.models import ApprovalStatus, Channel, MessageTemplate
from messaging.providers import provider_kind
from messaging.providers.base import Need
from messaging.render import TemplateError
from messaging.validation import Draft
from messaging.validation.registered import registered_findings

# Both are WhatsApp's, and both providers take free text while a session is open.
SESSIONS = frozenset({Need.CONTENT_SID, Need.WHATSAPP_NAME})
TURNED_DOWN = frozenset(
    {ApprovalStatus.REJECTED, ApprovalStatus.PAUSED, ApprovalStatus.DISABLED},
)


class Registration(NamedTuple):
    """What a template has to show, in the order of COLUMNS."""

    channel: str
    segment_type: str
    content: str
    content_sid: str
    whatsapp_name: str
    whatsapp_language: str
    parameters: Sequence[Any]
    dlt_template_id: str
    registered_text: str
    approval_status: str
    was_told: bool  # by the provider, and not by a person


# Of message_templates; `parameters` comes as JSON.
COLUMNS = (
    "channel",
    "segment_type",
    "template_content",
    "content_sid",
    "whatsapp_name",
    "whatsapp_language",
    "parameters",
    "dlt_template_id",
    "registered_text",
    "approval_status",
    "approval_checked_at IS NOT NULL",
)


class Registered(NamedTuple):
    """What of it a provider is told with each message."""

    content_sid: str = ""
    whatsapp_name: str = ""
    whatsapp_language: str = ""
    parameters: tuple[str, ...] = ()  # our variables for {{1}}, {{2}} and so on
    dlt_template_id: str = ""


def registered_of(has: Registration) -> Registered:
    """What of it goes along."""
    return Registered(
        has.content_sid,
        has.whatsapp_name,
        has.whatsapp_language,
        tuple(map(str, has.parameters)),
        has.dlt_template_id,
    )


def registered_of_columns(columns: Sequence[Any]) -> Registered:
    """The same from what the database gave for COLUMNS."""
    names = json.loads(columns[COLUMNS.index("parameters")])
    return registered_of(Registration._make(columns)._replace(parameters=names))


def need_of(channel: str) -> Need:
    """What the provider that carries the channel needs of a template.

    Whether an SMS must be registered is a matter of its route, which is a setting.
    """
    if channel == Channel.SMS and settings.SMS_DLT_REQUIRED:
        return Need.DLT
    provider = provider_kind(settings.MESSAGE_PROVIDERS.get(channel, ""))
    needs: Need = getattr(provider, "needs", {}).get(channel, Need.NOTHING)
    return needs


def may_go_as_text(columns: Sequence[Any]) -> bool:
    """Whether a template that may not go could go as free text, to whom a session is open with.

    Not what WhatsApp has turned down: it would hold such a text against the sender. And not where
    operators compare the text (SMS). `columns`: what the database gave for COLUMNS.
    """
    found = Registration._make(columns)
    return need_of(found.channel) in SESSIONS and found.approval_status not in TURNED_DOWN


def problem_of(template: MessageTemplate) -> str | None:
    """Why the template may not go out through its channel's provider now; None: it may."""
    return approval_problem(need_of(template.channel), registration_of(template))


def problem_of_columns(columns: Sequence[Any]) -> str | None:
    """The same for what the database gave for COLUMNS."""
    found = Registration._make(columns)
    need = need_of(found.channel)
    if need is Need.NOTHING:
        return None
    parameters = json.loads(columns[COLUMNS.index("parameters")])
    return approval_problem(need, found._replace(parameters=parameters))


def registration_of(template: MessageTemplate) -> Registration:
    """What the template has to show."""
    return Registration(
        template.channel,
        template.segment_type,
        template.template_content,
        template.content_sid,
        template.whatsapp_name,
        template.whatsapp_language,
        template.parameters,
        template.dlt_template_id,
        template.registered_text,
        template.approval_status,
        template.approval_checked_at is not None,
    )


def approval_problem(need: Need, has: Registration) -> str | None:
    """What the template lacks of what is needed, in words that follow "because"; None: nothing."""
    if need is Need.NOTHING:
        return None
    if absent := _absent(need, has):
        return absent
    if need is not Need.DLT and (told := _not_approved(need, has)):
        return told
    return mismatch(has)


def mismatch(has: Registration) -> str | None:
    """Why the text could not go out as it is registered; None where it could."""
    draft = Draft(
        channel=has.channel,
        content=has.content,
        segment_type=has.segment_type,
        content_sid=has.content_sid,
        whatsapp_name=has.whatsapp_name,
        dlt_template_id=has.dlt_template_id,
        parameters=has.parameters,
        registered_text=has.registered_text,
    )
    try:
        found = registered_findings(draft)
    except TemplateError as error:
        return f"its text is broken: {error}"
    if not found:
        return None
    text = str(found[0])
    return text[:1].lower() + text[1:]


def _absent(need: Need, has: Registration) -> str | None:
    """Which of the provider's facts is missing."""
    if need is Need.CONTENT_SID and not has.content_sid:
        return "it has no Twilio content SID: enter that of the approved template."
    if need is Need.WHATSAPP_NAME and not (has.whatsapp_name and has.whatsapp_language):
        return "it has no name and language at Interakt: enter those of the approved template."
    if need is Need.DLT and not has.dlt_template_id:
        return "it has no DLT template id: register the text with the operators, and enter its id."
    if need is Need.DLT and not has.registered_text:
        return "its registered text is not known: copy it from the operators' page."
    return None


def _not_approved(need: Need, has: Registration) -> str | None:
    """What WhatsApp says of it, unless it is approved."""
    if need is Need.CONTENT_SID and not has.was_told:
        return "Twilio has not said yet whether WhatsApp approved it: ask again."
    if has.approval_status == ApprovalStatus.APPROVED:
        return None
    if not has.approval_status:
        return "nobody has said yet whether WhatsApp approved it."
    label = ApprovalStatus(has.approval_status).label
    return f"WhatsApp has not approved it: {label[:1].lower()}{label[1:]}."
