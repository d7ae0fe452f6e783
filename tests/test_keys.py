"""What the database itself holds of keys and time zones: it serves COPY and SQL, too."""

import importlib
import time
import uuid

import psycopg
import pytest
from django.apps import apps
from django.db import DataError, IntegrityError, connection, models, transaction

from campaigns.models import Campaign
from messaging.models import HandedOver, SandboxMessage, SendWindow
from segments.models import Doctor
from segments.models.fields import UuidV7Field, uuid7
from tests.strategy.catalogue import read_catalogue

pytestmark = pytest.mark.django_db


def _milliseconds(key: uuid.UUID) -> int:
    return key.int >> 80


def _now() -> int:
    return time.time_ns() // 1_000_000


def _await_next_millisecond() -> int:
    start = _now()
    while (now := _now()) == start:
        pass
    return now


def _keys(function: str, count: int) -> list[uuid.UUID]:
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {function}() FROM generate_series(1, %s)", [count])
        return [key for (key,) in cursor.fetchall()]


def test_every_uuid_key_is_drawn_by_python_and_by_the_database() -> None:
    # The key of a window is the claim that its sender draws, that of the sandbox's text the id that
    # it was handed.
    given = {SendWindow, HandedOver, SandboxMessage}
    keys = [model._meta.pk for model in apps.get_models() if model not in given]
    uuids = [key for key in keys if isinstance(key, models.UUIDField)]
    assert len(uuids) >= 8  # the strategy's tables
    with connection.cursor() as cursor:
        tables = read_catalogue(cursor, "public")
    for key in uuids:
        assert isinstance(key, UuidV7Field)
        assert tables[key.model._meta.db_table].columns[key.column] == ("uuid", "uuidv7()", False)
        assert key.get_default().version == 7


def test_keys_of_python_and_of_the_database_grow_with_time() -> None:
    rows = []
    for number in range(3):
        start = _await_next_millisecond()
        rows.append(Campaign.objects.create(name=f"{number} of Python", segment_type="no_show").pk)
        assert start <= _milliseconds(rows[-1]) <= _now()
        start = _await_next_millisecond()
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO campaigns (name, segment_type, channel_order) "
                "VALUES (%s, 'no_show', '{}') RETURNING id",
                [f"{number} of SQL"],
            )
            rows.append(cursor.fetchone()[0])
        assert start <= _milliseconds(rows[-1]) <= _now()
    assert {(key.version, key.variant) for key in rows} == {(7, uuid.RFC_4122)}
    assert list(Campaign.objects.order_by("pk").values_list("pk", flat=True)) == rows


def test_keys_of_one_moment_keep_their_order() -> None:
    drawn = [uuid7() for _ in range(5000)]
    assert drawn == sorted(set(drawn))
    drawn = _keys("uuidv7", 5000)
    assert drawn == sorted(set(drawn))


def test_key_function_for_older_servers_gives_version_7() -> None:
    migration = importlib.import_module("segments.migrations.0001_uuidv7")
    assert "FUNCTION uuidv7()" in migration.FUNCTION
    with connection.cursor() as cursor:
        cursor.execute(migration.FUNCTION.replace("uuidv7()", "uuidv7_for_older()"))
    start = _await_next_millisecond()
    drawn = _keys("uuidv7_for_older", 5000)
    end = _await_next_millisecond()
    assert {(key.version, key.variant) for key in drawn} == {(7, uuid.RFC_4122)}
    assert len(set(drawn)) == len(drawn)
    moments = [_milliseconds(key) for key in drawn]
    assert start <= moments[0] < moments[-1] <= end
    assert moments == sorted(moments)
    # Nothing but time, version and variant is fixed: the rest is drawn.
    fixed = 0xFFFFFFFFFFFF << 80 | 0xF << 76 | 0x3 << 62
    drawn_bits = [0, 0]
    for key in drawn:
        drawn_bits[0] |= key.int
        drawn_bits[1] |= ~key.int
    assert drawn_bits[0] & drawn_bits[1] & ~fixed & (1 << 128) - 1 == ~fixed & (1 << 128) - 1


COPY = "COPY doctors (external_id, title, first_name, last_name, specialty, location, timezone) "


@pytest.mark.parametrize(
    "zone",
    ["Mars/Olympus", "Asia/Calcuta", "", " Asia/Kolkata", "IST", "GMT+5", "5", "asia/kolkata"],
)
def test_unknown_time_zone_is_refused_by_the_database(zone: str) -> None:
    doctor = Doctor.objects.create(external_id="1", first_name="Asha", last_name="Rao")
    with pytest.raises((DataError, IntegrityError), match=r"time ?zone"), transaction.atomic():
        Doctor.objects.filter(pk=doctor.pk).update(timezone=zone)
    with (
        pytest.raises((psycopg.DataError, psycopg.IntegrityError), match=r"time ?zone"),
        transaction.atomic(),
        connection.cursor() as cursor,
        cursor.copy(f"{COPY} FROM STDIN") as copy,
    ):
        copy.write_row(("2", "", "Asha", "Rao", "", "", zone))
    assert list(Doctor.objects.values_list("external_id", "timezone")) == [("1", "Asia/Kolkata")]
