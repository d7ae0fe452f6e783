"""What a launch begins: at most, and within caps, hours and the doctors' other campaigns."""

from decimal import Decimal

import pytest

from campaigns.admin import lifecycle_text
from campaigns.estimate import estimate
from campaigns.feasibility import sequence_of, typical
from campaigns.models import Campaign
from messaging.models import Channel, ProviderAccount
from segments.models import Doctor
from tests import engine
from tests.engine import NOW

pytestmark = pytest.mark.django_db


@pytest.fixture
def draft() -> Campaign:
    """Nine messages of which not all find room, for 50 paise each, and four doctors."""
    for channel in Channel.values:
        ProviderAccount.objects.create(
            channel=channel, provider="sandbox", price_per_message=Decimal("0.5")
        )
    for _ in range(4):
        engine.member()
    return engine.campaign(days=(0, 2, 5), status="draft")


def test_estimate_says_what_fits_into_caps_and_hours(draft):
    found = estimate(draft, NOW)
    sent = typical(sequence_of(draft)).sent
    assert sent < 9
    assert (found.messages, found.expected) == (36, 4 * sent)
    assert (found.cost, found.expected_cost) == (Decimal(18), 4 * sent * Decimal("0.5"))
    by_channel = {one.channel: one.expected for one in found.channels}
    went = [one.step.channel for one in typical(sequence_of(draft)).outcomes if one.went]
    assert by_channel == {channel: 4 * went.count(channel) for channel in Channel.values}


def test_estimate_counts_what_other_campaigns_take(draft):
    alone = estimate(draft, NOW).expected
    other = engine.campaign(days=(0, 2), priority=1, segment_type="no_show")
    for doctor in Doctor.objects.all():
        other.enrollments.create(doctor=doctor, enrolled_at=NOW)
    assert estimate(draft, NOW).expected < alone


def test_estimate_of_nobody_and_of_no_steps_is_nothing():
    empty = engine.campaign(days=(), status="draft")
    assert (estimate(empty, NOW).messages, estimate(empty, NOW).expected) == (0, 0)
    assert estimate(engine.campaign(status="draft"), NOW).expected == 0


def test_estimate_leaves_the_holdout_out(draft):
    Campaign.objects.filter(pk=draft.pk).update(holdout_percent=50)
    draft.refresh_from_db()
    found = estimate(draft, NOW)
    assert found.expected == found.waiting.written_to * typical(sequence_of(draft)).sent


def test_question_before_a_launch_says_both(draft, admin_user):
    (table,) = lifecycle_text.launch_question(draft, NOW, admin_user).tables
    sent = 4 * typical(sequence_of(draft)).sent
    assert table.title == (
        f"At most 36 messages for about ₹18.00; within caps and hours about {sent} will go out, "
        f"for about ₹{sent / 2:.2f}"
    )
    assert table.rows[-1] == ("Together", "36", f"{sent}", "", "", f"₹{sent / 2:.2f}", "₹18.00")
