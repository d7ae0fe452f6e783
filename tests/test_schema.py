"""The live PostgreSQL catalogue of the migrated database against the strategy's own SQL."""

import pytest
from django.apps import apps
from django.db import connection

from tests.strategy.catalogue import SCRATCH, STRATEGY, Difference, compare, read_catalogue

pytestmark = pytest.mark.django_db

ADDED_COLUMNS = {
    "campaigns": {
        "author_id",
        "changed_by_id",
        "channel_order",
        "description",
        "goal_days",
        "goal_rate",
        "holdout_percent",
        "inactivity_days",
        "launched_at",
        "launched_by_id",
        "max_complaint_rate",
        "max_failure_rate",
        "max_unsubscribe_rate",
        "min_delivery_rate",
        "paused_at",
        "priority",
        "proposal",
        "proposed_at",
        "proposed_by_id",
        "review_note",
        "rollout_days",
        "rollout_halted",
        "rollout_percent",
        "rollout_since",
        "send_from",
        "send_until",
        "submitted_at",
        "submitted_by_id",
        "submitted_digest",
        "value_per_return",
    },
    "campaign_messages": {"removed_at", "send_from"},
    "campaign_enrollments": {
        "converted_at",
        "is_holdout",
        "is_spread",
        "next_due_at",
        "shifted_days",
        "subject",
    },
    "message_deliveries": {
        "claim_id",
        "crashes",
        "due_at",
        "expires_at",
        "failed_at",
        "skip_detail",
        "skip_reason",
        "target_url",
        "token",
        "trace",
        "user_id",
        "variant_id",
    },
    "user_segments": {"inactive_since", "subject"},
    "message_templates": {
        "approval_checked_at",
        "approval_detail",
        "approval_status",
        "content_sid",
        "defaults",
        "dlt_template_id",
        "max_sms_segments",
        "parameters",
        "preheader",
        "registered_text",
        "title",
        "whatsapp_category",
        "whatsapp_language",
        "whatsapp_name",
    },
    "campaign_analytics": set[str](),
    "unsubscribe_records": {
        "consent_version",
        "delivery_id",
        "paused_until",
        "revoked_at",
        "revoked_version",
        "source",
    },
}
# NULL in the strategy's SQL, refused by ours: no row has ever a reason to be without.
STRICTER_COLUMNS = {
    "campaigns": {"status"},
    "campaign_messages": {"campaign_id"},
    "campaign_enrollments": {"campaign_id", "enrolled_at", "status"},
    "message_deliveries": {"campaign_message_id", "enrollment_id", "status"},
    "user_segments": {"calculated_at"},
    "campaign_analytics": {
        "campaign_id",
        "total_clicked",
        "total_delivered",
        "total_failed",
        "total_opened",
        "total_sent",
        "total_unsubscribed",
    },
}
ADDED_RULES = {
    "campaigns": {
        "CHECK ((goal_days >= 0))",
        "CHECK ((goal_rate >= 0))",
        "CHECK ((holdout_percent >= 0))",
        "CHECK ((inactivity_days >= 0))",
        "CHECK ((priority >= 0))",
        "CHECK ((rollout_days >= 0))",
        "CHECK ((rollout_percent >= 0))",
        "CHECK ((send_until > send_from))",
        "FOREIGN KEY (author_id) REFERENCES auth_user(id)",
        "FOREIGN KEY (changed_by_id) REFERENCES auth_user(id)",
        "FOREIGN KEY (launched_by_id) REFERENCES auth_user(id)",
        "FOREIGN KEY (proposed_by_id) REFERENCES auth_user(id)",
        "FOREIGN KEY (submitted_by_id) REFERENCES auth_user(id)",
    },
    "campaign_messages": {
        "CHECK ((delay_days >= 0))",
        "FOREIGN KEY (template_id) REFERENCES message_templates(template_key)",
        "UNIQUE (campaign_id, sequence_order)",
    },
    "campaign_enrollments": {
        "FOREIGN KEY (user_id) REFERENCES doctors(id)",
        "UNIQUE (campaign_id, user_id, subject)",
        "UNIQUE INDEX btree (campaign_id, user_id) WHERE ((status)::text = 'active'::text)",
    },
    "message_deliveries": {
        "CHECK (((NOT ((status)::text = 'failed'::text)) OR (error_message IS NOT NULL)))",
        "CHECK (((NOT ((status)::text = 'skipped'::text)) OR (skip_reason IS NOT NULL)))",
        "CHECK ((crashes >= 0))",
        "FOREIGN KEY (user_id) REFERENCES doctors(id)",
        "FOREIGN KEY (variant_id) REFERENCES experiment_variants(id)",
        "UNIQUE (campaign_message_id, enrollment_id)",
        "UNIQUE INDEX btree (token) WHERE (token IS NOT NULL)",
    },
    "message_templates": {"CHECK ((max_sms_segments >= 0))"},
    "user_segments": {"FOREIGN KEY (user_id) REFERENCES doctors(id)"},
    "unsubscribe_records": {
        "FOREIGN KEY (delivery_id) REFERENCES message_deliveries(id)",
        "FOREIGN KEY (user_id) REFERENCES doctors(id)",
        (
            "UNIQUE INDEX btree (user_id, channel, segment_type) NULLS NOT DISTINCT "
            "WHERE (revoked_at IS NULL)"
        ),
    },
}
# Each with its reason beside it in the model; those with a number at the end are Django's own.
ADDED_INDEXES = {
    "campaign_messages": {
        "campaign_messages_template_id_8c76c8c0",
        "campaign_messages_template_id_8c76c8c0_like",
    },
    "campaign_enrollments": {"idx_campaign_enrollments_due", "idx_campaign_enrollments_when"},
    "message_deliveries": {
        "idx_message_deliveries_extern",
        "idx_message_deliveries_facts",
        "idx_message_deliveries_lane",
        "idx_message_deliveries_trouble",
        "idx_message_deliveries_variant",
        "message_deliveries_user_id_75b83d3b",
    },
    "message_templates": {"message_templates_template_key_8ecc82d5_like"},
    "unsubscribe_records": {
        "unsubscribe_records_delivery_id_9b8ad6cc",
        "unsubscribe_records_user_id_fec8a8b1",
    },
}


def _pairs(pinned: dict[str, set[str]]) -> set[tuple[str, str]]:
    return {(table, name) for table, names in pinned.items() for name in names}


def test_differences_from_the_strategy_are_the_pinned_ones() -> None:
    left = compare(STRATEGY.read_text())
    columns = {d for d in left if d[1] == "column" and d[2] is None}
    rules = {d for d in left if d[1] == "rule" and d[2] is None}
    indexes = {d for d in left if d[1].startswith("index ") and d[2] is None}
    stricter = {d for d in left if d[1].startswith("NULL in ") and d[2:] == ("True", "False")}
    assert {(d[0], d[3]) for d in columns} == _pairs(ADDED_COLUMNS)
    assert {(d[0], d[3]) for d in rules} == _pairs(ADDED_RULES)
    assert {(d[0], d[1].removeprefix("index ")) for d in indexes} == _pairs(ADDED_INDEXES)
    assert {(d[0], d[1].removeprefix("NULL in ")) for d in stricter} == _pairs(STRICTER_COLUMNS)
    # The strategy leaves it to the program to draw keys; ours come from either side.
    keys = {(table, "default of id", None, "uuidv7()") for table in ADDED_COLUMNS}
    assert left - columns - rules - indexes - stricter == keys


def test_added_column_has_a_help_text() -> None:
    of_table = {model._meta.db_table: model for model in apps.get_models()}
    silent = {
        f"{table}.{column.column}"
        for table, added in ADDED_COLUMNS.items()
        for column in of_table[table]._meta.concrete_fields
        if column.column in added and not column.help_text
    }
    assert silent == set()


CHANGED_STRATEGY: dict[str, tuple[str, str, set[Difference]]] = {
    "length": (
        "name VARCHAR(255)",
        "name VARCHAR(200)",
        {("campaigns", "type of name", "character varying(200)", "character varying(255)")},
    ),
    "type": (
        "start_date TIMESTAMP",
        "start_date DATE",
        {("campaigns", "type of start_date", "date", "timestamp with time zone")},
    ),
    "default": (
        "DEFAULT 'draft'",
        "DEFAULT 'active'",
        {
            (
                "campaigns",
                "default of status",
                "'active'::character varying",
                "'draft'::character varying",
            )
        },
    ),
    "default of ours alone": (
        "total_sent INT DEFAULT 0",
        "total_sent INT",
        {("campaign_analytics", "default of total_sent", None, "0")},
    ),
    "default of the strategy alone": (
        "delay_days INT NOT NULL",
        "delay_days INT NOT NULL DEFAULT 3",
        {("campaign_messages", "default of delay_days", "3", None)},
    ),
    "stricter strategy": (
        "end_date TIMESTAMP",
        "end_date TIMESTAMP NOT NULL",
        {("campaigns", "NULL in end_date", "False", "True")},
    ),
    "column missing in ours": (
        "reason TEXT,",
        "reason TEXT, colour TEXT,",
        {("unsubscribe_records", "column", "colour", None)},
    ),
    "column missing in the strategy": (
        "reason TEXT,",
        "",
        {("unsubscribe_records", "column", None, "reason")},
    ),
    "primary key": (
        "CREATE TABLE unsubscribe_records (\n    id UUID PRIMARY KEY",
        "CREATE TABLE unsubscribe_records (\n    id UUID NOT NULL",
        {("unsubscribe_records", "rule", None, "PRIMARY KEY (id)")},
    ),
    "unique columns": (
        "UNIQUE(user_id, segment_type)",
        "UNIQUE(user_id)",
        {
            ("user_segments", "rule", "UNIQUE (user_id)", None),
            ("user_segments", "rule", None, "UNIQUE (user_id, segment_type)"),
        },
    ),
    "foreign key missing in the strategy": (
        "campaign_id UUID REFERENCES campaigns(id),\n    date",
        "campaign_id UUID,\n    date",
        {
            (
                "campaign_analytics",
                "rule",
                None,
                "FOREIGN KEY (campaign_id) REFERENCES campaigns(id)",
            )
        },
    ),
    "target of a foreign key": (
        "REFERENCES campaign_enrollments(id)",
        "REFERENCES campaign_messages(id)",
        {
            (
                "message_deliveries",
                "rule",
                "FOREIGN KEY (enrollment_id) REFERENCES campaign_messages(id)",
                None,
            ),
            (
                "message_deliveries",
                "rule",
                None,
                "FOREIGN KEY (enrollment_id) REFERENCES campaign_enrollments(id)",
            ),
        },
    ),
    "index missing in ours": (
        "-- Indexes for performance",
        "CREATE INDEX idx_new ON user_segments(user_id);",
        {("user_segments", "index idx_new", "btree (user_id)", None)},
    ),
    "index missing in the strategy": (
        "CREATE INDEX idx_user_segments_user ON user_segments(user_id);",
        "",
        {("user_segments", "index idx_user_segments_user", None, "btree (user_id)")},
    ),
    "columns of an index": (
        "idx_user_segments_user ON user_segments(user_id)",
        "idx_user_segments_user ON user_segments(user_id, expires_at)",
        {
            (
                "user_segments",
                "index idx_user_segments_user",
                "btree (user_id, expires_at)",
                "btree (user_id)",
            )
        },
    ),
    "predicate of an index": (
        "WHERE status = 'scheduled'",
        "",
        {
            (
                "message_deliveries",
                "index idx_message_deliveries_scheduled",
                "btree (scheduled_at)",
                "btree (scheduled_at) WHERE ((status)::text = 'scheduled'::text)",
            )
        },
    ),
    "table missing in ours": (
        "-- Indexes for performance",
        "CREATE TABLE patients (id UUID);",
        {("patients", "table", "patients", None)},
    ),
}


@pytest.mark.parametrize("change", CHANGED_STRATEGY)
def test_comparison_sees_a_change_of_the_strategy(change: str) -> None:
    old, new, expected = CHANGED_STRATEGY[change]
    sql = STRATEGY.read_text()
    assert sql.count(old) == 1
    assert compare(sql.replace(old, new)) - compare(sql) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            "ALTER TABLE campaigns ALTER start_date TYPE timestamp",
            (
                "campaigns",
                "type of start_date",
                "timestamp with time zone",
                "timestamp without time zone",
            ),
        ),
        (
            "ALTER TABLE campaign_messages ALTER created_at DROP DEFAULT",
            ("campaign_messages", "default of created_at", "now()", None),
        ),
        (
            "ALTER TABLE campaign_messages ALTER created_at SET DEFAULT clock_timestamp()",
            ("campaign_messages", "default of created_at", "now()", "clock_timestamp()"),
        ),
        (
            "DROP INDEX idx_user_segments_expires",
            ("user_segments", "index idx_user_segments_expires", "btree (expires_at)", None),
        ),
        (
            "ALTER TABLE user_segments DROP segment_data",
            ("user_segments", "column", "segment_data", None),
        ),
    ],
)
def test_comparison_sees_a_change_of_ours(change: str, expected: Difference) -> None:
    sql = STRATEGY.read_text()
    before = compare(sql)
    with connection.cursor() as cursor:
        cursor.execute(change)
    assert compare(sql) - before == {expected}


def test_comparison_leaves_nothing_behind() -> None:
    with connection.cursor() as cursor:
        before = read_catalogue(cursor, "public")
        compare(STRATEGY.read_text())
        assert read_catalogue(cursor, "public") == before
        cursor.execute("SELECT to_regnamespace(%s)", [SCRATCH])
        assert cursor.fetchone() == (None,)
