"""Results of audience checks as pages: headline, tables, links, and who sees which names."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.models import Campaign
from messaging.admin.audience import CHANGED
from messaging.models import AudienceCheck, CheckState, MessageTemplate
from segments.models import Doctor
from tests import engine
from tests.admin.test_audience_checks import VIEW, made, make, of
from tests.admin.world import page, staff
from tests.engine import NOW

pytestmark = pytest.mark.django_db


def test_result_stands_on_the_pages_with_links(admin_client: Client) -> None:
    nameless, _ = engine.member(), engine.member()
    Doctor.objects.filter(pk=nameless.pk).update(first_name=" ", last_name=" ")
    check = made()
    headline = (
        "2 doctors: 1 would get every message, 1 would be skipped at least once because "
        "first_name (1) or last_name (1) is missing."
    )
    html = admin_client.get(of(check)).content.decode()
    assert headline in html
    for place, step in enumerate(check.campaign.steps.select_related("template"), 1):
        assert f'href="#step-{place}"' in html
        assert f'id="step-{place}"' in html
        edit = page(MessageTemplate, "change", step.template.pk)
        assert f'href="{edit}"' in html
        assert f'href="{edit}?doctor={nameless.pk}"' in html
    link = f'href="{page(Doctor, "change", nameless.pk)}"><bdi>Doctor {nameless.external_id}</bdi>'
    assert link in html
    assert "Skipped: {{first_name}} is missing" in html
    of_campaign = admin_client.get(page(Campaign, "change", check.campaign_id)).content.decode()
    assert f"Last audience check: {headline}" in of_campaign
    assert f'href="{of(check)}"' in of_campaign


def test_template_shows_its_last_check_and_whether_it_is_old(admin_client: Client) -> None:
    template = engine.campaign(days=(0,), channels=("sms",)).steps.get().template
    engine.member()
    MessageTemplate.objects.update(updated_at=NOW - timedelta(days=400))
    old = make(CheckState.CANCELLED, template=template)
    check = made(template=template)
    edit = page(MessageTemplate, "change", template.pk)
    html = admin_client.get(edit).content.decode()
    assert "Last audience check: 1 doctor: would get it." in html
    assert of(check) in html
    assert of(old) not in html
    assert CHANGED not in html
    MessageTemplate.objects.update(updated_at=check.started_at + timedelta(seconds=1))
    assert CHANGED in admin_client.get(edit).content.decode()
    assert CHANGED in admin_client.get(of(check)).content.decode()


def test_campaign_whose_steps_are_others_now_is_told_to_check_again(admin_client: Client) -> None:
    MessageTemplate.objects.update(updated_at=NOW - timedelta(days=400))
    check = made()
    edit = page(Campaign, "change", check.campaign_id)
    assert CHANGED not in admin_client.get(edit).content.decode()
    check.campaign.steps.get(channel="sms").delete()
    assert CHANGED in admin_client.get(edit).content.decode()


def test_hostile_name_stays_text(admin_client: Client) -> None:
    doctor = engine.member()
    Doctor.objects.filter(pk=doctor.pk).update(last_name="<script>alert(1)</script>")
    html = admin_client.get(of(made())).content.decode()
    assert "<script>alert(1)" not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html


def test_names_are_shown_to_those_who_may_see_doctors() -> None:
    doctor, check = engine.member(), made(campaign=engine.campaign(days=(0,)))
    edit = page(Doctor, "change", doctor.pk)
    client = staff(*VIEW)
    html = client.get(of(check)).content.decode()
    assert doctor.last_name not in html
    assert edit not in html
    assert "The longest text has" in html


def test_page_asks_as_often_for_many_examples_as_for_one(
    admin_client: Client, django_assert_num_queries: Any
) -> None:
    engine.member()
    one = made(campaign=engine.campaign(days=(0,), channels=("sms",)))
    for _ in range(3):
        engine.member()
    many = made(campaign=engine.campaign(days=(0, 3)))
    admin_client.get(of(one))
    with CaptureQueriesContext(connection) as queries:
        admin_client.get(of(one))
    with django_assert_num_queries(len(queries)):
        admin_client.get(of(many))


def test_template_deleted_since_is_named_without_a_link(admin_client: Client) -> None:
    check = made(campaign=engine.campaign(days=(0,), channels=("sms",)))
    step = check.campaign.steps.get()
    step.delete()
    key = step.template_id
    MessageTemplate.objects.filter(template_key=key).delete()
    html = admin_client.get(of(check)).content.decode()
    assert f'<p class="mb-3">{key}</p>' in html


def test_list_shows_how_far_each_is(admin_client: Client) -> None:
    make(CheckState.RUNNING, total=2_000, done=500)
    html = admin_client.get(page(AudienceCheck)).content.decode()
    assert "500 of 2,000" in html
    assert reverse("admin:messaging_audiencecheck_changelist") in html
