"""Every page of the admin opens, costs the same for any number of rows, and can't be forged."""

from typing import Any

import pytest
from django.apps import apps
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.models import (
    ApiBatch,
    Campaign,
    CampaignMessage,
    CohortAnalytics,
    RollUpMark,
    StepAnalytics,
    Variant,
)
from messaging.models import (
    HandedOver,
    Heartbeat,
    MessageDelivery,
    SendWindow,
    TemplateVersion,
)
from messaging.models.delivery import MessageCost
from segments.models import (
    Doctor,
)
from tests import engine
from tests.admin.world import APPEND_ONLY, DELETABLE, MODELS, READ_ONLY, label, make, page, staff
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db


def test_registry_every_model_of_the_project_has_a_page() -> None:
    own = {"campaigns", "messaging", "segments"}
    missing = {m for m in apps.get_models() if m._meta.app_label in own} - set(MODELS)
    # Steps are edited on the campaign's page; the dashboard shows signs of life, and nobody needs
    # to see which worker holds what. Versions have pages below their template's, and what was
    # handed over is shown on each delivery's. Variants are on their A/B test's page.
    # What the roll-up counts by step, by cohort and in money is read on the campaign's results.
    # The answers that the API gave to batches are for their senders.
    assert missing == {
        ApiBatch,
        CampaignMessage,
        CohortAnalytics,
        HandedOver,
        Heartbeat,
        MessageCost,
        RollUpMark,
        SendWindow,
        StepAnalytics,
        TemplateVersion,
        Variant,
    }


@pytest.mark.parametrize("model", MODELS, ids=label)
@pytest.mark.usefixtures("rows")
def test_pages_of_every_model_open(model: Any, admin_client: Client) -> None:
    shown = model._default_manager.order_by("pk").last()
    assert admin_client.get(page(model)).status_code == 200
    assert admin_client.get(page(model, "change", shown.pk)).status_code == 200
    expected = 403 if model in {*READ_ONLY, *DELETABLE} else 200
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
