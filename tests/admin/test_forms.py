"""Templates, opt-outs, schedules and files in the admin."""

import io
import re
from datetime import timedelta
from typing import Any

import openpyxl
import pytest
import time_machine
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django_celery_beat.models import (
    PeriodicTask,
)
from kombu.exceptions import OperationalError

from messaging.models import (
    MessageDelivery,
    MessageTemplate,
    SandboxMessage,
    UnsubscribeRecord,
)
from segments.models import (
    Doctor,
    Session,
)
from tests import engine
from tests.admin.world import (
    make,
    make_schedules,
    messages_of,
    page,
    staff,
)
from tests.engine import DAY, NOW

pytestmark = pytest.mark.django_db


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
    form = {"title": "New", "sequence_order": "1", "template_content": text, "opened_version": "1"}
    admin_client.post(url, form)
    template.refresh_from_db()
    assert (template.title, template.variables) == ("New", ["last_name", "shortlink"])
    assert "{{last_name}}" in admin_client.get(url).content.decode()


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


def test_schedule_is_switched_off_in_the_list(admin_client: Client) -> None:
    make_schedules(1)
    task = PeriodicTask.objects.get()
    form = {"form-TOTAL_FORMS": "1", "form-INITIAL_FORMS": "1", "form-0-id": str(task.pk)}
    form["initial-form-0-enabled"] = "True"  # as the page was shown
    admin_client.post(page(PeriodicTask), {**form, "_save": "Save"})
    task.refresh_from_db()
    assert not task.enabled


def test_run_now_without_redis_says_so(
    admin_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_schedules(1)
    PeriodicTask.objects.update(task="messaging.tasks.dispatch_due")

    def away(*_: Any, **__: Any) -> None:
        raise OperationalError("no broker")

    monkeypatch.setattr("celery.app.task.Task.apply_async", away)
    chosen = {"action": "run_tasks", "_selected_action": [PeriodicTask.objects.get().pk]}
    response = admin_client.post(page(PeriodicTask), chosen, follow=True)
    assert response.status_code == 200
    assert "Redis does not answer" in messages_of(response)[0]


def test_import_previews_then_imports(admin_client: Client) -> None:
    text = "doctor_id,first_name,last_name,email\nCLR-9,Asha,Rao,asha@example.com\n"
    file = SimpleUploadedFile("doctors.csv", text.encode())
    preview = admin_client.post(page(Doctor, "import"), {"import_file": file, "format": "0"})
    assert "CLR-9" in preview.content.decode()
    assert Doctor.objects.count() == 0
    confirm = preview.context["confirm_form"].initial
    admin_client.post(page(Doctor, "process_import"), confirm)
    assert Doctor.objects.get().external_id == "CLR-9"


def test_import_numbers_wrong_rows_as_the_files_lines_are(admin_client: Client) -> None:
    rows = (
        "doctor_id,first_name,last_name,phone",
        "CLR-1,Asha,Rao,+919812345678",
        "",  # nothing stands in this line
        "CLR-2,Ravi,Mehta,12",
        "CLR-1,Asha,Rao,+919812345678",
    )
    file = SimpleUploadedFile("doctors.csv", "\n".join(rows).encode())
    preview = admin_client.post(page(Doctor, "import"), {"import_file": file, "format": "0"})
    assert [row.number for row in preview.context["result"].invalid_rows] == [4, 5]
    first, second = preview.text.split('<article class="wrong-row"')[1:]
    assert 'aria-label="Line 4"' in first
    assert "<strong>phone</strong>: Is not a valid phone number" in first
    assert '<div class="wrong-cell"><dt>phone</dt><dd>12</dd></div>' in first
    assert "Is in row 2 already" in second


def test_import_needs_permission_to_add_and_change() -> None:
    client = staff("segments.view_doctor", "segments.add_doctor")
    assert client.get(page(Doctor, "import")).status_code == 403
    assert client.get(page(Doctor, "export")).status_code == 403


def test_export_needs_permission_to_change() -> None:
    client = staff("segments.view_doctor", "segments.change_doctor")
    assert client.get(page(Doctor, "export")).status_code == 200


def upload(client: Client, content: bytes, name: str = "doctors.csv") -> Any:
    file = SimpleUploadedFile(name, content)
    return client.post(page(Doctor, "import"), {"import_file": file, "format": "0"})


HEADER = "doctor_id,first_name,last_name\n"


def test_import_reads_the_encodings_that_the_command_reads(admin_client: Client) -> None:
    for encoding in ("utf-8", "utf-8-sig", "cp1252"):
        page_ = upload(admin_client, f"{HEADER}CLR-9,Zoë,Rao\n".encode(encoding))
        assert "Zoë" in page_.content.decode()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (f"{HEADER}CLR-9,Asha,Rao\n".encode("utf-16"), "UTF-16"),
        (f"{HEADER}CLR-9,Asha,Rao,more\n".encode(), "Line 2"),
        (b"", "empty"),
        (b"nonsense,columns\n1,2\n", "doctor_id"),
    ],
)
def test_import_says_in_words_why_a_file_can_not_be_read(
    content: bytes, words: str, admin_client: Client
) -> None:
    answer = upload(admin_client, content).content.decode()
    assert words in answer
    assert "encountered" not in answer
    assert not Doctor.objects.exists()


def test_import_refuses_a_formula_in_a_spreadsheet(admin_client: Client) -> None:
    book = openpyxl.Workbook()
    book.active.append(["doctor_id", "first_name", "last_name"])
    book.active.append(["CLR-9", "=1+1", "Rao"])
    stream = io.BytesIO()
    book.save(stream)
    answer = upload(admin_client, stream.getvalue(), "doctors.xlsx").content.decode()
    assert "formula" in answer
    assert "confirm_form" not in answer


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
