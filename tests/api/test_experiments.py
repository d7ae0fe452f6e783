"""Results of an A/B test over the API are those of its page, and no sooner."""

import pytest
import time_machine

from campaigns.models import Experiment
from messaging.models import MessageDelivery
from tests import engine
from tests.api.world import Program
from tests.campaigns.experiments.worlds import experiment, running
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db
OTHER = {"subject_line": "Another subject"}


def test_draft_has_no_results_yet() -> None:
    draft = experiment(engine.campaign(days=(0,), channels=("email",)).steps.get(), OTHER)
    program = Program()
    shown = program.get(f"/experiments/{draft.pk}").data
    assert (shown["status"], shown["results"]) == ("draft", None)
    assert [one["id"] for one in program.get("/experiments").data["items"]] == [str(draft.pk)]


def test_running_test_shows_counts_and_compares_nothing() -> None:
    test = running(OTHER)
    engine.send_all(NOW)
    with time_machine.travel(NOW, tick=False):
        shown = Program().get(f"/experiments/{test.pk}").data
    found = shown["results"]
    assert found["sentence"].startswith("Too early to tell: variant ")
    assert (found["is_final"], found["winner"]) == (False, None)
    first, second = found["arms"]
    assert (first["letter"], second["letter"], second["subject"]) == ("A", "B", "Another subject")
    assert first["sent"] + second["sent"] == MessageDelivery.objects.count() == 8
    assert second["against_a"] is None
    share = first["clicked"]
    assert (share["part"], share["percent"], share["low"], share["high"]) == (0, None, 0.0, 100.0)


def test_ended_test_compares_each_variant_with_a() -> None:
    test = running(OTHER, doctors=60)
    engine.send_all(NOW)
    MessageDelivery.objects.update(delivered_at=NOW)
    MessageDelivery.objects.filter(variant__letter="B").update(opened_at=NOW + DAY)
    Experiment.objects.filter(pk=test.pk).update(
        status="ended",
        ended_at=NOW + 9 * DAY,
        conclusion="B wins.",
        winner=test.variants.get(letter="B"),
    )
    with time_machine.travel(NOW + 10 * DAY, tick=False):
        found = Program().get(f"/experiments/{test.pk}").data["results"]
    assert (found["sentence"], found["winner"]) == ("B wins.", "B")
    a, b = found["arms"]
    assert a["against_a"] is None
    assert b["opened"]["percent"] == 100.0
    assert b["against_a"]["points"] == 100.0
    assert b["against_a"]["p"] < 0.001


def test_list_is_of_one_campaign_and_status() -> None:
    mine, other = running(OTHER), running(OTHER)
    Experiment.objects.filter(pk=other.pk).update(status="ended")
    program = Program()
    for query in (f"campaign={mine.campaign_id}", "status=running"):
        listed = program.get(f"/experiments?{query}").data["items"]
        assert [one["id"] for one in listed] == [str(mine.pk)]
    assert program.get("/experiments?status=over").status_code == 422
