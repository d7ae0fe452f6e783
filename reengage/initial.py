"""What a new database needs: the strategy's templates, campaigns and schedules, and the groups.

Everything is created where it is absent and never overwritten: marketers edit it afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

import yaml
from django.conf import settings
from django.db import transaction
from django_celery_beat.models import CrontabSchedule, PeriodicTask

from campaigns.models import Campaign, CampaignMessage
from messaging import versions
from messaging.models import Channel, KeywordReply, MessageTemplate, ProviderAccount
from reengage import roles

FIXTURES = settings.BASE_DIR / "fixtures"


@dataclass(frozen=True, slots=True)
class Created:
    """How many rows of each kind were missing and are there now."""

    templates: int
    campaigns: int
    schedules: int
    accounts: int
    groups: int
    replies: int
    given: tuple[roles.Given, ...] = ()  # to groups that were there already


@transaction.atomic
def create_missing() -> Created:
    """Create what is absent; what is there stays as it is.

    Groups that are there are given what they were never given before (roles.py).
    """
    given = roles.give_missing()
    return Created(
        templates=_templates(),
        campaigns=_campaigns(),
        schedules=_schedules(),
        accounts=_accounts(),
        groups=sum(one.is_new for one in given),
        replies=_replies(),
        given=tuple(one for one in given if not one.is_new),
    )


def _read(name: str) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = yaml.safe_load((FIXTURES / name).read_text(encoding="utf-8"))
    return rows


def _templates() -> int:
    rows = [
        row
        for path in sorted((FIXTURES / "templates").iterdir())
        for row in _read(f"templates/{path.name}")
    ]
    known = set(MessageTemplate.objects.values_list("template_key", flat=True))
    new = [MessageTemplate(**row) for row in rows if row["template_key"] not in known]
    made = MessageTemplate.objects.bulk_create(new)
    versions.sign_all(made, None, "made by setup")
    return len(made)


def _campaigns() -> int:
    """A campaign whose segment has one already is left out, however that one is named."""
    created = 0
    for row in _read("campaigns.yaml"):
        steps = row.pop("steps")
        if Campaign.objects.filter(segment_type=row["segment_type"]).exists():
            continue
        campaign = Campaign.objects.create(**row)
        CampaignMessage.objects.bulk_create(
            CampaignMessage(campaign=campaign, **step) for step in steps
        )
        created += 1
    return created


def _schedules() -> int:
    created = 0
    for row in _read("schedules.yaml"):
        # By its task: one that was renamed in the admin is the same one.
        if PeriodicTask.objects.filter(task=row["task"]).exists():
            continue
        # One of its own, though another may be equal: moving one schedule moves no other.
        timing = CrontabSchedule.objects.create(
            **row["crontab"], timezone=ZoneInfo(row["timezone"])
        )
        PeriodicTask.objects.create(
            name=row["name"], task=row["task"], description=row["description"], crontab=timing
        )
        created += 1
    return created


def _accounts() -> int:
    return sum(
        ProviderAccount.objects.get_or_create(
            channel=channel, provider=settings.MESSAGE_PROVIDERS[channel]
        )[1]
        for channel in Channel.values
    )


def _replies() -> int:
    """Only where there are none: one that somebody has taken out stays out."""
    if KeywordReply.objects.exists():
        return 0
    known = {
        "platform": settings.PLATFORM_BASE_URL,
        "support_email": settings.SUPPORT_EMAIL,
        "support_phone": settings.SUPPORT_PHONE,
    }
    rows = _read("keyword_replies.yaml")
    new = [KeywordReply(**row | {"reply": row["reply"].format_map(known)}) for row in rows]
    return len(KeywordReply.objects.bulk_create(new))
