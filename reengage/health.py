"""What is wrong right now, in a marketer's words, each with the page that mends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q
from django.urls import reverse

from campaigns import launch
from campaigns.models import Campaign, CampaignStatus
from messaging import accounts
from messaging.models import (
    AuditRun,
    DeliveryStatus,
    EventKind,
    MessageDelivery,
    ProviderAccount,
    ProviderEvent,
)
from reengage import machines, promises
from segments.models import ImportRun


@dataclass(frozen=True, slots=True)
class Problem:
    """A sentence, and where to go. `found_at`: when it was found, if not just now."""

    text: str
    link: str
    link_text: str
    found_at: datetime | None = None


def problems(now: datetime) -> list[Problem]:
    """Everything that keeps messages from going out or figures from being right.

    Looks only at small tables and partial indexes.
    """
    return [
        *_promises(),
        *_campaigns(now),
        *_accounts(now),
        *_machines(now),
        *_queues(now),
        *_imports(now),
    ]


def _promises() -> Iterator[Problem]:
    """What the last check of the deliveries found (messaging/audit/)."""
    run = AuditRun.objects.first()
    if run is not None and run.broken:
        broken = [f"{one['fault']} ({one['count']:,})" for one in run.found() if one["count"]]
        text = f"The last check found what must not be: {'; '.join(broken)}."
        yield Problem(text, promises.page(run), "Open the check")


def _campaigns(now: datetime) -> Iterator[Problem]:
    running = list(Campaign.objects.filter(status=CampaignStatus.ACTIVE))
    looked = launch.problems_lately(running, now)
    for campaign in running:
        page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
        found = looked[campaign.pk]
        found_at = found.at if found.at < now else None
        for text in found.problems:
            said = f"“{campaign}” can't send. {text}"
            yield Problem(said, page, "Open the campaign", found_at)
    halted = Campaign.objects.exclude(rollout_halted="")
    for campaign in halted.filter(status__in=(CampaignStatus.ACTIVE, CampaignStatus.PAUSED)):
        page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
        paused = " and was paused" if campaign.status == CampaignStatus.PAUSED else ""
        text = f"The rollout of “{campaign}” stopped{paused}. {campaign.rollout_halted}"
        yield Problem(text, page, "Open the campaign")


def _accounts(now: datetime) -> Iterator[Problem]:
    for account in ProviderAccount.objects.order_by("pk"):
        if accounts.is_used(account) and (why := accounts.why_waiting(account, now)):
            page = reverse("admin:messaging_provideraccount_change", args=[account.pk])
            yield Problem(f"{account}: its messages wait. {why}", page, "Open the account")


def _machines(now: datetime) -> Iterator[Problem]:
    deliveries = reverse("admin:messaging_messagedelivery_changelist")
    for check in [*machines.checks(now), machines.redis_check()]:
        if check.is_ok or check.name == "reports":  # told below, with the page that shows them
            continue
        if check.channel:
            page = f"{deliveries}?status__exact=scheduled&channel__exact={check.channel}"
            yield Problem(check.why, page, "Open its messages")
        else:
            yield Problem(check.why, f"{reverse('admin:index')}#machines", "Look at the machines")


def _queues(now: datetime) -> Iterator[Problem]:
    deliveries = reverse("admin:messaging_messagedelivery_changelist")
    unknown = MessageDelivery.objects.filter(status=DeliveryStatus.UNKNOWN).count()
    if unknown:
        yield Problem(
            f"{_count(unknown, 'message')} had no answer from the provider, may have arrived, "
            f"and {'is' if unknown == 1 else 'are'} not sent again.",
            f"{deliveries}?status__exact=unknown",
            "Open them",
        )
    open_ = ProviderEvent.objects.filter(processed_at=None)
    # What doctors wrote is never left aside for good: what stands there could not be read.
    unread = open_.filter(
        Q(parked_at__isnull=False) | Q(received_at__lt=now - machines.REPORTS_WAIT),
        kind=EventKind.INBOUND,
    ).count()
    if unread:
        yield Problem(
            f"{_count(unread, 'message')} from doctors could not be taken in, and may say STOP. "
            "They are tried again by themselves; if it stays so, tell whoever looks after the "
            "machines: their log says why.",
            reverse("admin:messaging_providerevent_changelist") + "?state=waiting",
            "Open them",
        )
    late = open_.filter(parked_at=None, received_at__lt=now - machines.REPORTS_WAIT)
    waiting = late.exclude(kind=EventKind.INBOUND).count()
    if waiting:
        yield Problem(
            f"{_count(waiting, 'report')} from a provider "
            f"{'is' if waiting == 1 else 'are'} not counted yet.",
            reverse("admin:messaging_providerevent_changelist") + "?state=waiting",
            "Open them",
        )


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _imports(now: datetime) -> Iterator[Problem]:
    failed = ImportRun.objects.filter(started_at__gte=now - timedelta(days=1)).exclude(error="")
    # The newest says enough; the others are a click away.
    for run in failed.order_by("-pk")[:1]:
        yield Problem(
            f"Nothing was imported from “{run.file_name}”: {run.error}",
            reverse("admin:segments_importrun_change", args=[run.pk]),
            "Open the import",
        )
