"""What messages cost, what they return, and what of it is theirs: ROI and lift over the holdout."""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
import time_machine
from django.urls import reverse

from campaigns.admin import results_money
from campaigns.admin.period import Period
from campaigns.admin.results import results_page
from campaigns.analytics import costs, count_everything, kpis, roll_up
from campaigns.analytics.figures import Rate
from campaigns.analytics.roi import Roi, lift, roi
from campaigns.models import Campaign
from messaging.models import DeliveryAttempt, MessageDelivery, ProviderAccount
from tests import engine
from tests.campaigns.facts import FIRST, TODAY, deliver, enrolled
from tests.engine import NOW

pytestmark = pytest.mark.django_db

WHOLE = (FIRST, TODAY)


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def running() -> Campaign:
    return engine.campaign(days=(0, 3), goal_rate=60)


def attempt(delivery: MessageDelivery, account: ProviderAccount, **fields: Any) -> None:
    DeliveryAttempt.objects.create(
        delivery=delivery,
        **fields,
        doctor=delivery.doctor,
        account=account,
        channel=delivery.channel,
        claim_id=delivery.pk,
        authorised_at=NOW,
        consent_version=0,
        outcome="accepted",
        timezone="Asia/Kolkata",
    )


def told(campaign: Campaign) -> list[str]:
    """What the results page says of cost and return."""
    found = roi(campaign, *WHOLE)
    return [line.text for line in results_money.roi_lines(campaign, found, Period(*WHOLE))]


def test_cost_is_the_parts_of_what_was_sent_at_the_price_of_then(running: Campaign) -> None:
    account = ProviderAccount.objects.create(channel="sms", provider="one", price_per_message="0.9")
    for price, parts in (("0.2", 1), ("0.2", 3), ("0.3", 2)):
        attempt(deliver(running, "sms", sent_at=NOW), account, price=price, sms_parts=parts)
    attempt(deliver(running, "sms", failed_at=NOW), account, price="0.2", sms_parts=9)  # refused
    count_everything(NOW)
    cost = costs(*WHOLE, [running])[running.pk]
    assert (cost.amount, cost.messages) == (Decimal("1.4"), 3)
    assert (cost.by_channel["sms"].units, cost.unmeasured, cost.at_present_price) == (6, 0, 0)
    lines = [
        line.text for line in results_money.roi_lines(running, roi(running, *WHOLE), Period(*WHOLE))
    ]
    assert lines[:2] == ["₹ 1.40 for 3 messages sent", "SMS: ₹ 1.40 for 3 messages, 6 parts"]
    assert not [line for line in lines if "unknown" in line or "today" in line]


def test_sms_of_before_parts_and_prices_were_kept_count_as_one_and_it_is_said(
    running: Campaign,
) -> None:
    account = ProviderAccount.objects.create(channel="sms", provider="one", price_per_message="0.5")
    attempt(deliver(running, "sms", sent_at=NOW), account)
    attempt(deliver(running, "sms", sent_at=NOW), account, price="0.2", sms_parts=2)
    count_everything(NOW)
    cost = costs(*WHOLE, [running])[running.pk]
    assert (cost.amount, cost.unmeasured, cost.at_present_price) == (Decimal("0.9"), 1, 1)
    lines = [
        line.text for line in results_money.roi_lines(running, roi(running, *WHOLE), Period(*WHOLE))
    ]
    assert "1 of 2 messages went out before a price was kept: counted at today's." in lines
    assert "1 SMS of unknown length counts as one part." in lines


def test_day_that_is_counted_again_costs_the_same_and_what_was_taken_back_nothing(
    running: Campaign,
) -> None:
    account = ProviderAccount.objects.create(channel="sms", provider="one")
    delivery = deliver(running, "sms", sent_at=NOW)
    attempt(delivery, account, price="0.2", sms_parts=2)
    for _ in range(2):
        count_everything(NOW)
        assert costs(*WHOLE, [running])[running.pk].amount == Decimal("0.4")
    DeliveryAttempt.objects.update(price="0.3")
    count_everything(NOW)
    assert costs(*WHOLE, [running])[running.pk].amount == Decimal("0.6")
    MessageDelivery.objects.update(sent_at=None)
    roll_up(TODAY, TODAY)
    assert costs(*WHOLE, [running]) == {}


def test_cost_without_a_price_of_then_is_at_the_price_of_its_account(running: Campaign) -> None:
    cheap, dear = (
        ProviderAccount.objects.create(channel="sms", provider=name, price_per_message=price)
        for name, price in (("one", "0.2"), ("two", "0.5"))
    )
    for account in (cheap, cheap, dear):
        attempt(deliver(running, "sms", sent_at=NOW), account)
    attempt(deliver(running, "sms", failed_at=NOW), dear)  # refused: costs nothing
    deliver(running, "email", sent_at=NOW)  # before attempts named their account
    enrolled(running, 3, came_back_after=1)
    enrolled(running, 3, came_back_after=1, is_holdout=True)
    count_everything(NOW)
    cost = costs(*WHOLE, [running])[running.pk]
    assert (cost.amount, cost.messages, cost.unpriced) == (Decimal("0.9"), 4, {"E-mail"})
    running.value_per_return = Decimal(9)
    assert roi(running, *WHOLE).ratio == 10


def test_roi_says_what_is_missing(running: Campaign) -> None:
    deliver(running, "sms", sent_at=NOW)
    count_everything(NOW)
    assert roi(running, *WHOLE).missing == "value"
    running.value_per_return = Decimal(5)
    assert roi(running, *WHOLE).missing == "price"
    measure = results_money.roi_measure(running, roi(running, *WHOLE), "#money")
    assert measure.link == reverse("admin:messaging_provideraccount_changelist")


def groups(campaign: Campaign, written_to: tuple[int, int], holdout: tuple[int, int]) -> None:
    for is_holdout, (part, whole) in ((False, written_to), (True, holdout)):
        for number in range(whole):
            back = 1 if number < part else None
            enrolled(campaign, 5, back, is_holdout=is_holdout)
    count_everything(NOW)


def test_lift_has_newcombes_interval(running: Campaign) -> None:
    groups(running, (56, 70), (48, 80))  # Newcombe 1998, table II, example (a), method 10
    found = lift(running, *WHOLE)
    assert found is not None
    assert (round(found.low, 4), round(found.middle, 4), round(found.high, 4)) == (
        0.0524,
        0.2,
        0.3339,
    )
    assert found.is_told_from_chance
    assert found.returns() == (4, 14, 23)


def test_lift_brings_back_of_all_who_came_back_as_all_messages_cost(running: Campaign) -> None:
    """Also of those enrolled on days on which chance held nobody out."""
    for number in range(40):
        enrolled(running, 3, 1 if number < 28 else None)
    groups(running, (56, 70), (48, 80))
    found = lift(running, *WHOLE)
    assert found is not None
    assert (found.written_to, found.came_back) == (Rate(56, 70), 84)
    assert found.returns() == (6, 21, 35)  # half as many again as of the 56


def test_lift_says_nothing_of_those_who_had_no_time_yet(running: Campaign) -> None:
    for _ in range(70):
        enrolled(running, 0)
    groups(running, (56, 70), (48, 80))
    found = lift(running, *WHOLE)
    assert found is not None
    assert found.returns() == (4, 14, 23)


def test_lift_never_brings_back_more_than_came_back(running: Campaign) -> None:
    groups(running, (10, 30), (0, 30))
    found = lift(running, *WHOLE)
    assert found is not None
    assert round(found.high * 30) == 15
    assert found.returns()[1:] == (10, 10)


@pytest.mark.parametrize(
    ("written_to", "holdout", "words"),
    [
        ((5, 29), (1, 30), "Too few to tell: each group needs 30 people at least."),
        ((12, 40), (10, 40), "Too few to tell: the difference may be chance."),
    ],
)
def test_lift_says_when_it_can_not_tell(
    running: Campaign, written_to: tuple[int, int], holdout: tuple[int, int], words: str
) -> None:
    groups(running, written_to, holdout)
    nothing = Roi(0, None, costs(*WHOLE, [running])[running.pk])
    (one,) = kpis(*WHOLE, running, now=NOW).enrollments
    lines = results_money.lift_lines(running, lift(running, *WHOLE), nothing, one, Period(*WHOLE))
    assert words in [line.text for line in lines]


def test_no_holdout_is_said(running: Campaign) -> None:
    enrolled(running, 5)
    count_everything(NOW)
    assert lift(running, *WHOLE) is None
    page = results_page(running, Period(*WHOLE), NOW)
    assert page["lift"][0].text.startswith("No holdout")
