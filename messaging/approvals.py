"""Ask Twilio what WhatsApp says of our templates: with each save, and every morning.

What Twilio does not say leaves the status as it was. Interakt cannot be asked: there a person
says it on the template's page.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils.timezone import localtime

from messaging.approval import need_of
from messaging.models import (
    ApprovalStatus,
    Channel,
    MessageTemplate,
    TemplateVersion,
    WhatsAppCategory,
)
from messaging.providers import twilio_content
from messaging.providers.base import TROUBLE_LIMIT, Need
from messaging.providers.twilio_content import Approval, NoSuchContent, Untold

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class Asked:
    """How many templates Twilio was asked about, and for how many it did not say."""

    asked: int = 0
    untold: int = 0
    left: int = 0  # not asked any more: Twilio did not answer for the ones before

    def __str__(self) -> str:
        return f"asked about {self.asked}, not told {self.untold}, left {self.left}"


def is_told_by_provider(channel: str) -> bool:
    """Whether the channel's provider says what is approved; if not, a person does.

    Where messages go to the sandbox, Twilio is asked as soon as an account of it is set: templates
    are made ready before the first one goes out.
    """
    if channel != Channel.WHATSAPP:
        return False
    need = need_of(channel)
    return need is Need.CONTENT_SID or (need is Need.NOTHING and twilio_content.may_ask())


def can_be_asked_about(template: MessageTemplate) -> bool:
    """Whether the channel's provider knows this template."""
    return bool(template.content_sid) and is_told_by_provider(template.channel)


def to_ask_about() -> QuerySet[MessageTemplate]:
    """Templates that Twilio knows by their SID, those first that nobody asked about for long."""
    if not is_told_by_provider(Channel.WHATSAPP):
        return MessageTemplate.objects.none()
    known = MessageTemplate.objects.filter(channel=Channel.WHATSAPP).exclude(content_sid="")
    return known.order_by("approval_checked_at", "pk")


def ask_all(now: datetime) -> Asked:
    """Ask about every template; stops where Twilio fails to answer several times in a row."""
    done = Asked()
    templates = list(to_ask_about())
    in_a_row = 0
    for number, template in enumerate(templates):
        if in_a_row >= TROUBLE_LIMIT:
            done.left = len(templates) - number
            logger.warning("Twilio does not answer: %s templates are not asked about", done.left)
            break
        done.asked += 1
        untold = ask(template, now)
        done.untold += untold is not None
        in_a_row = in_a_row + 1 if untold and untold.is_trouble else 0
    return done


def ask_one(template_id: uuid.UUID, now: datetime) -> Untold | None:
    """Ask about one template, if it can be asked about. Returns why Twilio did not say."""
    template = to_ask_about().filter(pk=template_id).first()
    return ask(template, now) if template else None


def ask(template: MessageTemplate, now: datetime) -> Untold | None:
    """Ask, and write what Twilio says. Returns why it did not say; raises nothing of Twilio's."""
    sid = template.content_sid
    try:
        told = twilio_content.fetch_approval(sid)
    except NoSuchContent:
        _write(template, now, "", f"Twilio does not know {sid}: copy it again from Twilio.")
        return None
    except Untold as error:
        at = localtime(now)
        detail = f"Twilio {error} It was asked on {at:%d %b %Y, %H:%M}; nothing was changed."
        _same(template).update(approval_detail=detail)
        return error
    _write(template, now, told.status, _detail(template, told))
    if told.category in WhatsAppCategory.values and not template.whatsapp_category:
        _same(template).update(whatsapp_category=told.category)
    return None if template.registered_text else _fetch_text(template, told.content_type)


def _same(template: MessageTemplate) -> QuerySet[MessageTemplate]:
    """The row, if it still is about what was asked."""
    return MessageTemplate.objects.filter(pk=template.pk, content_sid=template.content_sid)


def _write(template: MessageTemplate, now: datetime, status: str, detail: str) -> None:
    facts: dict[str, Any] = {"approval_detail": detail, "approval_checked_at": now}
    changed = _same(template).update(approval_status=status, **facts)
    was_approved = template.approval_status == ApprovalStatus.APPROVED
    if changed and was_approved and status != ApprovalStatus.APPROVED and is_running(template):
        logger.error(
            "template %s, which a running campaign sends, is no longer approved: %s",
            template.template_key,
            status or "unknown to Twilio",
        )


def is_running(template: MessageTemplate) -> bool:
    """Whether a running campaign sends the template."""
    return template.steps.filter(campaign__status="active").exists()


def _detail(template: MessageTemplate, told: Approval) -> str:
    """What there is to say besides the status."""
    said = [f"Reason: {told.reason}"] if told.reason else []
    ours = template.whatsapp_category
    if ours and told.category and told.category != ours:
        said.append(f"WhatsApp files it under “{told.category}”, which decides its price.")
    return " ".join(said)


def _fetch_text(template: MessageTemplate, content_type: str) -> Untold | None:
    """Take over the text as Twilio has it, where we have none."""
    try:
        text = twilio_content.fetch_text(template.content_sid, content_type)
    except NoSuchContent:
        return None  # deleted meanwhile: the next time says so
    except Untold as error:
        return error
    with transaction.atomic():
        if text and _same(template).filter(registered_text="").update(registered_text=text):
            TemplateVersion.objects.sign(template, None, "Registered text taken over from Twilio.")
    return None
