"""Nothing may be forgotten: every table and every text of a doctor is known to the erasure."""

from datetime import timedelta

import pytest
from django.db import connection

from messaging.models import InboundMessage
from messaging.privacy import erase, forget, holdings
from segments.models import CourseProgress
from tests.engine import NOW
from tests.messaging.privacy import dump

pytestmark = pytest.mark.django_db


def test_every_table_is_known() -> None:
    related = {model._meta.db_table for model in holdings.paths()}
    known = {"doctors", *related, *holdings.UNRELATED, *holdings.IMPERSONAL}
    assert set(dump.tables()) == known
    assert not related & (set(holdings.UNRELATED) | set(holdings.IMPERSONAL))


def test_every_foreign_key_to_a_doctor_is_gone_along() -> None:
    """Also those that Django does not know of: by the catalogue, and by the column's name."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text FROM pg_constraint "
            "WHERE contype = 'f' AND confrelid = 'doctors'::regclass "
            "UNION SELECT table_name FROM information_schema.columns "
            "WHERE table_schema = 'public' AND column_name IN ('user_id', 'doctor_id')"
        )
        pointing = {name for (name,) in cursor.fetchall()}
    staff = {"auth_user_groups", "auth_user_user_permissions", "django_admin_log"}
    assert pointing - staff == {
        m._meta.db_table for m, ways in holdings.paths().items() if "doctor" in ways
    }


def test_every_text_of_a_doctors_tables_is_erased_or_said_to_stay(doctor) -> None:
    """Marks every column of text; what still has the mark afterwards has to be in KEPT."""
    mark = "qvmark"
    marked = []
    tables = ["doctors", *(model._meta.db_table for model in holdings.paths())]
    with dump.without_triggers(), connection.cursor() as cursor:
        for table in tables:
            cursor.execute(
                "SELECT column_name, data_type FROM information_schema.columns "
                "WHERE table_name = %s AND table_schema = 'public'",
                [table],
            )
            for column, kind in cursor.fetchall():
                if column in forget.KEPT.get(table, {}):
                    continue
                if kind in ("text", "character varying"):
                    cursor.execute(
                        f"UPDATE {table} SET {column} = left('{mark}' || ctid::text, 16)"
                    )
                    marked.append((table, column))
                elif kind == "jsonb":
                    cursor.execute(f'UPDATE {table} SET {column} = \'{{"raw": "{mark}"}}\'')
                    marked.append((table, column))
    assert len(marked) > 20
    erase.erase(doctor.pk, NOW)
    left = [
        (table, text)
        for table, text in dump.of_database().items()
        if table in tables and mark in text
    ]
    assert left == []


def test_testimonial_and_inbound_are_empty_not_gone(doctor) -> None:
    erase.erase(doctor.pk, NOW + timedelta(minutes=1))
    assert CourseProgress.objects.get().rating == 5
    message = InboundMessage.objects.get()
    assert (message.text, message.sender, message.doctor) == ("", "", doctor)
