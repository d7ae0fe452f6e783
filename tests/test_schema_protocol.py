"""What the database itself holds of the protocol of sending: unique rows, and legal changes."""

import itertools
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from messaging.models import AttemptOutcome, DeliveryAttempt, DeliveryStatus, MessageDelivery
from tests.engine import NOW, enrolled, send_all
from tests.strategy.catalogue import read_catalogue

pytestmark = pytest.mark.django_db

RULES = {
    "delivery_attempts": {  # its doctor and its account are not checked: the sender just read them
        "FOREIGN KEY (delivery_id) REFERENCES message_deliveries(id)",
        "PRIMARY KEY (id)",
        "UNIQUE INDEX btree (delivery_id) WHERE counts",
    },
    "provider_events": {
        "FOREIGN KEY (delivery_id) REFERENCES message_deliveries(id)",
        "PRIMARY KEY (id)",
        "UNIQUE (provider, event_key)",
    },
    "provider_accounts": {
        "CHECK (((rate_per_second IS NULL) OR (rate_per_second > (0.0)::double precision)))",
        "CHECK ((burst >= 0))",
        "CHECK ((failures_in_row >= 0))",
        "CHECK ((times_opened >= 0))",
        "PRIMARY KEY (id)",
        "UNIQUE (channel, provider)",
    },
    "message_costs": {  # its account is not checked: as on the attempts
        "FOREIGN KEY (step_id) REFERENCES campaign_messages(id)",
        "PRIMARY KEY (id)",
        "UNIQUE NULLS NOT DISTINCT (step_id, date, account_id, price)",
    },
    "send_windows": {
        "FOREIGN KEY (account_id) REFERENCES provider_accounts(id)",
        "PRIMARY KEY (claim_id)",
    },
}
# Tables of which it is kept who changed what.
TRAILED = (
    "api_keys",
    "auth_group",
    "auth_group_permissions",
    "auth_user",
    "auth_user_groups",
    "auth_user_user_permissions",
    "campaign_messages",
    "campaigns",
    "channel_suppressions",
    "consent_records",
    "django_celery_beat_crontabschedule",
    "django_celery_beat_intervalschedule",
    "django_celery_beat_periodictask",
    "experiment_variants",
    "experiments",
    "inbound_replies",
    "keyword_replies",
    "message_templates",
    "provider_accounts",
    "unsubscribe_records",
)
# Name of the trigger: its table, and when it fires.
TRIGGERS = {
    **{f"{table}_trail": (table, "AFTER INSERT") for table in TRAILED},
    "campaign_messages_tested": ("campaign_messages", "BEFORE UPDATE"),
    "experiment_variants_locked": ("experiment_variants", "BEFORE INSERT"),
    "experiments_locked": ("experiments", "BEFORE UPDATE"),
    "reengage_change_kept": ("reengage_change", "BEFORE DELETE"),
    "message_templates_keep_version": ("message_templates", "AFTER INSERT"),
    "channel_suppressions_lift_consent": ("channel_suppressions", "BEFORE UPDATE"),
    "channel_suppressions_raise_consent": ("channel_suppressions", "BEFORE INSERT"),
    "consent_records_change_consent": ("consent_records", "BEFORE UPDATE"),
    "consent_records_raise_consent": ("consent_records", "BEFORE INSERT"),
    "delivery_attempts_legal_outcome": ("delivery_attempts", "BEFORE UPDATE"),
    "message_deliveries_legal_status": ("message_deliveries", "BEFORE UPDATE"),
    "unsubscribe_records_raise_consent": ("unsubscribe_records", "BEFORE INSERT"),
    "unsubscribe_records_revoke_consent": ("unsubscribe_records", "BEFORE UPDATE"),
}
# design, section 4. Whoever changes one of these changes the trigger's migration, and says why.
LEGAL_STATUSES = {
    "scheduled": {"sending", "skipped", "delivered", "opened", "clicked"},
    "sending": {
        "scheduled",
        "skipped",
        "failed",
        "unknown",
        "sent",
        "delivered",
        "opened",
        "clicked",
    },
    "unknown": {"scheduled", "failed", "sent", "delivered", "opened", "clicked"},
    "sent": {"delivered", "opened", "clicked", "failed"},
    "failed": {"delivered", "opened", "clicked"},
    "delivered": {"opened", "clicked"},
    "opened": {"clicked"},
    "clicked": set[str](),
    "skipped": set[str](),
}
LEGAL_OUTCOMES = {
    "pending": {"accepted", "refused", "unknown", "released"},
    "unknown": {"accepted", "refused", "released", "written_off"},
    "accepted": set[str](),
    "refused": set[str](),
    "released": set[str](),
    "written_off": {"accepted"},
}


def query(statement: str) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement)
        return cursor.fetchall()


def test_attempt_keeps_what_it_is_paid_by_and_says_so() -> None:
    """Both may be empty: no row of before is written anew, and none is read to check it."""
    with connection.cursor() as cursor:
        columns = read_catalogue(cursor, "public")["delivery_attempts"].columns
    assert columns["price"] == ("numeric(8,4)", None, True)
    assert columns["sms_parts"] == ("smallint", None, True)
    named = [DeliveryAttempt._meta.get_field(name) for name in ("price", "sms_parts")]
    assert all(field.help_text for field in named)


@pytest.mark.parametrize("table", RULES)
def test_rules_of_the_protocols_tables_are_the_pinned_ones(table: str) -> None:
    with connection.cursor() as cursor:
        assert read_catalogue(cursor, "public")[table].rules == RULES[table]


def test_triggers_are_the_pinned_ones_and_fire() -> None:
    found = query(
        "SELECT tgname, tgrelid::regclass::text, pg_get_triggerdef(oid), tgenabled "
        "FROM pg_trigger WHERE NOT tgisinternal"
    )
    assert {row[0]: (row[1], " ".join(row[2].split()[3:5])) for row in found} == TRIGGERS
    assert {row[3] for row in found} == {"O"}  # O: fires wherever it is not switched off


def pairs(names: list[str]) -> list[tuple[str, str]]:
    """Every change of one into another; staying as it is is no change."""
    return list(itertools.permutations(names, 2))


def test_legal_changes_speak_of_every_status_and_outcome() -> None:
    assert set(LEGAL_STATUSES) == set(DeliveryStatus.values)
    assert set(LEGAL_OUTCOMES) == set(AttemptOutcome.values)


@pytest.mark.parametrize(("old", "new"), pairs(DeliveryStatus.values))
def test_status_changes_only_as_its_life_allows(old: str, new: str) -> None:
    delivery = delivery_that_is(old)
    change = MessageDelivery.objects.filter(pk=delivery.pk)
    if new in LEGAL_STATUSES[old]:
        assert change.update(status=new) == 1
    else:
        words = f"{delivery.pk}: {old} does not become {new}"
        with pytest.raises(IntegrityError, match=words), transaction.atomic():
            change.update(status=new)
        assert change.update(status=old) == 1  # other columns may change all the time


def delivery_that_is(status: str) -> MessageDelivery:
    """A delivery inserted with this status, and with every reason that one could need."""
    (enrollment,) = enrolled(days=(0,), channels=("sms",))
    return MessageDelivery.objects.create(
        enrollment=enrollment,
        campaign_message=enrollment.campaign.steps.get(),
        doctor=enrollment.doctor,
        channel="sms",
        scheduled_at=NOW,
        due_at=NOW,
        expires_at=NOW,
        status=status,
        skip_reason="too_late",
        error_message="busy",
    )


@pytest.mark.parametrize(("old", "new"), pairs(AttemptOutcome.values))
def test_outcome_changes_only_while_it_is_open(old: str, new: str) -> None:
    attempt = attempt_that_is(old)
    change = DeliveryAttempt.objects.filter(pk=attempt.pk)
    if new in LEGAL_OUTCOMES[old]:
        assert change.update(outcome=new) == 1
    else:
        words = f"{attempt.pk}: {old} does not become {new}"
        with pytest.raises(IntegrityError, match=words), transaction.atomic():
            change.update(outcome=new)
        assert change.update(outcome=old) == 1


def attempt_that_is(outcome: str) -> DeliveryAttempt:
    delivery = delivery_that_is("sending")
    return DeliveryAttempt.objects.create(
        delivery=delivery,
        doctor=delivery.doctor,
        channel="sms",
        claim_id=delivery.pk,
        authorised_at=NOW,
        consent_version=1,
        timezone="Asia/Kolkata",
        outcome=outcome,
    )


def test_an_illegal_change_in_the_middle_of_many_changes_none() -> None:
    enrolled(3, days=(0,), channels=("sms",))
    send_all(NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        query("UPDATE message_deliveries SET status = 'scheduled' RETURNING id")
    assert set(MessageDelivery.objects.values_list("status", flat=True)) == {"sent"}


def test_a_second_attempt_that_counts_is_refused() -> None:
    attempt = attempt_that_is("accepted")
    attempt.pk = None
    with pytest.raises(IntegrityError, match="delivery_attempts_once"), transaction.atomic():
        attempt.save(force_insert=True)
    attempt.counts = False
    attempt.save(force_insert=True)
