"""A doctor's consent counter: every opt-out, opt-in and consent raises it, whoever writes it."""

from datetime import timedelta

import pytest
from django.db import connection, transaction
from tablib import Dataset

from campaigns.schedule import schedule_due
from messaging.authorize import authorize_due
from messaging.models import ConsentRecord, DeliveryAttempt, UnsubscribeRecord
from messaging.optout import opt_in, opt_out
from segments.imports.bulk import import_file
from segments.imports.resources import RESOURCES
from segments.models import Doctor
from tests.engine import NOW, doctor, enrolled
from tests.messaging.together import Worker, waits_for_a_lock

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


@pytest.fixture
def person():
    """A doctor, and another one whose counter nothing here may touch."""
    made, other = doctor(), doctor()
    yield made
    other.refresh_from_db()
    assert other.consent_version == 1


def execute(statement, *params):
    with connection.cursor() as cursor:
        cursor.execute(statement, params)
        return cursor.rowcount


def counter(person):
    person.refresh_from_db()
    return person.consent_version


def consent(person, **fields):
    defaults = {"channel": "sms", "is_given": True, "recorded_at": NOW, "source": "test"}
    return ConsentRecord(doctor=person, **{**defaults, **fields})


def test_an_opt_out_and_its_way_back_raise_it_and_remember_it(person):
    record = opt_out(person.pk, "sms", None, source="test", now=NOW)
    record.refresh_from_db()
    assert (counter(person), record.consent_version, record.revoked_version) == (2, 2, None)
    opt_out(person.pk, "sms", None, source="test", now=NOW)  # the same wish
    assert counter(person) == 2
    opt_in(record, NOW)
    record.refresh_from_db()
    assert (counter(person), record.consent_version, record.revoked_version) == (3, 2, 3)
    opt_in(record, NOW)
    assert counter(person) == 3


def test_opt_outs_in_sql_raise_it_one_by_one(person):
    assert (
        execute(
            "INSERT INTO unsubscribe_records (user_id, channel) "
            "SELECT %s, unnest(ARRAY['sms', 'email', NULL])",
            person.pk,
        )
        == 3
    )
    assert counter(person) == 4
    seen = UnsubscribeRecord.objects.values_list("consent_version", flat=True)
    assert sorted(seen) == [2, 3, 4]
    execute("UPDATE unsubscribe_records SET revoked_at = now() WHERE channel = 'sms'")
    assert counter(person) == 5
    execute("UPDATE unsubscribe_records SET revoked_at = now(), reason = 'x'")
    assert counter(person) == 7
    seen = UnsubscribeRecord.objects.values_list("revoked_version", flat=True)
    assert sorted(seen) == [5, 6, 7]


def test_a_counter_in_the_statement_itself_is_not_believed(person):
    execute("INSERT INTO unsubscribe_records (user_id, consent_version) VALUES (%s, 99)", person.pk)
    assert counter(person) == UnsubscribeRecord.objects.get().consent_version == 2


def test_what_does_not_change_a_wish_does_not_raise_it(person):
    record = opt_out(person.pk, None, None, source="test", now=NOW)
    execute("UPDATE unsubscribe_records SET reason = 'too many', source = 'reply'")
    given = ConsentRecord.objects.get(doctor=person)
    execute("UPDATE consent_records SET source = 'paper', text_shown = 'I agree'")
    execute("UPDATE consent_records SET is_given = is_given, channel = channel")
    assert counter(person) == 2
    given.refresh_from_db()
    record.refresh_from_db()
    assert (given.consent_version, record.consent_version) == (1, 2)


def test_consents_raise_it_however_they_are_written(person):
    consent(person).save()
    assert counter(person) == 2
    ConsentRecord.objects.bulk_create(
        [consent(person, recorded_at=NOW + n * HOUR) for n in (1, 2, 3)]
    )
    assert counter(person) == 5
    execute(
        "INSERT INTO consent_records (user_id, channel, is_given, recorded_at, source, text_shown) "
        "VALUES (%s, 'email', false, now(), 'sql', '')",
        person.pk,
    )
    assert counter(person) == 6
    mine = ConsentRecord.objects.filter(doctor=person)
    assert sorted(mine.values_list("consent_version", flat=True)) == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    "change", ["is_given = NOT is_given", "channel = 'email'", "recorded_at = now()"]
)
def test_a_changed_consent_raises_it(person, change):
    given = ConsentRecord.objects.get(doctor=person)
    execute(f"UPDATE consent_records SET {change} WHERE id = %s", given.pk)
    given.refresh_from_db()
    assert counter(person) == given.consent_version == 2


def test_the_bulk_import_raises_it_with_each_row_that_it_writes(person, tmp_path):
    path = tmp_path / "consents.csv"
    header = "doctor_id,channel,is_given,recorded_at,source\n"
    lines = [
        f"{person.external_id},{channel},yes,2026-01-31,form\n" for channel in ("sms", "email")
    ]
    path.write_text(header + "".join(lines))
    assert import_file("consents", path, now=NOW).created == 2
    assert counter(person) == 3
    import_file("consents", path, now=NOW)  # says nothing new
    assert counter(person) == 3
    path.write_text(header + lines[0].replace("yes", "no") + lines[1])
    assert import_file("consents", path, now=NOW).updated == 1
    assert counter(person) == 4


def test_the_import_of_the_admin_raises_it_with_each_row_that_it_writes(person):
    resource = RESOURCES[ConsentRecord]()
    data = Dataset(headers=["doctor_id", "channel", "is_given", "recorded_at", "source"])
    data.append([person.external_id, "sms", "yes", "2026-01-31", "form"])
    data.append([person.external_id, "email", "no", "2026-01-31", "form"])
    assert not resource.import_data(data, raise_errors=True).has_errors()
    assert counter(person) == 3
    resource.import_data(data, raise_errors=True)
    assert counter(person) == 3


# --- What it proves -------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO unsubscribe_records (user_id) VALUES (%s)",
        "UPDATE consent_records SET is_given = false WHERE user_id = %s",
    ],
)
def test_a_wish_in_sql_waits_for_the_sender_and_comes_after_it(statement):
    (enrollment,) = enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    with transaction.atomic():
        assert len(authorize_due("sms", NOW, 500).claims) == 1
        wish = Worker(lambda: execute(statement, enrollment.doctor_id))
        assert waits_for_a_lock()
        assert not wish.is_done
    assert wish.result() == 1
    seen = DeliveryAttempt.objects.get().consent_version
    assert seen == 1 < Doctor.objects.get().consent_version == 2


@pytest.mark.django_db(transaction=True)
def test_a_wish_in_sql_that_is_first_keeps_the_sender_from_the_doctor():
    (enrollment,) = enrolled(days=(0,), channels=("sms",))
    schedule_due(NOW)
    with transaction.atomic():
        execute("INSERT INTO unsubscribe_records (user_id) VALUES (%s)", enrollment.doctor_id)
        sender = Worker(lambda: authorize_due("sms", NOW, 500))
        authorized = sender.result()  # without waiting
        assert (authorized.claims, authorized.left) == ([], 1)
    assert not authorize_due("sms", NOW, 500).claims
    assert not DeliveryAttempt.objects.exists()
