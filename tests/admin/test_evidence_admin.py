"""What exactly went out, on a delivery's page."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from campaigns.schedule import schedule_due
from messaging import optout, track
from messaging.models import (
    Channel,
    HandedOver,
    InboundMessage,
    MessageDelivery,
    MessageTemplate,
    ProviderEvent,
)
from messaging.send import send_due
from tests import engine
from tests.admin.world import page, staff
from tests.engine import DAY, NOW

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
    number = delivery.doctor.email if channel == "email" else delivery.doctor.phone
    assert f"To: {number}." in answer
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


MINUTE = timedelta(minutes=1)


def report(delivery: MessageDelivery, count: int = 1, kind: str = "clicked", **fields: Any) -> None:
    """So many hits on the link, one a minute, all counted."""
    given: dict[str, Any] = {"provider": "link", "detail": {"link": "target"}, **fields}
    before = ProviderEvent.objects.count()
    ProviderEvent.objects.bulk_create(
        ProviderEvent(
            event_key=f"e{before + number}",
            kind=kind,
            delivery=delivery,
            occurred_at=NOW + (before + number + 1) * MINUTE,
            received_at=NOW,
            processed_at=NOW,
            **given,
        )
        for number in range(count)
    )


def tables(client: Client, delivery: MessageDelivery) -> dict[str, Any]:
    response = client.get(page(MessageDelivery, "change", delivery.pk))
    assert response.status_code == 200
    return {table.title.partition(":")[0]: table for table in response.context["tables"]}


def test_delivery_page_is_read_from_the_outcome_to_the_answers(admin_client: Client) -> None:
    delivery = sent()
    response = admin_client.get(page(MessageDelivery, "change", delivery.pk))
    assert response.context["notices"][0].title.startswith("It was sent on 04 Mar 2026, 12:00")
    assert [table.title.partition(":")[0] for table in response.context["tables"]] == [
        "Checks",
        "Attempts",
        "Reports, as they came",
        "Opens and clicks",
        "Opt-outs and pauses from its links",
        "What the doctor wrote in answer",
    ]


def test_delivery_shows_the_checks_that_it_passed(admin_client: Client) -> None:
    checks = tables(admin_client, sent())["Checks"]
    assert len(checks.rows) == 14
    assert {met for _, met, _ in checks.rows} == {"yes"}
    assert "all were met on 04 Mar 2026, 12:00:00" in checks.title


def test_delivery_that_was_held_back_shows_its_trace(admin_client: Client) -> None:
    engine.enrolled(1, days=(0,), channels=("sms",))
    schedule_due(NOW)
    MessageDelivery.objects.update(
        trace=[{"gate": "caps", "verdict": "defer", "detail": "2 messages in 24 hours"}]
    )
    (row,) = tables(admin_client, MessageDelivery.objects.get())[
        "Checks, when its turn last came"
    ].rows
    assert row[:2] == ("There is room under the caps", "not yet")
    assert "2 messages in 24 hours" in row[2]


def test_delivery_counts_clicks_once_and_shows_the_rest(admin_client: Client) -> None:
    delivery = sent()
    report(delivery, 3)
    report(delivery, 2, is_machine=True, detail={"link": "target", "machine": "head"})
    found = tables(admin_client, delivery)
    (clicks,) = found["Opens and clicks"].rows
    what, times, first, last, machines = clicks
    assert (delivery.target_url or "-").replace("&", "&amp;") in what
    assert (times, machines) == ("3 times, counted once", "2")
    assert (first, last) == ("04 Mar 2026, 12:01", "04 Mar 2026, 12:03")
    reports = found["Reports, as they came"].rows
    assert "scanner: it asked for the headers only" in reports[0][5]
    assert reports[0][4] == "Kept, not counted"


def test_delivery_shows_raw_reports_only_to_those_who_may_see_them(admin_client: Client) -> None:
    delivery = sent()
    report(delivery, detail={"raw": "<b>&'raw'"})
    url = page(MessageDelivery, "change", delivery.pk)
    assert "&lt;b&gt;&amp;&#x27;raw" in html(admin_client, url)
    answer = html(staff("messaging.view_messagedelivery"), url)
    assert "raw" not in answer.partition("Reports, as they came")[2].partition("Opens and")[0]
    assert "You have no permission to view reports." in answer
    assert "Opt-outs and pauses" not in answer
    assert "wrote in answer" not in answer


def test_delivery_says_how_many_reports_it_leaves_out(admin_client: Client) -> None:
    delivery = sent()
    report(delivery, 53)
    url = page(MessageDelivery, "change", delivery.pk)
    answer = html(admin_client, url)
    assert "Reports, as they came: the last 50, and 3 more" in answer
    whole = f"{page(ProviderEvent)}?delivery__id__exact={delivery.pk}"
    assert whole in answer
    assert admin_client.get(whole).context["cl"].result_count == 53


def test_delivery_shows_what_the_doctor_said_to_it(admin_client: Client) -> None:
    delivery = sent()
    optout.opt_out(
        delivery.doctor_id, "sms", None, source="link", reason="Enough", now=NOW, delivery=delivery
    )
    InboundMessage.objects.create(
        provider="twilio",
        channel="sms",
        doctor_id=delivery.doctor_id,
        sender="+91",
        text="When is the next session?",
        delivery=delivery,
        received_at=NOW,
    )
    found = tables(admin_client, delivery)
    assert found["Opt-outs and pauses from its links"].rows[0][1:] == (
        "Opt-out of SMS",
        "Enough",
        "Holds",
    )
    assert "When is the next session?" in found["What the doctor wrote in answer"].rows[0][1]


def test_delivery_page_asks_as_often_for_many_reports_as_for_one(admin_client: Client) -> None:
    delivery = sent()
    report(delivery)
    url = page(MessageDelivery, "change", delivery.pk)
    html(admin_client, url)
    with CaptureQueriesContext(connection) as one:
        html(admin_client, url)
    report(delivery, 40)
    with CaptureQueriesContext(connection) as many:
        html(admin_client, url)
    assert len(many) == len(one)


def test_report_list_says_what_was_done_and_why_not(admin_client: Client) -> None:
    delivery = sent()
    track.store([track.Event("x", "late", "opened", NOW - DAY, external_id="?")], NOW - 2 * DAY)
    ProviderEvent.objects.update(parked_at=NOW - DAY)
    report(delivery, is_machine=True, detail={"link": "hidden", "machine": "hidden"})
    answer = html(admin_client, page(ProviderEvent))
    assert "Ignored: for a day its message was not on its way" in answer
    assert "A machine; hidden link: no person sees it" in answer
