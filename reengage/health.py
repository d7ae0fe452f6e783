"""What is wrong right now, in a marketer's words, each with the page that mends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.urls import reverse
from django.utils.timezone import localtime
from django_celery_beat.models import PeriodicTask

from campaigns import launch
from campaigns.models import Campaign, CampaignStatus
from messaging.models import DeliveryStatus, MessageDelivery, ProviderAccount, ProviderEvent
from segments.models import ImportRun

# A message should leave within a minute of its time, and a report be counted as fast.
PATIENCE = timedelta(minutes=15)


@dataclass(frozen=True, slots=True)
class Problem:
    """A sentence, and where to go."""

    text: str
    link: str
    link_text: str


def problems(now: datetime) -> list[Problem]:
    """Everything that keeps messages from going out or figures from being right.

    Looks only at small tables and partial indexes.
    """
    return [*_campaigns(now), *_accounts(), *_schedules(now), *_queues(now), *_imports(now)]


def _campaigns(now: datetime) -> Iterator[Problem]:
    for campaign in Campaign.objects.filter(status=CampaignStatus.ACTIVE):
        page = reverse("admin:campaigns_campaign_change", args=[campaign.pk])
        for text in launch.problems(campaign, now):
            yield Problem(f"“{campaign}” can't send. {text}", page, "Open the campaign")


def _accounts() -> Iterator[Problem]:
    for account in ProviderAccount.objects.filter(is_paused=True):
        yield Problem(
            f"{account} is paused by hand: its messages wait.",
            reverse("admin:messaging_provideraccount_change", args=[account.pk]),
            "Open the account",
        )


def _schedules(now: datetime) -> Iterator[Problem]:
    """The scheduler ticks every minute; its memory of that is written every few minutes."""
    page = reverse("admin:django_celery_beat_periodictask_changelist")
    ran = PeriodicTask.objects.filter(enabled=True).order_by("-last_run_at")
    last = ran.exclude(last_run_at=None).values_list("last_run_at", flat=True).first()
    if last is None:
        text = "No scheduled work has run yet: nobody is enrolled and nothing is sent."
        yield Problem(text, page, "Open the schedules")
    elif last < now - PATIENCE:
        text = f"No scheduled work has run since {localtime(last):%d %b, %H:%M}."
        yield Problem(text, page, "Open the schedules")


def _queues(now: datetime) -> Iterator[Problem]:
    deliveries = reverse("admin:messaging_messagedelivery_changelist")
    late = MessageDelivery.objects.filter(
        status=DeliveryStatus.SCHEDULED, scheduled_at__lt=now - PATIENCE
    ).count()
    if late:
        yield Problem(
            f"{_count(late, 'message')} should have left more than 15 minutes ago.",
            f"{deliveries}?status__exact=scheduled",
            "Open them",
        )
    unknown = MessageDelivery.objects.filter(status=DeliveryStatus.UNKNOWN).count()
    if unknown:
        yield Problem(
            f"{_count(unknown, 'message')} had no answer from the provider, may have arrived, "
            f"and {'is' if unknown == 1 else 'are'} not sent again.",
            f"{deliveries}?status__exact=unknown",
            "Open them",
        )
    waiting = ProviderEvent.objects.filter(
        processed_at=None, received_at__lt=now - PATIENCE
    ).count()
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
