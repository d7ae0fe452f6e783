"""With four eyes the text of a campaign under way is not changed by one person alone."""

import pytest
from django.core.exceptions import ValidationError

from campaigns.models import Campaign, Experiment, Variant
from messaging import versions
from messaging.models import MessageTemplate
from tests import engine

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _four_eyes(settings):
    settings.FOUR_EYES = True


@pytest.fixture
def used():
    made = engine.campaign(days=(0,), channels=("email",))
    return MessageTemplate.objects.get(steps__campaign=made)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("template_content", "Another text: {{shortlink}}"),
        ("subject_line", "Another one"),
        ("preheader", "In short"),
        ("defaults", {"last_name": "colleague"}),
    ],
)
@pytest.mark.parametrize("status", ["active", "paused"])
def test_what_a_doctor_reads_is_held(used, field, value, status):
    Campaign.objects.update(status=status)
    setattr(used, field, value)
    with pytest.raises(ValidationError) as refused:
        used.full_clean()
    ((name, (why,)),) = refused.value.message_dict.items()
    assert name == field
    assert str(Campaign.objects.get()) in why
    assert "press Copy" in why


def test_what_nobody_reads_may_change(used):
    used.title = "Another name"
    used.full_clean()


@pytest.mark.parametrize("status", ["draft", "in_review", "completed"])
def test_text_of_a_campaign_not_under_way_may_change(used, status):
    Campaign.objects.update(status=status)
    used.template_content += " Yours, CLIRNET"
    used.full_clean()


def test_text_of_a_step_taken_out_may_change(used):
    used.steps.update(removed_at=engine.NOW)
    used.template_content += " Yours, CLIRNET"
    used.full_clean()


def test_text_of_a_variant_is_held_while_its_test_runs(used):
    step = used.steps.get()
    draft = engine.campaign(days=(0,), channels=("email",), status="draft")
    other = MessageTemplate.objects.get(steps__campaign=draft)
    test = Experiment.objects.create(
        campaign=step.campaign, step=step, name="Longer?", kind="body", metric="clicked"
    )
    Variant.objects.create(experiment=test, letter="B", template=other)
    other.template_content += " Yours, CLIRNET"
    other.full_clean()  # a draft
    Experiment.objects.update(status="running")
    with pytest.raises(ValidationError, match="press Copy"):
        other.full_clean()


def test_text_of_a_winner_is_held_until_it_is_taken_over(used):
    step = used.steps.get()
    draft = engine.campaign(days=(0,), channels=("email",), status="draft")
    other = MessageTemplate.objects.get(steps__campaign=draft)
    test = Experiment.objects.create(
        campaign=step.campaign, step=step, name="Longer?", kind="body", metric="clicked"
    )
    variant = Variant.objects.create(experiment=test, letter="B", template=other)
    Experiment.objects.update(status="ended", winner=variant)
    other.template_content += " Yours, CLIRNET"
    with pytest.raises(ValidationError, match="press Copy"):
        other.full_clean()
    Experiment.objects.update(promoted_at=engine.NOW)
    other.full_clean()  # a step that took it over is looked at by itself


def test_earlier_version_is_held_too(used, settings):
    settings.FOUR_EYES = False
    used.template_content += " Yours, CLIRNET"
    used.full_clean()
    used.save()
    settings.FOUR_EYES = True
    with pytest.raises(versions.RefusedError, match="press Copy"):
        versions.restore(used.pk, 1, None)
    used.refresh_from_db()
    assert used.template_content.endswith("Yours, CLIRNET")


def test_one_pair_of_eyes_changes_it_alone(used, settings):
    settings.FOUR_EYES = False
    used.template_content += " Yours, CLIRNET"
    used.full_clean()
