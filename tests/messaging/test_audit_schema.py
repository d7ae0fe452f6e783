"""I8: every guard of the database is missed when it is gone, other than it was, or switched off."""

from importlib import import_module

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from messaging.audit.finding import Scope
from messaging.audit.schema import CHECKS, TRIGGERS, UNIQUE, unguarded
from messaging.models import DeliveryAttempt, MessageDelivery
from tests.engine import NOW
from tests.messaging.history import run_sql, sent

pytestmark = pytest.mark.django_db


def missed() -> list[str]:
    return [row.key for row in unguarded(Scope(NOW)).rows]


def test_i8_everything_is_there():
    assert missed() == []
    sent()
    assert missed() == []


@pytest.mark.parametrize("name", UNIQUE)
def test_i8_unique_index_that_is_gone(name):
    table = UNIQUE[name].table
    run_sql(f"ALTER TABLE {table} DROP CONSTRAINT IF EXISTS {name}")
    run_sql(f"DROP INDEX IF EXISTS {name}")
    assert missed() == [name]


@pytest.mark.parametrize(
    "instead",
    [
        "CREATE INDEX {0} ON delivery_attempts (delivery_id) WHERE counts",
        "CREATE UNIQUE INDEX {0} ON delivery_attempts (delivery_id, id) WHERE counts",
        "CREATE UNIQUE INDEX {0} ON delivery_attempts (delivery_id) WHERE counts AND id IS NULL",
        "CREATE UNIQUE INDEX {0} ON message_deliveries (id)",
    ],
)
def test_i8_index_that_is_another(instead):
    run_sql("DROP INDEX delivery_attempts_once")
    run_sql(instead.format("delivery_attempts_once"))
    assert missed() == ["delivery_attempts_once"]


def test_i8_unique_index_that_was_never_finished():
    run_sql(
        "UPDATE pg_index SET indisvalid = false "
        "WHERE indexrelid = 'delivery_attempts_once'::regclass"
    )
    assert missed() == ["delivery_attempts_once"]


def test_i8_optouts_whose_null_is_not_equal_to_null():
    run_sql("DROP INDEX unsubscribe_records_standing_once")
    run_sql(
        "CREATE UNIQUE INDEX unsubscribe_records_standing_once ON unsubscribe_records "
        "(user_id, channel, segment_type) WHERE revoked_at IS NULL"
    )
    assert missed() == ["unsubscribe_records_standing_once"]


@pytest.mark.parametrize("name", TRIGGERS)
@pytest.mark.parametrize(
    "change",
    [
        "DROP TRIGGER {0} ON {1}",
        "ALTER TABLE {1} DISABLE TRIGGER {0}",
        "ALTER TABLE {1} ENABLE REPLICA TRIGGER {0}",
    ],
)
def test_i8_trigger_that_does_not_fire(name, change):
    run_sql(change.format(name, TRIGGERS[name]))
    assert missed() == [name]


@pytest.mark.parametrize("name", CHECKS)
def test_i8_check_that_is_gone_or_was_never_made(name):
    run_sql(f"ALTER TABLE message_deliveries DROP CONSTRAINT {name}")
    assert missed() == [name]
    run_sql(f"ALTER TABLE message_deliveries ADD CONSTRAINT {name} CHECK (true) NOT VALID")
    assert missed() == [name]


def test_i8_trigger_that_fires_and_refuses_nothing():
    delivery = sent()
    run_sql(
        "CREATE OR REPLACE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN RETURN NEW; END'"
    )
    assert missed() == [str(delivery.pk)]


def test_i8_second_attempt_that_the_database_takes():
    sent()
    run_sql("DROP INDEX delivery_attempts_once")
    assert missed() == ["delivery_attempts_once", "delivery_attempts_once"]


def test_i8_refusal_by_another_guard_is_none():
    delivery = sent()
    run_sql("DROP TRIGGER message_deliveries_legal_status ON message_deliveries")
    run_sql("ALTER TABLE message_deliveries ADD CHECK (status <> 'sending')")
    assert missed() == ["message_deliveries_legal_status", str(delivery.pk)]


@pytest.mark.django_db(transaction=True)
def test_i8_what_was_tried_leaves_no_trace():
    sent()
    run_sql("DROP INDEX delivery_attempts_once")
    run_sql("DROP TRIGGER message_deliveries_legal_status ON message_deliveries")
    before = (list(MessageDelivery.objects.values()), list(DeliveryAttempt.objects.values()))
    try:
        with CaptureQueriesContext(connection) as queries:
            assert len(missed()) == 4
        tried = [query["sql"] for query in queries if query["sql"].startswith("UPDATE")]
        assert len(tried) == 1
        after = (list(MessageDelivery.objects.values()), list(DeliveryAttempt.objects.values()))
        assert after == before
    finally:
        run_sql(
            "CREATE UNIQUE INDEX delivery_attempts_once ON delivery_attempts (delivery_id) "
            "WHERE counts"
        )
        run_sql(import_module("messaging.migrations.0009_report_settles").TRIGGERS)
