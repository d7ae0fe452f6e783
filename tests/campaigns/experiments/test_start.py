"""What keeps a test from starting, and what is locked while it runs."""

from datetime import time

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from campaigns.experiments import lifecycle, problems
from campaigns.models import CampaignMessage, Experiment, Variant
from campaigns.transition import NotReady
from tests import engine
from tests.campaigns.experiments.worlds import another_text, experiment, running
from tests.engine import NOW

pytestmark = pytest.mark.django_db

B = {"subject_line": "Another subject"}


@pytest.fixture
def step() -> CampaignMessage:
    return engine.campaign(days=(0,), channels=("email",)).steps.get()


# --- Start ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("others", "fields", "words"),
    [
        ((), {}, "A test needs 2 to 4 variants; this one has 1."),
        (({},), {}, "Variant B needs a subject of its own."),
        (({"subject_line": "your  Certificate"},), {}, "Variants A and B have the same subject."),
        (({"send_from": time(9)},), {"kind": "send_time"}, "from 10:00 to 21:00"),
        (({"send_from": time(10)},), {"kind": "send_time"}, "Variants A and B have the same hour."),
        (({},), {"kind": "cta"}, "Variant B needs another template: choose its text."),
        (({**B, "send_from": time(17)},), {}, "leave its text or hour as in A"),
        (({"subject_line": "{{no_such}}"},), {}, "would go out broken"),
    ],
)
def test_start_refuses_what_is_no_comparison(step, others, fields, words):
    made = experiment(step, *others, **fields)
    assert any(words in problem for problem in problems(made)), problems(made)
    with pytest.raises(NotReady):
        lifecycle.start(made, NOW, None)
    made.refresh_from_db()
    assert made.status == "draft"


def test_start_refuses_a_second_test_of_the_step_and_a_second_click(step):
    first, second = experiment(step, B), experiment(step, B)
    lifecycle.start(first, NOW, None)
    with pytest.raises(NotReady, match="end it first"):
        lifecycle.start(second, NOW, None)
    with pytest.raises(NotReady, match="running already"):
        lifecycle.start(first, NOW, None)


def test_sms_can_not_be_decided_by_opens():
    step = engine.campaign(days=(0,), channels=("sms",)).steps.get()
    other = another_text(step, "Dr. {{last_name}}: {{shortlink}} -CLIRNET")
    made = experiment(step, {"template": other}, kind="cta", metric="opened")
    assert problems(made) == [
        "Nobody can tell whether an SMS was opened: decide by clicks or returns."
    ]


def test_problems_of_a_running_test_tell_of_a_text_that_broke(step):
    other = another_text(step, "Short.\n\n[Get it →] {{shortlink}}")
    made = experiment(step, {"template": other}, kind="length", metric="clicked")
    lifecycle.start(made, NOW, None)
    assert problems(made) == []
    type(other).objects.filter(pk=other.pk).update(template_content="{{nonsense}}")
    found = problems(Experiment.objects.get())
    assert found
    assert all(problem.startswith("Variant B: the template") for problem in found)


# --- Locked ---------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["metric", "min_per_arm", "horizon_days", "kind"])
def test_running_experiment_refuses_another_rule(field):
    made = running(B)
    new = {"metric": "clicked", "min_per_arm": 40, "horizon_days": 1, "kind": "cta"}[field]
    with pytest.raises(IntegrityError, match="locked"), transaction.atomic():
        Experiment.objects.filter(pk=made.pk).update(**{field: new})
    with pytest.raises(IntegrityError, match="locked"), transaction.atomic():
        Experiment.objects.filter(pk=made.pk).update(status="draft")


def test_running_experiment_refuses_changes_of_its_variants():
    made = running(B)
    for forged in (
        lambda: Variant.objects.filter(experiment=made).update(weight=50),
        lambda: Variant.objects.create(experiment=made, letter="C", subject_line="Third"),
        lambda: Variant.objects.filter(experiment=made, letter="B").delete(),
    ):
        with pytest.raises(IntegrityError, match="locked"), transaction.atomic():
            forged()


@pytest.mark.parametrize(
    "change", [{"delay_days": 4}, {"subject_line": "New"}, {"send_from": time(12)}]
)
def test_step_of_a_running_test_can_not_change(change):
    made = running(B)
    with pytest.raises(IntegrityError, match="running experiment"), transaction.atomic():
        CampaignMessage.objects.filter(pk=made.step_id).update(**change)
    step = CampaignMessage.objects.get()
    for name, value in change.items():
        setattr(step, name, value)
    with pytest.raises(ValidationError, match="End the test first"):
        step.full_clean()
    lifecycle.end(made, NOW)
    step.full_clean()
    step.save()


def test_step_of_a_running_test_can_change_its_place_but_not_be_deleted():
    made = running(B)
    step = CampaignMessage.objects.get()
    step.sequence_order = 7
    step.full_clean()
    step.save()
    with pytest.raises(ProtectedError):
        step.delete()
    assert Experiment.objects.get(pk=made.pk).status == "running"


def test_draft_campaign_is_deleted_with_its_test(step):
    type(step.campaign).objects.update(status="draft")
    lifecycle.start(experiment(step, B), NOW, None)
    step.campaign.refresh_from_db()
    Experiment.objects.all().delete()
    step.campaign.delete()
    assert not Experiment.objects.exists()
