"""What is said of given counts, and what the split is held against."""

from datetime import timedelta

import pytest

from campaigns.experiments.results import Arm, Results, results
from campaigns.experiments.verdict import verdict
from campaigns.models import Experiment, Variant
from campaigns.schedule import schedule_due
from tests.campaigns.experiments.worlds import running
from tests.engine import DAY, NOW


def ripe(**opened: int) -> Results:
    """A test that is over: of 1,000 doctors of each variant so many opened it."""
    arms = [
        Arm(
            Variant(letter=letter),
            assigned=1000,
            sent=1000,
            delivered=1000,
            opened=count,
            last_sent_at=NOW,
        )
        for letter, count in opened.items()
    ]
    experiment = Experiment(metric="opened", min_per_arm=1000, horizon_days=7, filled_at=NOW)
    return Results(experiment, arms, NOW + 7 * DAY)


def test_chance_is_said_of_those_whom_chance_explains_and_not_of_one_that_is_worse():
    found = verdict(ripe(A=300, B=200, C=305))
    assert found.winner is None
    assert found.sentence == "No winner: the difference may be chance (p = 0.81)."
    assert found.notes == ["Variant B is worse than A (−10.0 points, p = under 0.001)."]


def test_nothing_is_said_of_worse_ones_where_chance_explains_all():
    found = verdict(ripe(A=300, B=290, C=305))
    assert found.sentence == "No winner: the difference may be chance (p = 1.00)."
    assert found.notes == []


def test_a_wins_only_where_each_of_the_others_is_worse():
    assert verdict(ripe(A=300, B=200, C=210)).winner.letter == "A"


@pytest.mark.django_db
def test_split_counts_the_evenings_variant_before_its_hour():
    made = running({"send_from": "18:00"}, kind="send_time", metric="clicked", doctors=60)
    schedule_due(NOW)
    found = results(made, NOW + timedelta(hours=1))
    assert [arm.waiting for arm in found.arms] == [arm.assigned for arm in found.arms]
    assert sum(arm.assigned for arm in found.arms) == 60
