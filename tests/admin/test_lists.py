"""Lists: searching, counting, what they say."""

from datetime import date, datetime, timedelta
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import pytest
from django.db import connection
from django.test import Client
from django.urls import reverse

from campaigns.admin import rows
from campaigns.models import Campaign
from messaging.models import (
    MessageDelivery,
    ProviderEvent,
    SandboxMessage,
)
from reengage import pagination
from segments.models import AidaUsage, Doctor
from tests import engine
from tests.admin.world import make, page

pytestmark = pytest.mark.django_db


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
        "In the call",
    ):
        assert words in html


@pytest.mark.usefixtures("rows")
def test_doctor_page_shows_messages_and_wishes(admin_client: Client) -> None:
    doctor = Doctor.objects.get()
    html = admin_client.get(page(Doctor, "change", doctor.pk)).content.decode()
    assert "This doctor does not want to be written to:" in html
    assert "The doctor had messages enough" in html
    assert page(MessageDelivery, "change", doctor.deliveries.get().pk) in html  # on the timeline
    listed = admin_client.get(page(MessageDelivery), {"doctor__id__exact": doctor.pk})
    assert len(listed.context["cl"].result_list) == 1


# --- What a list is narrowed to -----------------------------------------------------------------


def narrowed(client: Client, address: str) -> list[tuple[str, str]]:
    """The conditions as the list shows them."""
    response = client.get(address)
    assert response.status_code == 200
    shown = [(one["label"], one["words"]) for one in response.context["cl"].narrowed_to()]
    assert all(f"<strong>{label}</strong> {words}" in response.text for label, words in shown)
    return shown


def test_list_says_to_what_a_link_from_a_figure_narrowed_it(admin_client: Client) -> None:
    make(1)
    campaign = Campaign.objects.get()
    day = date(2026, 3, 4)
    assert narrowed(admin_client, rows.deliveries("sent", day, day, campaign, channel="sms")) == [
        ("Sent at", "from 04 Mar 2026"),
        ("Sent at", "before 05 Mar 2026"),
        ("Channel", "SMS"),
        ("Campaign", str(campaign)),
    ]
    assert narrowed(admin_client, rows.enrollments(day, day, campaign, reached="clicked"))[-1] == (
        "Campaign",
        str(campaign),
    )
    opt_outs = rows.deliveries("unsubscribed", day, day)
    assert ("Delivery", "any") in narrowed(admin_client, opt_outs)
    assert narrowed(admin_client, page(MessageDelivery)) == []


def test_list_leads_to_itself_without_one_of_its_conditions(admin_client: Client) -> None:
    address = page(MessageDelivery) + "?status__exact=sent&channel__exact=sms&q=rao"
    one, other = admin_client.get(address).context["cl"].narrowed_to()
    assert parse_qs(one["without"][1:]) == {"channel__exact": ["sms"], "q": ["rao"]}
    assert parse_qs(other["without"][1:]) == {"status__exact": ["sent"], "q": ["rao"]}


def test_filter_by_days_takes_the_last_day_whole(admin_client: Client) -> None:
    person = engine.doctor()
    india = ZoneInfo("Asia/Kolkata")
    for hours in (-1, 0, 23, 24):  # of 4 March, in the office's time zone
        at = datetime(2026, 3, 4, tzinfo=india) + timedelta(hours=hours)
        AidaUsage.objects.create(doctor=person, used_at=at, specialty_area="Cardiology")
    address = page(AidaUsage) + "?used_at_from=2026-03-04&used_at_to=2026-03-04"
    assert len(admin_client.get(address).context["cl"].result_list) == 2
    assert narrowed(admin_client, address) == [
        ("Used at", "from 04 Mar 2026"),
        ("Used at", "until 04 Mar 2026"),
    ]
    assert len(admin_client.get(page(AidaUsage) + "?used_at_from=x").context["cl"].result_list) == 4


def test_empty_list_says_whether_nothing_is_there_or_nothing_fits(admin_client: Client) -> None:
    assert "Nothing here yet" in admin_client.get(page(AidaUsage)).text
    assert "Nothing found" in admin_client.get(page(AidaUsage) + "?used_at_from=2026-03-04").text


@pytest.mark.parametrize(
    "asked",
    [
        {"used_at_from": "0001-01-01", "used_at_to": "9999-12-31"},
        {"used_at__gte": "0001-01-01T00:00:00+14:00"},
        {"used_at__lt": "9999-12-31T23:59:59-14:00"},
    ],
)
def test_days_at_the_ends_of_the_calendar_are_days(
    asked: dict[str, str], admin_client: Client
) -> None:
    AidaUsage.objects.create(
        doctor=engine.doctor(), used_at=engine.NOW, specialty_area="Cardiology"
    )
    shown = admin_client.get(page(AidaUsage), asked)
    assert shown.status_code == 200
    assert shown.context["cl"].result_count == 1
