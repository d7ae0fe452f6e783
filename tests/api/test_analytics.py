"""Figures over the API are those of the roll-up."""

from itertools import pairwise

import pytest

from campaigns.models import CampaignAnalytics, CohortAnalytics
from tests import engine
from tests.api.world import Program
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db
SPAN = "from=2026-03-01&to=2026-03-31"


def test_figures_say_of_what() -> None:
    campaign = engine.campaign()
    for days, sent in ((0, 100), (1, 40)):
        CampaignAnalytics.objects.create(
            campaign=campaign,
            date=(NOW + days * DAY).date(),
            channel="sms",
            total_sent=sent,
            total_delivered=sent // 2,
            total_clicked=5,
        )
    program = Program()
    found = program.get(f"/analytics/kpis?{SPAN}&campaign={campaign.pk}").data
    assert (found["from"], found["to"]) == ("2026-03-01", "2026-03-31")
    assert found["total"]["sent"] == 140
    (channel,) = found["channels"]
    assert channel["delivery_rate"] == {"part": 70, "whole": 140, "percent": 50.0}
    assert found["campaigns"][0]["conversion_rate"] == {"part": 0, "whole": 0, "percent": None}
    days = program.get(f"/analytics/daily?{SPAN}&channel=sms").data["items"]
    assert [(one["day"], one["counts"]["sent"]) for one in days] == [
        ("2026-03-04", 100),
        ("2026-03-05", 40),
    ]
    assert program.get(f"/analytics/daily?{SPAN}&channel=email").data["items"] == []


def test_funnel_begins_with_who_is_eligible() -> None:
    campaign = engine.enrolled(2)[0].campaign
    engine.member()
    found = Program().get(f"/analytics/campaigns/{campaign.pk}/funnel?{SPAN}").data
    assert found["stages"][0]["key"] == "eligible"
    assert found["waiting"] == 1


def test_funnel_tells_which_stage_is_no_part_of_the_one_before() -> None:
    campaign = engine.campaign()
    CohortAnalytics.objects.create(
        campaign=campaign,
        date=NOW.date(),
        is_holdout=False,
        enrolled=10,
        sent=9,
        delivered=8,
        opened=6,
        clicked=4,
        returned=7,
        returned_clicked=3,
    )
    address = f"/analytics/campaigns/{campaign.pk}/funnel?{SPAN}"
    stages = Program().get(address).data["stages"]
    for before, stage in pairwise(stages):
        assert stage["of_before"]["whole"] == before["people"]
        if stage["is_part_of_before"]:
            assert stage["of_before"]["part"] == stage["people"]
    assert [one["key"] for one in stages if not one["is_part_of_before"]] == [
        "eligible",
        "returned",
    ]
    assert stages[-1]["people"] == 7
    assert stages[-1]["of_before"] == {"part": 3, "whole": 4, "percent": 75.0}


def test_days_that_make_no_period_are_refused() -> None:
    program = Program()
    for span in ("from=2026-03-02&to=2026-03-01", "from=2020-01-01&to=2026-01-01", "from=x"):
        refused = program.get(f"/analytics/kpis?{span}")
        assert (refused.status_code, refused.data["errors"][0]["parameter"]) == (422, "from")
