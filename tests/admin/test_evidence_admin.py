"""What exactly went out, on a delivery's page."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from campaigns.schedule import schedule_due
from messaging.models import (
    Channel,
    HandedOver,
    MessageDelivery,
    MessageTemplate,
)
from messaging.send import send_due
from tests import engine
from tests.admin.world import page, staff
from tests.engine import NOW

pytestmark = pytest.mark.django_db(transaction=True)


def address(template: MessageTemplate, name: str, *args: Any) -> str:
    return reverse(f"admin:messaging_messagetemplate_{name}", args=[template.pk, *args])


def html(client: Client, url: str) -> str:
    response = client.get(url)
    assert response.status_code == 200
    return response.content.decode()


def sent(channel: str = "sms") -> MessageDelivery:
    engine.enrolled(1, days=(0,), channels=(channel,))
    schedule_due(NOW)
    assert send_due(channel, NOW).sent == 1
    return MessageDelivery.objects.select_related("doctor").get()


@pytest.mark.parametrize("channel", Channel.values)
def test_delivery_shows_what_went_out_after_everything_changed(
    channel: str, admin_client: Client
) -> None:
    delivery = sent(channel)
    was = delivery.doctor.last_name
    MessageTemplate.objects.update(template_content="Another text {{shortlink}}")
    delivery.doctor.first_name = delivery.doctor.last_name = "Changed"
    delivery.doctor.save()
    answer = html(admin_client, page(MessageDelivery, "change", delivery.pk))
    said = was if channel == "sms" else "Dear Dr. Anita"
    assert said in answer.partition("What exactly went out")[2]
    assert "The provider took this on 04 Mar 2026, 12:00." in answer
    assert "Another text" not in answer
    template = MessageTemplate.objects.get()
    assert f'href="{address(template, "version", 1)}"' in answer
    assert "Values that were filled in" in answer


def test_delivery_shows_an_email_in_a_frame_that_can_do_nothing(admin_client: Client) -> None:
    delivery = sent("email")
    answer = html(admin_client, page(MessageDelivery, "change", delivery.pk))
    frame = re.search(r"<iframe[^>]*>", answer)
    assert frame is not None
    assert 'sandbox=""' in frame[0]
    assert "default-src &#x27;none&#x27;" in frame[0]
    assert "Your certificate" in answer.partition("Subject:")[2][:60]


def test_delivery_falls_back_on_the_sandbox_where_nothing_was_kept(admin_client: Client) -> None:
    delivery = sent()
    HandedOver.objects.all().delete()
    answer = html(admin_client, page(MessageDelivery, "change", delivery.pk))
    assert "what it said is not kept" in answer
    assert "The sandbox took this on" in answer
    assert f"Dr. {delivery.doctor.last_name}, Heart failure" in answer


def test_delivery_that_did_not_go_says_so(admin_client: Client) -> None:
    engine.enrolled(1, days=(0,), channels=("sms",))
    schedule_due(NOW)
    url = page(MessageDelivery, "change", MessageDelivery.objects.get().pk)
    assert "Nothing has gone out yet." in html(admin_client, url)


def test_delivery_links_to_the_version_only_for_those_who_may_see_it() -> None:
    delivery = sent()
    answer = html(
        staff("messaging.view_messagedelivery"), page(MessageDelivery, "change", delivery.pk)
    )
    assert "Version 1" in answer
    assert "/versions/1/" not in answer
