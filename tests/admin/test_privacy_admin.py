"""The pages that hand out a doctor's data, erase them, and let somebody come back."""

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from messaging.models import UnsubscribeRecord
from messaging.privacy.erase import erase
from segments.erased import refused
from segments.models import Doctor, ErasedPerson
from tests.admin.world import messages_of, page, staff
from tests.engine import NOW
from tests.messaging.privacy import canary

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _folders(settings, tmp_path):
    settings.SPOOL_DIR = tmp_path / "spool"
    settings.MEDIA_ROOT = tmp_path / "media"


@pytest.fixture
def doctor() -> Doctor:
    return canary.make()


def body(response) -> str:
    return b"".join(response.streaming_content).decode()


def test_buttons_lead_to_the_pages_for_those_who_may(doctor) -> None:
    url = page(Doctor, "change", doctor.pk)
    may = staff("segments.view_doctor", "segments.export_data_doctor")
    html = may.get(url).content.decode()
    assert "Export all data" in html
    assert "person_remove" not in html
    assert may.get(reverse("admin:doctor_data", args=[doctor.pk])).status_code == 200
    assert may.get(reverse("admin:doctor_erase", args=[doctor.pk])).status_code == 403


def test_looking_at_doctors_is_not_enough(doctor) -> None:
    client = staff("segments.view_doctor", "segments.change_doctor", "segments.delete_doctor")
    for name in ("doctor_data", "doctor_erase"):
        url = reverse(f"admin:{name}", args=[doctor.pk])
        assert client.get(url).status_code == client.post(url).status_code == 403
    doctor.refresh_from_db()
    assert doctor.last_name == canary.PERSON["last_name"]


def test_export_hands_out_both_forms_and_leaves_an_entry_without_a_name(
    admin_client: Client, doctor
) -> None:
    url = reverse("admin:doctor_data", args=[doctor.pk])
    assert "Deliveries" in admin_client.get(url).content.decode()
    before = LogEntry.objects.count()
    answer = admin_client.post(url, {"as": "json"})
    assert json.loads(body(answer))["doctors"][0]["email"] == canary.PERSON["email"]
    assert (
        answer.headers["Content-Disposition"] == f'attachment; filename="doctor-{doctor.pk}.json"'
    )
    answer = admin_client.post(url, {"as": "page"})
    assert canary.PERSON["email"] in body(answer)
    assert "no-store" in answer.headers["Cache-Control"]
    entries = LogEntry.objects.order_by("-pk")[:2]
    assert LogEntry.objects.count() == before + 2
    assert {(e.object_repr, e.change_message) for e in entries} == {
        (f"Doctor {doctor.pk}", "Exported all data.")
    }


def test_erasing_asks_for_the_id_and_says_numbers(admin_client: Client, doctor) -> None:
    url = reverse("admin:doctor_erase", args=[doctor.pk])
    html = admin_client.get(url).content.decode()
    assert "What 2 messages said" in html
    assert "deliveries: 3" in html
    answer = admin_client.post(url, {"external_id": "somebody else"})
    assert "This is not the doctor" in answer.content.decode()
    assert not ErasedPerson.objects.exists()
    answer = admin_client.post(
        url, {"external_id": f" {canary.PERSON['external_id']} "}, follow=True
    )
    assert messages_of(answer) == ["Erased. Figures stay as they were."]
    assert canary.found(answer.content) == set()
    entries = LogEntry.objects.values_list("object_repr", "change_message")
    assert canary.found(repr(list(entries))) == set()
    assert (f"Doctor {doctor.pk}", "Erased.") in entries


def test_erasing_that_must_wait_says_so(admin_client: Client, doctor) -> None:
    doctor.deliveries.filter(status="scheduled").update(status="sending")
    url = reverse("admin:doctor_erase", args=[doctor.pk])
    answer = admin_client.post(url, {"external_id": doctor.external_id})
    assert "Try again in two minutes" in messages_of(answer)[0]
    assert not ErasedPerson.objects.exists()


def test_who_was_erased_may_come_back_and_the_history_says_who_let_them(
    admin_client: Client, doctor
) -> None:
    admin_client.post(
        reverse("admin:doctor_erase", args=[doctor.pk]), {"external_id": doctor.external_id}
    )
    person = ErasedPerson.objects.get()
    html = admin_client.get(page(ErasedPerson, "change", person.pk)).content.decode()
    assert "wishes to come back, delete this entry" in html
    answer = staff("segments.view_erasedperson").post(
        page(ErasedPerson, "delete", person.pk), {"post": "yes"}
    )
    assert answer.status_code == 403
    admin_client.post(page(ErasedPerson, "delete", person.pk), {"post": "yes"})
    assert not ErasedPerson.objects.exists()
    entry = LogEntry.objects.order_by("pk").last()
    assert (entry.change_message, entry.is_deletion()) == ("May be imported again.", True)


@pytest.fixture
def gone(doctor) -> Doctor:
    erase(doctor.pk, NOW)
    return Doctor.objects.get(pk=doctor.pk)


def test_page_of_an_erased_doctor_says_so_and_is_read_only(admin_client: Client, gone) -> None:
    url = page(Doctor, "change", gone.pk)
    html = admin_client.get(url).content.decode()
    assert "Erased on 04 Mar 2026, 12:00" in html
    assert 'name="first_name"' not in html
    assert "Export all data" not in html
    assert "By hand or by an import" not in html
    assert admin_client.post(url, {"first_name": "Back"}).status_code == 403
    for name in ("doctor_data", "doctor_erase"):
        answer = admin_client.post(reverse(f"admin:{name}", args=[gone.pk]), follow=True)
        assert "erased already" in messages_of(answer)[0]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("external_id", canary.PERSON["external_id"].lower()),
        ("email", canary.PERSON["email"].upper()),
        ("phone", canary.WHATSAPP),
        ("whatsapp", canary.PHONE),
    ],
)
def test_form_refuses_who_was_erased_in_the_words_of_imports(
    admin_client: Client, gone, field, value
) -> None:
    data = {
        "external_id": "new",
        "first_name": "A",
        "last_name": "B",
        "timezone": "Asia/Kolkata",
        field: value,
    }
    answer = admin_client.post(page(Doctor, "add"), data)
    form = answer.context["adminform"].form
    assert form.errors == {field: [refused(NOW)]}
    assert Doctor.objects.count() == 1
    answer = admin_client.post(page(Doctor, "add"), data | {field: "+919000000001"}, follow=True)
    assert (Doctor.objects.count() == 2) == (field != "email")


def test_opt_out_of_an_erased_doctor_cannot_be_taken_back(admin_client: Client, gone) -> None:
    record = UnsubscribeRecord.objects.standing().get(channel=None, segment_type=None)
    url = reverse("admin:messaging_unsubscriberecord_changelist")
    data = {"action": "take_back_selected", "_selected_action": [record.pk], "confirmed": "yes"}
    answer = admin_client.post(url, data, follow=True)
    assert "The person asked to be erased." in messages_of(answer)[0]
    record.refresh_from_db()
    assert record.revoked_at is None


@pytest.mark.parametrize("key", ["abc", "\x00", "-1", "1\x00", "²"])
@pytest.mark.parametrize("button", ["erase", "export_data"])
def test_button_of_a_key_that_is_none_is_not_found(admin_client, button, key) -> None:
    url = reverse(f"admin:segments_doctor_{button}", args=[key])
    assert admin_client.get(url).status_code == 404
