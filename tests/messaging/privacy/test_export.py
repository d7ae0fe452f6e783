"""Everything that is known of a doctor, and of nobody else."""

import json

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from messaging.models import MessageDelivery, SandboxMessage
from messaging.privacy import export, holdings
from segments.models import Doctor
from tests import engine
from tests.engine import NOW
from tests.messaging.privacy import canary

pytestmark = pytest.mark.django_db


@pytest.fixture
def doctor() -> Doctor:
    engine.member(engine.doctor(last_name="Somebodyelse", email="else@example.com"))
    return canary.make()


def exported(doctor: Doctor) -> dict:
    return json.loads("".join(export.as_json(doctor, NOW)))


def test_every_row_of_every_table_is_there_and_nobody_elses(doctor) -> None:
    told = exported(doctor)
    text = json.dumps(told)
    assert {word.lower() for word in canary.WORDS} <= canary.found(text)
    assert told["doctors"][0]["external_id"] == canary.PERSON["external_id"]
    for model in holdings.paths():
        held = holdings.rows(model, doctor.pk)
        keys = [str(row["id"]) for row in told[model._meta.db_table]]
        assert keys == [str(key) for key in held.values_list("pk", flat=True)], model
        if model._meta.db_table != "erased_persons":
            assert keys, model
        others = model._default_manager.exclude(pk__in=held)
        for path in holdings.paths()[model]:
            assert not others.filter(**{path: doctor.pk}).exists()
    assert "Somebodyelse" not in text
    assert [row["line"] for row in told["import_rejections"]] == [2, 3]
    assert told["django_admin_log"][0]["what"] == "Changed Last name."


def test_messages_say_exactly_what_went_out(doctor) -> None:
    told = {row["delivery"]: row for row in exported(doctor)["messages"]}
    sent = SandboxMessage.objects.filter(delivery__doctor=doctor)
    assert {key: row["text"] for key, row in told.items()} == {
        str(m.delivery_id): m.text for m in sent
    }
    assert any(row["html"] for row in told.values())
    assert {key: row["to"] for key, row in told.items()} == {
        str(m.delivery_id): m.recipient for m in sent
    }


def test_secrets_and_staff_stay_out(doctor) -> None:
    text = "".join(export.as_json(doctor, NOW))
    assert "officer" not in text
    assert '"token"' not in text


def test_page_is_of_its_own_and_harms_nobody(doctor) -> None:
    Doctor.objects.filter(pk=doctor.pk).update(location="<script>alert(1)</script>")
    doctor.refresh_from_db()
    page = "".join(export.as_page(doctor, NOW))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert 'src="' not in page
    assert 'href="' not in page
    for message in SandboxMessage.objects.filter(delivery__doctor=doctor):
        assert message.text.splitlines()[0] in page


def test_tables_are_asked_once_however_many_rows_they_have(doctor) -> None:
    def asked() -> int:
        with CaptureQueriesContext(connection) as queries:
            for name, _, rows in export.tables(doctor):
                if name != "messages":  # each text is made from its own version
                    list(rows)
        return len(queries)

    one = asked()
    engine.schedule_due(NOW, 10 * engine.DAY)
    assert MessageDelivery.objects.filter(doctor=doctor).count() > 3
    assert asked() == one


def test_page_has_words_first_and_what_is_stored_folded_at_the_end(doctor) -> None:
    page = "".join(export.as_page(doctor, NOW))
    readable, _, stored = page.partition("<details>")
    assert "<h3>Opted out</h3>" in readable
    assert canary.WROTE in readable
    key = str(doctor.deliveries.first().pk)
    assert key not in readable
    assert "external id" not in readable
    assert key in stored
    assert "raw" in stored
    assert page.endswith("</details></main></body></html>\n")
