"""Each thing that can be wrong with a campaign is found, and nothing else with it."""

from datetime import time, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.db.models import F

from campaigns import launch
from campaigns.enroll import waiting
from campaigns.models import Campaign, CampaignMessage, Experiment, Variant
from campaigns.preflight import aims, blocking, findings, of_doctors, static
from messaging.audience import run
from messaging.models import AudienceCheck, Channel, ConsentRecord, MessageTemplate, ProviderAccount
from reengage.initial import create_missing
from segments.models import Doctor, UserSegment
from tests import engine
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _clock():
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture(autouse=True)
def _ours(settings):
    """The settings of a system that somebody has set up, and still tries out."""
    settings.DEFAULT_FROM_EMAIL = "CLIRNET <news@clirnet.com>"
    settings.SENDER_ADDRESS = "CLIRNET, 12 Marine Drive, Mumbai 400020"
    settings.SUPPORT_EMAIL, settings.SUPPORT_PHONE = "help@clirnet.com", "+91 22 1111 2222"
    for channel in Channel.values:
        account = {"channel": channel, "provider": "sandbox", "price_per_message": "0.5"}
        ProviderAccount.objects.create(**account)


@pytest.fixture
def perfect() -> Campaign:
    """A draft with which nothing is wrong, and its doctors."""
    made = engine.campaign(
        days=(0, 7),
        status="draft",
        start_date=None,
        goal_rate=60,
        value_per_return=Decimal(500),
    )
    for step in made.steps.filter(delay_days=7).select_related("template"):
        template_of(made, step.sequence_order, template_content=f"Still: {text_of(step)}")
    for _ in range(2):
        engine.member()
    check(made)
    return made


def text_of(step: CampaignMessage) -> str:
    return step.template.template_content


def check(made: Campaign) -> AudienceCheck:
    asked, _ = run.ask(NOW, campaign=made)
    run.run_check(asked.pk, lambda: NOW)
    asked.refresh_from_db()
    return asked


def keys(made: Campaign, *levels: str) -> list[str]:
    levels = levels or ("blocking", "warning")
    made = Campaign.objects.get(pk=made.pk)
    return [one.key for one in findings(made, NOW) if one.level in levels]


def test_nothing_is_wrong_with_a_perfect_campaign(perfect):
    assert keys(perfect) == []


def step_of(made: Campaign, number: int = 1, **fields):
    made.steps.filter(sequence_order=number).update(**fields)


def template_of(made: Campaign, number: int = 1, **fields):
    template = made.steps.get(sequence_order=number).template
    MessageTemplate.objects.filter(pk=template.pk).update(**fields)


def campaign_of(made: Campaign, **fields):
    Campaign.objects.filter(pk=made.pk).update(**fields)


def account_of(channel: str, **fields):
    ProviderAccount.objects.filter(channel=channel).update(**fields)


def say_the_same(made: Campaign, one: int, other: int):
    """Two templates with one text, spaced in another way; the check is of before, and of now."""
    text = text_of(made.steps.get(sequence_order=one))
    template_of(made, other, template_content=text.replace(" ", "  "))


def renumber(made: Campaign):
    """The days' numbers, the last first; nothing else."""
    made.steps.update(sequence_order=7 - F("sequence_order"))
    check(made)


def begin_small(made: Campaign):
    """A first stage with somebody in it: who is, a hash of the campaign's key says."""
    campaign_of(made, rollout_percent=50)
    made.refresh_from_db()
    while not waiting(made, NOW).total:
        engine.member()


# What is broken, with the finding that says so. A step's own text is that of step 1, WhatsApp.
BLOCKING = {
    "template_empty": lambda made: template_of(made, template_content=" "),
    "template_broken": lambda made: template_of(made, template_content="{{nobody}} {{shortlink}}"),
    "template_segment": lambda made: template_of(made, segment_type="no_show"),
    "template_channel": lambda made: template_of(made, channel="sms"),
    "end_past": lambda made: campaign_of(made, end_date=NOW),
    "end_before_last_step": lambda made: campaign_of(made, end_date=NOW + 6 * DAY),
}
WARNINGS = {
    "start_past": lambda made: campaign_of(made, start_date=NOW - DAY),
    "goal_missing": lambda made: campaign_of(made, goal_rate=None),
    "value_missing": lambda made: campaign_of(made, value_per_return=None),
    "hours_narrow": lambda made: campaign_of(made, send_from=time(20, 30), send_until=time(22)),
    "hour_of_step": lambda made: step_of(made, 2, send_from=time(22)),
    "rollout_small": begin_small,
    "holdout_small": lambda made: campaign_of(made, holdout_percent=5),
    "never_goes": lambda made: made.steps.filter(delay_days=7).update(delay_days=2),
    "account_waits": lambda made: account_of("sms", is_paused=True),
    "price_missing": lambda made: account_of("email", price_per_message=0),
    "audience_unchecked": lambda made: AudienceCheck.objects.all().delete(),
    "audience_unfinished": lambda made: AudienceCheck.objects.update(state="cancelled"),
    "audience_stale": lambda made: AudienceCheck.objects.update(requested_at=NOW - 8 * DAY),
    "segment_stale": lambda made: UserSegment.objects.update(calculated_at=NOW - 2 * DAY),
    "segment_empty": lambda made: UserSegment.objects.all().delete(),
    "nobody_waits": lambda made: UserSegment.objects.update(inactive_since=NOW + DAY),
    "no_consent": lambda made: ConsentRecord.objects.all().delete(),
    "same_segment": lambda made: engine.campaign(days=(0,)),
    "test_not_started": lambda made: experiment(made, "draft"),
    "text_twice": lambda made: say_the_same(made, 1, 4),
    "numbers_against_days": renumber,
    "late_first_step": lambda made: made.steps.update(delay_days=F("delay_days") + 1),
    "start_far": lambda made: campaign_of(made, start_date=NOW + 400 * DAY),
    "end_far": lambda made: campaign_of(made, end_date=NOW + 3000 * DAY),
    "goal_short": lambda made: campaign_of(made, goal_days=6),
}


@pytest.mark.parametrize("key", BLOCKING)
def test_what_keeps_it_from_sending_is_found_alone(perfect, key):
    BLOCKING[key](perfect)
    perfect.refresh_from_db()
    assert set(keys(perfect, "blocking")) == {key}
    assert [one.text for one in blocking(perfect, NOW)] == launch.problems(perfect, NOW)
    with pytest.raises(launch.NotReady):
        launch.launch(perfect, NOW)


@pytest.mark.parametrize("key", WARNINGS)
def test_what_is_to_be_looked_at_is_found_alone(perfect, key):
    WARNINGS[key](perfect)
    # That a test is small goes with its not being started; a lost message costs the check nothing.
    assert set(keys(perfect)) - {"test_small"} == {key}
    perfect.refresh_from_db()
    assert launch.problems(perfect, NOW) == []


def experiment(made: Campaign, status: str, second: str = "17:00") -> Experiment:
    test = Experiment.objects.create(
        campaign=made, step=made.steps.get(sequence_order=4), name="Which hour?", kind="send_time"
    )
    for letter, hour in (("A", None), ("B", second)):
        Variant.objects.create(experiment=test, letter=letter, send_from=hour)
    Experiment.objects.filter(pk=test.pk).update(status=status)
    return test


def test_every_finding_is_one_sentence_or_more_and_links_to_its_mend(perfect):
    made = engine.campaign(days=(), status="draft", segment_type="no_show")
    for one in [*findings(perfect, NOW), *findings(made, NOW)]:
        assert one.text[-1] in ".?", one
        assert bool(one.link) == bool(one.link_text), one
        assert one.level == "ok" or one.link, one


def test_campaign_without_steps_is_told_so_and_of_nothing_that_steps_need():
    made = engine.campaign(
        days=(), status="draft", goal_rate=1, value_per_return=1, start_date=None
    )
    engine.member()
    assert keys(made) == ["no_steps", "nobody_waits"]


@pytest.mark.parametrize("days", [29, 61])
def test_quiet_days_outside_the_strategys_are_doubted_for_those_who_went_quiet(perfect, days):
    campaign_of(perfect, inactivity_days=days, segment_type="aida_users")
    assert "inactivity" in keys(perfect)
    campaign_of(perfect, inactivity_days=45)
    assert "inactivity" not in keys(perfect)
    campaign_of(perfect, inactivity_days=days, segment_type="no_show")
    assert "inactivity" not in keys(perfect)


def test_hours_outside_a_channels_are_found_for_each(perfect):
    campaign_of(perfect, send_from=time(21), send_until=time(23))
    assert keys(perfect, "blocking") == ["hours_outside"] * 3


def test_missing_address_is_counted_with_its_denominator(perfect):
    first, _ = Doctor.objects.order_by("pk")
    Doctor.objects.filter(pk=first.pk).update(email=None)
    found = [one for one in findings(perfect, NOW) if one.key == "no_address"]
    assert [one.text for one in found] == [
        "1 of 2 doctors have no e-mail address: they get no message by E-mail."
    ]


def test_withdrawn_consent_counts_on_a_channel_that_needs_none(perfect):
    doctor = Doctor.objects.first()
    consent = {"doctor": doctor, "channel": "sms", "source": "test"}
    ConsentRecord.objects.create(**consent, is_given=True, recorded_at=NOW - 2 * DAY)
    assert keys(perfect) == []
    ConsentRecord.objects.create(**consent, is_given=False, recorded_at=NOW - DAY)
    assert keys(perfect) == ["no_consent"]


def test_missing_variable_is_told_from_the_newest_check(perfect):
    template_of(perfect, template_content="Dear {{speaker_name}}: {{shortlink}}")
    made = check(perfect)
    found = [one for one in findings(perfect, NOW) if one.key == "variables"]
    (told,) = found
    assert told.text.endswith("all would be skipped at least once because speaker_name is missing.")
    assert str(made.pk) in told.link


def test_check_of_other_steps_or_texts_is_stale(perfect):
    perfect.steps.filter(sequence_order=6).delete()
    assert keys(perfect) == ["audience_stale"]
    check(perfect)
    assert keys(perfect) == []
    template_of(perfect, updated_at=NOW + timedelta(minutes=1))
    assert keys(perfect) == ["audience_stale"]


def test_end_in_a_running_campaign_only_warns(perfect):
    campaign_of(perfect, status="active", start_date=NOW, end_date=NOW + 6 * DAY)
    assert keys(perfect) == ["end_before_last_step"]
    campaign_of(perfect, end_date=NOW + 8 * DAY)
    assert keys(perfect) == []


@pytest.mark.parametrize(
    ("name", "value", "key"),
    [
        ("DEFAULT_FROM_EMAIL", "CLIRNET <news@clirnet.example>", "sender_missing"),
        ("DEFAULT_FROM_EMAIL", "", "sender_missing"),
        ("SENDER_ADDRESS", "CLIRNET, India", "footer_missing"),
        ("SENDER_ADDRESS", " ", "footer_missing"),
        ("SUPPORT_EMAIL", "support@clirnet.example", "support_email_missing"),
        ("SUPPORT_PHONE", "+91 22 0000 0000", "support_phone_missing"),
        ("SUPPORT_PHONE", "", "support_phone_missing"),
    ],
)
def test_sender_that_is_not_ours_warns_in_a_trial_and_blocks_in_earnest(
    perfect, settings, name, value, key
):
    words = "[Download →] {{shortlink}} Ask {{support_email}} or {{support_phone}}."
    template_of(perfect, 3, template_content=words)
    assert keys(perfect) == []
    setattr(settings, name, value)
    assert keys(perfect) == [key]
    settings.PRODUCTION = True
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "email": "smtp"}
    settings.PROVIDER_VARIABLES = {"SMTP_URL": "smtp://127.0.0.1:1"}
    settings.PUBLIC_BASE_URL = "https://re.clirnet.com"
    assert keys(perfect, "blocking") == [key]


def test_contacts_that_no_text_names_are_not_looked_at(perfect, settings):
    settings.SUPPORT_EMAIL = settings.SUPPORT_PHONE = ""
    assert keys(perfect) == []


def test_provider_that_is_not_set_up_blocks(perfect, settings):
    settings.PUBLIC_BASE_URL = "https://re.clirnet.com"
    settings.MESSAGE_PROVIDERS = {**settings.MESSAGE_PROVIDERS, "whatsapp": "interakt"}
    found = {one.key: one.text for one in blocking(perfect, NOW)}
    assert "INTERAKT_API_KEY is not set" in found["provider_missing"]


def test_sandbox_in_production_and_an_address_that_nobody_reaches_are_told(perfect, settings):
    settings.PRODUCTION = True
    assert keys(perfect) == ["provider_sandbox"] * 3
    settings.PROVIDER_VARIABLES = {"SMTP_URL": "smtp://127.0.0.1:1"}
    settings.MESSAGE_PROVIDERS = dict.fromkeys(Channel.values, "sandbox") | {"email": "smtp"}
    assert "public_address" in keys(perfect, "blocking")


def test_running_test_whose_variant_can_not_go_blocks(perfect):
    test = experiment(perfect, "draft")
    template = MessageTemplate.objects.create(
        template_key="b",
        channel="whatsapp",
        segment_type=perfect.segment_type,
        sequence_order=1,
        template_content="",
    )
    test.variants.filter(letter="B").update(send_from=None, template=template)
    Experiment.objects.filter(pk=test.pk).update(kind="length", status="running")
    assert set(keys(perfect, "blocking")) == {"test_broken"}


def test_large_holdout_and_rollout_are_fine(perfect, monkeypatch):
    for _ in range(78):
        engine.member()
    campaign_of(perfect, holdout_percent=40)
    assert keys(perfect) == []
    campaign_of(perfect, holdout_percent=50)
    assert keys(perfect) == ["holdout_large"]
    campaign_of(perfect, holdout_percent=0)
    begin_small(perfect)
    assert keys(perfect) == ["rollout_small"]
    monkeypatch.setattr(aims, "FEWEST_IN_STAGE", 10)
    assert keys(perfect) == []


def count(django_assert_max_num_queries, ask) -> int:
    with django_assert_max_num_queries(60) as asked:
        ask()
    return len(asked)


def test_what_is_told_without_doctors_and_what_by_them_is_everything(perfect):
    told = [one.key for found in (static, of_doctors) for one in found(perfect, NOW)]
    assert sorted(told) == sorted(one.key for one in findings(perfect, NOW))
    assert {"segment", "reach", "doubts"} <= {one.key for one in of_doctors(perfect, NOW)}


def test_queries_are_as_many_for_three_doctors_and_steps_as_for_one(django_assert_max_num_queries):
    small, large = (
        engine.campaign(days=days, channels=("email",), status="draft", name="Ours")
        for days in ((0,), (0, 7, 14))
    )
    engine.member()
    check(small), check(large)
    findings(small, NOW)  # the first may set something up
    one = count(django_assert_max_num_queries, lambda: findings(small, NOW))
    engine.member(), engine.member()
    assert count(django_assert_max_num_queries, lambda: findings(large, NOW)) == one
    cheap = count(django_assert_max_num_queries, lambda: blocking(large, NOW))
    assert cheap == 2


def test_strategys_campaigns_are_told_what_of_them_never_goes():
    create_missing()
    told = {
        made.name: sum(one.key == "never_goes" for one in findings(made, NOW))
        for made in Campaign.objects.all()
    }
    assert told == {
        "Certificate Non-Claimers": 2,
        "No-Show Registrants": 4,
        "Incomplete Course Users": 1,
        "AiDA Users → AI Agent Adoption": 2,
    }


def test_strategys_campaigns_can_be_launched_as_they_are():
    create_missing()
    assert [one for made in Campaign.objects.all() for one in blocking(made, NOW)] == []


@pytest.mark.parametrize(
    ("fields", "why"),
    [
        ({"inactivity_days": 0}, "opted out or in the campaign already."),
        ({}, "quiet for less than 30 days, opted out or in the campaign already."),
        (
            {"inactivity_days": 1, "rollout_percent": 10},
            (
                "quiet for less than 1 day, opted out, in the campaign already or not among the "
                "10 % whom its rollout lets in now."
            ),
        ),
    ],
)
def test_why_nobody_would_be_enrolled_names_what_can_be_so(perfect, fields, why):
    campaign_of(perfect, **{"inactivity_days": 30, **fields})
    UserSegment.objects.update(inactive_since=NOW + DAY)
    made = Campaign.objects.get(pk=perfect.pk)
    (found,) = (one for one in of_doctors(made, NOW) if one.key == "nobody_waits")
    assert found.text.endswith(f"but none would be enrolled now: {why}")
