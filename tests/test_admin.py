"""The admin as a marketer meets it: every page opens, nothing can be forged, actions act."""

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
import time_machine
from django.apps import apps
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django_celery_beat.models import (
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

from campaigns.models import Campaign, CampaignAnalytics, CampaignEnrollment, CampaignMessage
from messaging.models import (
    ConsentRecord,
    DeliveryAttempt,
    MessageDelivery,
    MessageTemplate,
    ProviderAccount,
    ProviderEvent,
    SandboxMessage,
    UnsubscribeRecord,
)
from reengage import admin_base, pagination
from segments.models import (
    AgentUsage,
    AidaUsage,
    Course,
    CourseModule,
    CourseProgress,
    Doctor,
    ImportRejection,
    ImportRun,
    Session,
    SessionRegistration,
    UserSegment,
)
from tests import engine
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
READ_ONLY = [
    CampaignAnalytics,
    CampaignEnrollment,
    DeliveryAttempt,
    ImportRejection,
    ImportRun,
    MessageDelivery,
    ProviderEvent,
    SandboxMessage,
    UserSegment,
]
# Added, but never edited or deleted: what a doctor said stays as it was said.
APPEND_ONLY = [ConsentRecord, UnsubscribeRecord]


@pytest.fixture(autouse=True)
def _clock() -> Iterator[None]:
    with time_machine.travel(NOW, tick=False):
        yield


def label(model: Any) -> str:
    return str(model._meta.label)


def page(model: Any, name: str = "changelist", *args: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_{name}", args=args)


def make(number: int) -> None:
    """One more row of every model, all hanging together."""
    doctor = engine.member()
    made = engine.campaign(days=(0,))
    enrollment = CampaignEnrollment.objects.create(campaign=made, doctor=doctor, enrolled_at=NOW)
    step = made.steps.get(channel="sms")
    delivery = MessageDelivery.objects.create(
        enrollment=enrollment,
        campaign_message=step,
        doctor=doctor,
        channel="sms",
        scheduled_at=NOW,
        due_at=NOW,
        expires_at=NOW + DAY,
        status="skipped",
        skip_reason="frequency_cap",
        trace=[{"gate": "caps", "verdict": "skip", "detail": "5 messages in 7 days"}],
    )
    account, _ = ProviderAccount.objects.get_or_create(channel="sms", provider=f"sandbox{number}")
    DeliveryAttempt.objects.create(
        delivery=delivery,
        doctor=doctor,
        account=account,
        channel="sms",
        claim_id=delivery.pk,
        authorised_at=NOW,
        consent_version=0,
        timezone="Asia/Kolkata",
    )
    ProviderEvent.objects.create(
        provider="sandbox",
        event_key=f"e{number}",
        kind="delivered",
        delivery=delivery,
        occurred_at=NOW,
    )
    SandboxMessage.objects.create(
        delivery=delivery, recipient="+919812345678", text="Dear Dr. Rao", accepted_at=NOW
    )
    UnsubscribeRecord.objects.create(doctor=doctor, channel="sms", delivery=delivery)
    CampaignAnalytics.objects.create(campaign=made, date=NOW.date(), channel="sms", total_sent=1)
    make_activity(number, doctor)
    make_schedules(number)


def make_activity(number: int, doctor: Doctor) -> None:
    course = Course.objects.create(external_id=f"course{number}", name=f"Course {number}")
    CourseModule.objects.create(course=course, number=1, name="One", duration_minutes=20)
    CourseProgress.objects.create(
        doctor=doctor, course=course, started_at=NOW - DAY, last_accessed_at=NOW
    )
    session = Session.objects.create(
        external_id=f"session{number}", title="Live", starts_at=NOW - DAY, ends_at=NOW
    )
    SessionRegistration.objects.create(doctor=doctor, session=session, registered_at=NOW - DAY)
    AidaUsage.objects.create(doctor=doctor, used_at=NOW)
    AgentUsage.objects.create(doctor=doctor, agent="Diagnosis", used_at=NOW)
    run = ImportRun.objects.create(kind="doctors", file_name="doctors.csv", rejected=1)
    ImportRejection.objects.create(run=run, line=2, field="phone", problem="Write ten digits.")


def make_schedules(number: int) -> None:
    crontab = CrontabSchedule.objects.create(minute=str(number), hour="2")
    PeriodicTask.objects.create(
        name=f"task {number}", task="segments.tasks.cleanup", crontab=crontab
    )
    IntervalSchedule.objects.create(every=number, period="hours")
    SolarSchedule.objects.create(event="sunrise", latitude=number, longitude=1)
    ClockedSchedule.objects.create(clocked_time=NOW + number * DAY)
    User.objects.create(username=f"user{number}")
    admin_base.Group.objects.create(name=f"group{number}")


@pytest.fixture
def rows() -> None:
    make(1)


def staff(*permissions: str) -> Client:
    """Somebody who may log in, with the named permissions only."""
    user = User.objects.create_user("marketer", is_staff=True)
    for name in permissions:
        app_label, codename = name.split(".")
        user.user_permissions.add(
            Permission.objects.get(content_type__app_label=app_label, codename=codename)
        )
    client = Client()
    client.force_login(user)
    return client


def messages_of(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


# --- every page -----------------------------------------------------------------------------


def test_registry_every_model_of_the_project_has_a_page() -> None:
    own = {"campaigns", "messaging", "segments"}
    missing = {m for m in apps.get_models() if m._meta.app_label in own} - set(MODELS)
    assert missing == {CampaignMessage}  # edited on the campaign's page


@pytest.mark.parametrize("model", MODELS, ids=label)
@pytest.mark.usefixtures("rows")
def test_pages_of_every_model_open(model: Any, admin_client: Client) -> None:
    shown = model._default_manager.order_by("pk").last()
    assert admin_client.get(page(model)).status_code == 200
    assert admin_client.get(page(model, "change", shown.pk)).status_code == 200
    expected = 403 if model in READ_ONLY else 200
    assert admin_client.get(page(model, "add")).status_code == expected


@pytest.mark.parametrize("model", MODELS, ids=label)
def test_lists_ask_as_often_for_three_rows_as_for_one(model: Any, admin_client: Client) -> None:
    make(1)
    url = page(model)
    admin_client.get(url)  # fills the caches of content types and permissions
    with CaptureQueriesContext(
        connection,
    ) as one:
        admin_client.get(url)
    make(2)
    make(3)
    with CaptureQueriesContext(connection) as three:
        response = admin_client.get(url)
    assert len(response.context["cl"].result_list) >= 3
    assert len(three) == len(one), [query["sql"] for query in three.captured_queries]


def test_campaign_page_asks_as_often_for_three_steps_as_for_one(admin_client: Client) -> None:
    one_step = engine.campaign(days=(0,), channels=("sms",), status="draft")
    three_steps = engine.campaign(days=(0, 3, 7), channels=("sms",), status="draft")
    admin_client.get(page(Campaign, "change", one_step.pk))
    with CaptureQueriesContext(connection) as one:
        admin_client.get(page(Campaign, "change", one_step.pk))
    with CaptureQueriesContext(connection) as three:
        admin_client.get(page(Campaign, "change", three_steps.pk))
    assert len(three) == len(one)


def test_doctor_page_asks_as_often_for_three_messages_as_for_one(admin_client: Client) -> None:
    (one_message,) = engine.enrolled(days=(0,), channels=("sms",))
    engine.schedule_due(NOW)
    more = engine.campaign(days=(0, 3, 7), channels=("sms",))
    url = page(Doctor, "change", one_message.doctor_id)
    admin_client.get(url)
    with CaptureQueriesContext(connection) as one:
        admin_client.get(url)
    engine.enroll(more, NOW)
    engine.schedule_due(NOW, 10 * DAY)
    assert MessageDelivery.objects.filter(doctor=one_message.doctor_id).count() == 4
    with CaptureQueriesContext(connection) as several:
        admin_client.get(url)
    assert len(several) == len(one)


@pytest.mark.usefixtures("rows")
def test_pages_without_permission_are_refused() -> None:
    client = staff()
    answers = {label(model): client.get(page(model)).status_code for model in MODELS}
    assert set(answers.values()) == {403}


def test_sidebar_shows_only_what_may_be_opened() -> None:
    client = staff("segments.view_doctor")
    html = client.get(page(Doctor)).content.decode()
    assert page(Doctor) in html
    assert page(Campaign) not in html


def test_root_leads_to_the_admin(client: Client) -> None:
    assert client.get("/").headers["Location"] == reverse("admin:index")


# --- nothing can be forged ------------------------------------------------------------------


@pytest.mark.parametrize("model", READ_ONLY, ids=label)
@pytest.mark.usefixtures("rows")
def test_read_only_rows_refuse_forged_posts(model: Any, admin_client: Client) -> None:
    row = model._default_manager.get()
    before = model._default_manager.values().get()
    change, delete = page(model, "change", row.pk), page(model, "delete", row.pk)
    assert admin_client.post(page(model, "add"), {"status": "sent"}).status_code == 403
    assert admin_client.post(change, {"status": "sent"}).status_code == 403
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403
    action = {"action": "delete_selected", "_selected_action": row.pk, "post": "yes"}
    admin_client.post(page(model), action)
    assert model._default_manager.values().get() == before


@pytest.mark.parametrize("model", APPEND_ONLY, ids=label)
@pytest.mark.usefixtures("rows")
def test_records_of_a_doctors_words_can_not_be_changed(model: Any, admin_client: Client) -> None:
    row = model._default_manager.order_by("pk").last()
    before = list(model._default_manager.values())
    change, delete = page(model, "change", row.pk), page(model, "delete", row.pk)
    assert admin_client.post(change, {"source": "forged"}).status_code == 403
    assert admin_client.post(delete, {"post": "yes"}).status_code == 403
    assert list(model._default_manager.values()) == before


def test_doctor_with_messages_can_not_be_deleted(admin_client: Client) -> None:
    make(1)
    doctor = Doctor.objects.get()
    admin_client.post(page(Doctor, "delete", doctor.pk), {"post": "yes"})
    assert Doctor.objects.filter(pk=doctor.pk).exists()


# --- lists ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "term", ["CLR-7", "9812345678", "+91 98123 45678", "Asha.RAO@example.com", "rao"]
)
def test_search_finds_the_doctor_and_their_messages(term: str, admin_client: Client) -> None:
    make(1)
    Doctor.objects.update(last_name="Menon")
    make(2)
    asha = Doctor.objects.order_by("pk").last()
    assert asha is not None
    asha.external_id, asha.phone, asha.last_name = "CLR-7", "+919812345678", "Rao"
    asha.email = "asha.rao@example.com"
    asha.save()
    for model, path in ((Doctor, "pk"), (MessageDelivery, "doctor_id"), (ProviderEvent, None)):
        found = admin_client.get(page(model), {"q": term}).context["cl"].result_list
        assert len(found) == 1
        assert path is None or [getattr(row, path) for row in found] == [asha.pk]


def test_search_for_an_unknown_word_finds_nothing(admin_client: Client) -> None:
    make(1)
    for model in (Doctor, MessageDelivery, SandboxMessage):
        assert len(admin_client.get(page(model), {"q": "xy%"}).context["cl"].result_list) == 0


def test_choosing_a_doctor_takes_the_start_of_the_name(admin_client: Client) -> None:
    asha = engine.doctor(last_name="Sharma")
    engine.doctor(last_name="Menon")
    asked = {
        "app_label": "messaging",
        "model_name": "unsubscriberecord",
        "field_name": "doctor",
        "term": "sha\x00r",
    }
    found = admin_client.get(reverse("admin:autocomplete"), asked).json()["results"]
    assert [row["id"] for row in found] == [str(asha.pk)]


def test_search_of_deliveries_takes_the_providers_id(admin_client: Client) -> None:
    make(1)
    MessageDelivery.objects.update(external_id="SM123")
    make(2)
    found = admin_client.get(page(MessageDelivery), {"q": "SM123"}).context["cl"].result_list
    assert [row.external_id for row in found] == ["SM123"]


def test_long_list_is_not_counted_to_its_end(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pagination, "PAGED_ROWS", 2)
    for _ in range(4):
        engine.doctor(specialty="Cardiology")
    filtered = admin_client.get(page(Doctor), {"specialty": "Cardiology"})
    assert filtered.context["cl"].result_count == 2
    assert "more than 2" in filtered.content.decode()
    monkeypatch.setattr(pagination, "estimated_rows", lambda _model: 1_203_700)
    assert "about 1,204,000" in admin_client.get(page(Doctor)).content.decode()


def test_estimate_reads_postgresqls_statistics() -> None:
    for _ in range(3):
        engine.doctor()
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE doctors")
    assert pagination.estimated_rows(Doctor) == 3


@pytest.mark.usefixtures("rows")
def test_delivery_page_says_why(admin_client: Client) -> None:
    delivery = MessageDelivery.objects.get()
    html = admin_client.get(page(MessageDelivery, "change", delivery.pk)).content.decode()
    for words in (
        "It was not sent, on purpose.",
        "The doctor had messages enough",
        "5 messages in 7 days",
        "Dear Dr. Rao",
        "In the call",
    ):
        assert words in html


@pytest.mark.usefixtures("rows")
def test_doctor_page_shows_messages_and_wishes(admin_client: Client) -> None:
    doctor = Doctor.objects.get()
    html = admin_client.get(page(Doctor, "change", doctor.pk)).content.decode()
    assert "This doctor does not want to be written to:" in html
    assert "The doctor had messages enough" in html
    assert f"{page(MessageDelivery)}?doctor__id__exact={doctor.pk}" in html
    listed = admin_client.get(page(MessageDelivery), {"doctor__id__exact": doctor.pk})
    assert len(listed.context["cl"].result_list) == 1


# --- campaigns ------------------------------------------------------------------------------


def press(client: Client, button: str, campaign: Campaign) -> Any:
    url = page(Campaign, "change", campaign.pk).replace("change", button)
    return client.post(url, {"confirmed": "yes"}, follow=True)


def status(campaign: Campaign) -> str:
    return Campaign.objects.values_list("status", flat=True).get(pk=campaign.pk)


def test_launch_asks_first_and_says_how_many(admin_client: Client) -> None:
    draft = engine.campaign(status="draft")
    for _ in range(3):
        engine.member()
    url = page(Campaign, "change", draft.pk).replace("change", "launch")
    assert "3 doctors are in the segment" in admin_client.get(url).content.decode()
    admin_client.post(url)
    assert status(draft) == "draft"
    response = press(admin_client, "launch", draft)
    assert messages_of(response) == [f"“{draft}” is launched."]
    assert status(draft) == "active"


def test_launch_says_what_is_missing(admin_client: Client) -> None:
    draft = engine.campaign(days=(), status="draft")
    html = admin_client.get(page(Campaign, "change", draft.pk)).content.decode()
    assert "Before this campaign can be launched:" in html
    response = press(admin_client, "launch", draft)
    assert messages_of(response) == [
        f"“{draft}” was not launched. The campaign has no steps: add at least one below."
    ]
    assert status(draft) == "draft"


def test_buttons_walk_through_the_life_of_a_campaign(admin_client: Client) -> None:
    (enrollment,) = engine.enrolled()
    running = enrollment.campaign
    walked = []
    for button in ("pause", "resume", "complete"):
        press(admin_client, button, running)
        walked.append(status(running))
    assert walked == ["paused", "active", "completed"]
    enrollment.refresh_from_db()
    assert enrollment.status != "active"
    changes = LogEntry.objects.order_by("action_time").values_list("change_message", flat=True)
    assert sorted(changes) == ["Completed.", "Paused.", "Resumed."]


def test_buttons_fit_the_status(admin_client: Client) -> None:
    def shown(campaign: Campaign) -> list[str]:
        response = admin_client.get(page(Campaign, "change", campaign.pk))
        return [button["title"] for button in response.context["actions_detail"]]

    assert shown(engine.campaign(status="draft")) == ["Launch", "Copy"]
    assert shown(engine.campaign(status="active")) == ["Pause", "Complete", "Copy"]
    assert shown(engine.campaign(status="paused")) == ["Resume", "Complete", "Copy"]
    assert shown(engine.campaign(status="completed")) == ["Copy"]


def test_list_actions_ask_first_and_act_on_each(admin_client: Client) -> None:
    chosen = [engine.campaign(), engine.campaign()]
    form = {"action": "pause_selected", "_selected_action": [str(one.pk) for one in chosen]}
    assert "Pause?" in admin_client.post(page(Campaign), form).content.decode()
    assert [status(one) for one in chosen] == ["active", "active"]
    admin_client.post(page(Campaign), {**form, "confirmed": "yes"})
    assert [status(one) for one in chosen] == ["paused", "paused"]


def test_buttons_without_the_permission_are_refused() -> None:
    client = staff("campaigns.view_campaign")
    running, draft = engine.campaign(), engine.campaign(status="draft")
    refused = [
        press(client, button, campaign).status_code
        for button, campaign in (
            ("launch", draft),
            ("pause", running),
            ("resume", running),
            ("complete", running),
            ("copy", running),
        )
    ]
    assert refused == [403] * 5
    form = {"action": "pause_selected", "_selected_action": str(running.pk), "confirmed": "yes"}
    client.post(page(Campaign), form)
    assert [status(running), status(draft)] == ["active", "draft"]


def test_copy_makes_a_draft_with_the_same_steps(admin_client: Client) -> None:
    running = engine.campaign(days=(0, 3), priority=3)
    press(admin_client, "copy", running)
    copy = Campaign.objects.get(name=f"Copy of {running.name}")
    assert (copy.status, copy.start_date, copy.priority) == ("draft", None, 3)
    fields = ("sequence_order", "channel", "delay_days", "template_id", "subject_line")
    assert list(copy.steps.values_list(*fields)) == list(running.steps.values_list(*fields))


def campaign_form(campaign: Campaign, steps: list[dict[str, Any]]) -> dict[str, Any]:
    """What the browser posts from the campaign's page."""
    form: dict[str, Any] = {
        "name": campaign.name,
        "description": "",
        "segment_type": campaign.segment_type,
        "inactivity_days": "0",
        "priority": "10",
        "channel_order": "whatsapp,sms,email",
        "send_from": "10:00",
        "send_until": "21:00",
        "steps-TOTAL_FORMS": str(len(steps)),
        "steps-INITIAL_FORMS": str(sum("id" in step for step in steps)),
    }
    for number, step in enumerate(steps):
        form |= {f"steps-{number}-{name}": value for name, value in step.items()}
        form[f"steps-{number}-campaign"] = str(campaign.pk)
    return form


def step_fields(step: CampaignMessage, place: int) -> dict[str, Any]:
    return {
        "id": str(step.pk),
        "sequence_order": str(place),
        "delay_days": str(step.delay_days),
        "template": step.template_id,
        "subject_line": "",
    }


def test_steps_change_places_and_new_ones_go_last(admin_client: Client) -> None:
    draft = engine.campaign(days=(0,), status="draft")
    whatsapp, sms, email = draft.steps.order_by("sequence_order")
    dragged = [
        step_fields(whatsapp, 2),
        step_fields(sms, 0),
        step_fields(email, 1),
        {"delay_days": "5", "template": sms.template_id, "subject_line": ""},
    ]
    url = page(Campaign, "change", draft.pk)
    response = admin_client.post(url, campaign_form(draft, dragged))
    assert response.status_code == 302, response.context["errors"]
    assert list(draft.steps.order_by("sequence_order").values_list("channel", "delay_days")) == [
        ("sms", 0),
        ("email", 0),
        ("whatsapp", 0),
        ("sms", 5),
    ]
    assert list(draft.steps.values_list("sequence_order", flat=True)) == [1, 2, 3, 4]


def test_step_with_a_template_of_another_segment_is_refused(admin_client: Client) -> None:
    draft = engine.campaign(days=(0,), channels=("sms",), status="draft")
    other = engine.campaign(days=(0,), channels=("sms",), segment_type="no_show").steps.get()
    forged = [{"delay_days": "1", "template": other.template_id, "subject_line": ""}]
    url = page(Campaign, "change", draft.pk)
    response = admin_client.post(url, campaign_form(draft, forged))
    assert response.status_code == 200
    assert draft.steps.count() == 1


def test_status_and_steps_of_a_running_campaign_are_not_edited_by_hand(
    admin_client: Client,
) -> None:
    running = engine.campaign(days=(0,), channels=("sms",))
    forged = campaign_form(running, [step_fields(running.steps.get(), 1) | {"delay_days": "9"}])
    admin_client.post(
        page(Campaign, "change", running.pk),
        {**forged, "status": "completed", "segment_type": "no_show"},
    )
    running.refresh_from_db()
    assert (running.status, running.segment_type) == ("active", "unclaimed_certificates")
    assert running.steps.get().delay_days == 0


def test_new_step_of_a_paused_campaign_reaches_doctors_under_way(admin_client: Client) -> None:
    (enrollment,) = engine.enrolled(days=(0,), channels=("sms",))
    engine.send_all(NOW)
    enrollment.refresh_from_db()
    assert enrollment.next_due_at is None
    paused = enrollment.campaign
    press(admin_client, "pause", paused)
    step = paused.steps.get()
    steps = [step_fields(step, 1), {"delay_days": "400", "template": step.template_id}]
    steps[1] |= {"delay_days": "365", "subject_line": ""}
    response = admin_client.post(page(Campaign, "change", paused.pk), campaign_form(paused, steps))
    assert response.status_code == 302
    enrollment.refresh_from_db()
    assert enrollment.next_due_at is not None


def test_count_again_brings_the_figures_up_to_date(admin_client: Client) -> None:
    engine.enrolled(days=(0,), channels=("sms",))
    engine.send_all(NOW)
    url = reverse("admin:campaigns_campaignanalytics_count_again")
    assert admin_client.get(url).status_code == 200
    assert CampaignAnalytics.objects.count() == 0
    response = admin_client.post(url, {"confirmed": "yes"}, follow=True)
    assert messages_of(response) == ["Counted. Rows that are new or changed: 1."]
    assert CampaignAnalytics.objects.get().total_sent == 1


# --- templates ------------------------------------------------------------------------------


def test_template_with_an_unknown_variable_is_refused_in_words(admin_client: Client) -> None:
    template = engine.campaign(days=(0,), channels=("sms",)).steps.get().template
    url = page(MessageTemplate, "change", template.pk)
    form = {"title": "", "sequence_order": "1", "template_content": "Hello {{frist_name}}"}
    response = admin_client.post(url, form)
    assert response.status_code == 200
    assert "frist_name" in str(response.context["errors"])
    template.refresh_from_db()
    assert "frist_name" not in template.template_content


def test_template_saved_notes_its_variables(admin_client: Client) -> None:
    template = engine.campaign(days=(0,), channels=("sms",)).steps.get().template
    url = page(MessageTemplate, "change", template.pk)
    text = "Dr. {{last_name}}: {{shortlink}} -CLIRNET"
    admin_client.post(url, {"title": "New", "sequence_order": "1", "template_content": text})
    template.refresh_from_db()
    assert (template.title, template.variables) == ("New", ["last_name", "shortlink"])
    assert "{{last_name}}" in admin_client.get(url).content.decode()


# --- opt-outs -------------------------------------------------------------------------------


def opt_out_form(doctor: Doctor, **fields: str) -> dict[str, Any]:
    return {"doctor": doctor.pk, "channel": "", "segment_type": "", "reason": "", **fields}


def test_opt_out_acts_at_once(admin_client: Client) -> None:
    (enrollment,) = engine.enrolled(days=(1,))
    engine.schedule_due(NOW + DAY)
    assert set(MessageDelivery.objects.values_list("status", flat=True)) == {"scheduled"}
    form = opt_out_form(enrollment.doctor)
    admin_client.post(page(UnsubscribeRecord, "add"), form)
    assert engine.statuses(enrollment=enrollment) == dict.fromkeys(
        ("whatsapp 1", "sms 1", "email 1"), "unsubscribed"
    )
    record = UnsubscribeRecord.objects.get()
    assert (record.source, record.channel, record.unsubscribed_at) == ("admin", None, NOW)


def test_opt_out_said_twice_is_one_record(admin_client: Client) -> None:
    doctor = engine.doctor()
    form = opt_out_form(doctor, channel="sms")
    admin_client.post(page(UnsubscribeRecord, "add"), form)
    with time_machine.travel(NOW + timedelta(minutes=1), tick=False):
        again = admin_client.post(page(UnsubscribeRecord, "add"), form, follow=True)
    assert "This opt-out was on record already: nothing has changed." in messages_of(again)
    assert UnsubscribeRecord.objects.count() == 1


@pytest.mark.parametrize("from_list", [False, True])
def test_taking_back_asks_first(from_list: bool, admin_client: Client) -> None:
    record = UnsubscribeRecord.objects.create(doctor=engine.doctor(), channel="sms")
    if from_list:
        url = page(UnsubscribeRecord)
        form = {"action": "take_back_selected", "_selected_action": str(record.pk)}
    else:
        url = page(UnsubscribeRecord, "change", record.pk).replace("change", "take_back")
        form = {}
    assert "Write to them again?" in admin_client.post(url, form).content.decode()
    record.refresh_from_db()
    assert record.revoked_at is None
    response = admin_client.post(url, {**form, "confirmed": "yes"}, follow=True)
    assert messages_of(response) == ["Opt-outs taken back: 1."]
    record.refresh_from_db()
    assert record.revoked_at == NOW


def test_taking_back_needs_the_permission() -> None:
    record = UnsubscribeRecord.objects.create(doctor=engine.doctor(), channel="sms")
    client = staff("messaging.view_unsubscriberecord")
    url = page(UnsubscribeRecord, "change", record.pk).replace("change", "take_back")
    assert client.post(url, {"confirmed": "yes"}).status_code == 403
    form = {"action": "take_back_selected", "_selected_action": str(record.pk), "confirmed": "yes"}
    client.post(page(UnsubscribeRecord), form)
    record.refresh_from_db()
    assert record.revoked_at is None


# --- schedules, files, lists in a field -----------------------------------------------------


def test_schedule_is_switched_off_in_the_list(admin_client: Client) -> None:
    make_schedules(1)
    task = PeriodicTask.objects.get()
    form = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": str(task.pk)}
    admin_client.post(page(PeriodicTask), {**form, "_save": "Save"})
    task.refresh_from_db()
    assert not task.enabled


def test_import_previews_then_imports(admin_client: Client) -> None:
    text = "doctor_id,first_name,last_name,email\nCLR-9,Asha,Rao,asha@example.com\n"
    file = SimpleUploadedFile("doctors.csv", text.encode())
    preview = admin_client.post(page(Doctor, "import"), {"import_file": file, "format": "0"})
    assert "CLR-9" in preview.content.decode()
    assert Doctor.objects.count() == 0
    confirm = preview.context["confirm_form"].initial
    admin_client.post(page(Doctor, "process_import"), confirm)
    assert Doctor.objects.get().external_id == "CLR-9"


def test_import_needs_permission_to_add_and_change() -> None:
    client = staff("segments.view_doctor", "segments.add_doctor")
    assert client.get(page(Doctor, "import")).status_code == 403
    assert client.get(page(Doctor, "export")).status_code == 200


def test_entries_with_commas_survive_the_form(admin_client: Client) -> None:
    form = {
        "external_id": "s9",
        "title": "Live",
        "starts_at_0": "2026-03-04",
        "starts_at_1": "10:00",
        "ends_at_0": "2026-03-04",
        "ends_at_1": "11:00",
        "recording_expires_at_0": "",
        "recording_expires_at_1": "",
        "key_points": "First, do no harm\r\n\r\nThen measure\r\n",
    }
    admin_client.post(page(Session, "add"), form)
    assert Session.objects.get().key_points == ["First, do no harm", "Then measure"]


def test_sandbox_page_can_not_load_anything(admin_client: Client) -> None:
    make(1)
    SandboxMessage.objects.update(html='<img src="https://tracker.example/o.gif">')
    message = SandboxMessage.objects.get()
    html = admin_client.get(page(SandboxMessage, "change", message.pk)).content.decode()
    frame = re.search(r"<iframe[^>]*>", html)
    assert frame is not None
    assert 'sandbox=""' in frame[0]
    assert "default-src &#x27;none&#x27;" in frame[0]
