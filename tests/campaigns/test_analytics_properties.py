"""Whatever happened, and however often it was counted: the figures are a plain recount."""

import random
from collections import Counter
from datetime import date, datetime, timedelta
from math import ceil
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db.models import Min
from django.utils import timezone

from campaigns.analytics import catch_up
from campaigns.analytics.people import PEOPLE
from campaigns.models import (
    Campaign,
    CampaignAnalytics,
    CampaignEnrollment,
    CohortAnalytics,
    StepAnalytics,
)
from messaging.models import MessageDelivery, UnsubscribeRecord
from messaging.track import Event, apply_events, store
from tests import engine
from tests.campaigns.facts import deliver, enrolled
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db

KINDS = ("sent", "delivered", "opened", "clicked", "failed", "unsubscribed")
HOUR = timedelta(hours=1)
ROUNDS = 6


def local(moment: datetime) -> date:
    return moment.astimezone(ZoneInfo("Asia/Kolkata")).date()


def recount_messages() -> tuple[Counter[Any], Counter[Any]]:
    """By campaign, day, channel; and by step, variant, account and day: each with the kind."""
    days: Counter[Any] = Counter()
    steps: Counter[Any] = Counter()
    for delivery in MessageDelivery.objects.select_related("campaign_message"):
        facts = {(kind, getattr(delivery, f"{kind}_at")) for kind in KINDS[:5]}
        opt_outs = UnsubscribeRecord.objects.filter(delivery=delivery, paused_until=None)
        opted = {("unsubscribed", opt_outs.aggregate(at=Min("unsubscribed_at"))["at"])}  # once
        happened = {(kind, local(at)) for kind, at in facts | opted if at}
        for kind, day in happened:
            campaign = delivery.campaign_message.campaign_id
            days[campaign, day, delivery.channel, kind] += 1
            steps[delivery.campaign_message_id, day, kind] += 1
    return days, steps


def recount_people() -> dict[Any, dict[str, Any]]:
    """By campaign, day of enrolment and holdout."""
    found: dict[Any, dict[str, Any]] = {}
    for person in CampaignEnrollment.objects.all():
        key = (person.campaign_id, local(person.enrolled_at), person.is_holdout)
        cohort = found.setdefault(key, dict.fromkeys(PEOPLE, 0) | {"returned_after": Counter()})
        got = list(MessageDelivery.objects.filter(enrollment=person))
        cohort["enrolled"] += 1
        cohort["under_way"] += person.status == "active"
        for kind in KINDS[:4]:
            cohort[kind] += any(getattr(one, f"{kind}_at") for one in got)
        cohort["unsubscribed"] += person.unsubscribed_at is not None
        if person.converted_at:
            cohort["returned"] += 1
            cohort["returned_clicked"] += any(one.clicked_at for one in got)
            days = max(0, ceil((person.converted_at - person.enrolled_at) / DAY))
            cohort["returned_after"][str(days)] += 1
    return found


def counted_messages() -> tuple[Counter[Any], Counter[Any]]:
    days: Counter[Any] = Counter()
    steps: Counter[Any] = Counter()
    for row in CampaignAnalytics.objects.all():
        for kind in KINDS:
            days[row.campaign_id, row.date, row.channel, kind] += getattr(row, f"total_{kind}")
    for part in StepAnalytics.objects.all():
        for kind in KINDS:
            steps[part.step_id, part.date, kind] += getattr(part, f"total_{kind}")
    return +days, +steps  # without what was written down to 0


def counted_people() -> dict[Any, dict[str, Any]]:
    return {
        (row.campaign_id, row.date, row.is_holdout): {name: getattr(row, name) for name in PEOPLE}
        | {"returned_after": Counter(row.returned_after)}
        for row in CohortAnalytics.objects.exclude(enrolled=0)
    }


def something_happens(chance: random.Random, campaigns: list[Campaign], now: datetime) -> None:
    """An enrolment with messages, and late reports, returns and opt-outs of older ones."""
    campaign = chance.choice(campaigns)
    person = enrolled(campaign, (NOW - now) / DAY, is_holdout=chance.random() < 0.2)
    for channel in chance.sample(["whatsapp", "sms", "email"], chance.randint(0, 2)):
        deliver(campaign, channel, person, status="sent", sent_at=now - chance.random() * HOUR)
    older = list(MessageDelivery.objects.order_by("pk"))
    for delivery in chance.sample(older, k=min(2, len(older))):
        kind = chance.choice(["delivered", "opened", "clicked", "failed"])
        span = (now - delivery.sent_at) / HOUR
        occurred = delivery.sent_at + chance.random() * max(span, 0) * HOUR
        store([Event("fake", str(chance.random()), kind, occurred, delivery.pk)], now)
        if chance.random() < 0.2:
            UnsubscribeRecord.objects.create(
                doctor=engine.doctor(), delivery=delivery, unsubscribed_at=occurred
            )
    if chance.random() < 0.7:
        apply_events(now)
    if chance.random() < 0.5:
        back = chance.choice(list(CampaignEnrollment.objects.order_by("pk")))
        returned = back.enrolled_at + chance.random() * max(now - back.enrolled_at, HOUR)
        CampaignEnrollment.objects.filter(pk=back.pk).update(
            status="converted", converted_at=returned, completed_at=now
        )


@pytest.mark.parametrize("seed", range(4))
def test_figures_are_a_plain_recount_of_any_history(seed: int) -> None:
    chance = random.Random(seed)
    campaigns = [engine.campaign(days=(0,)) for _ in range(2)]
    now = NOW - 60 * DAY
    for _ in range(ROUNDS):
        for _ in range(8):
            now += chance.random() * DAY
            something_happens(chance, campaigns, now)
        now += chance.choice([HOUR, DAY, 9 * DAY])
        catch_up(now)
        assert counted_messages() == recount_messages(), timezone.localtime(now)
        assert counted_people() == recount_people(), timezone.localtime(now)
