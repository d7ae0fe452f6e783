"""The protocol of sending: windows, token bucket and breaker, and what the database itself holds.

The database refuses an illegal change of status, and raises a doctor's consent counter with each
opt-out, opt-in and consent, whoever writes it.
"""

import django.contrib.postgres.fields
import django.core.validators
import django.db.models.deletion
from django.db import migrations, models


# The life of a delivery (design, section 4). A message on its way may be reported on before its
# own record is written; a bounce may come after `sent`; what a person or the slow worker itself
# gives back returns from `unknown` to `scheduled`; a report settles what was given up as `failed`.
LEGAL_STATUS_CHANGES = """
    ('scheduled', 'sending'), ('scheduled', 'skipped'),
    ('sending', 'scheduled'), ('sending', 'skipped'), ('sending', 'failed'),
    ('sending', 'unknown'), ('sending', 'sent'), ('sending', 'delivered'),
    ('sending', 'opened'), ('sending', 'clicked'),
    ('unknown', 'scheduled'), ('unknown', 'failed'), ('unknown', 'sent'),
    ('unknown', 'delivered'), ('unknown', 'opened'), ('unknown', 'clicked'),
    ('sent', 'delivered'), ('sent', 'opened'), ('sent', 'clicked'), ('sent', 'failed'),
    ('failed', 'delivered'), ('failed', 'opened'), ('failed', 'clicked'),
    ('delivered', 'opened'), ('delivered', 'clicked'), ('opened', 'clicked')
"""
LEGAL_OUTCOME_CHANGES = """
    ('pending', 'accepted'), ('pending', 'refused'), ('pending', 'unknown'),
    ('pending', 'released'), ('unknown', 'accepted'), ('unknown', 'refused'),
    ('unknown', 'released'), ('unknown', 'written_off')
"""
REFUSE = """
    CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION '% %: % does not become %',
            TG_TABLE_NAME, OLD.id, to_jsonb(OLD)->>TG_ARGV[0], to_jsonb(NEW)->>TG_ARGV[0]
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
    END $$
"""
STATUS = f"""
    CREATE TRIGGER message_deliveries_legal_status BEFORE UPDATE ON message_deliveries
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status
        AND (OLD.status, NEW.status) NOT IN ({LEGAL_STATUS_CHANGES}))
    EXECUTE FUNCTION refuse_change('status')
"""
OUTCOME = f"""
    CREATE TRIGGER delivery_attempts_legal_outcome BEFORE UPDATE ON delivery_attempts
    FOR EACH ROW WHEN (OLD.outcome IS DISTINCT FROM NEW.outcome
        AND (OLD.outcome, NEW.outcome) NOT IN ({LEGAL_OUTCOME_CHANGES}))
    EXECUTE FUNCTION refuse_change('outcome')
"""
# Raising the counter locks the doctor, as the sender does: what it authorised before has seen a
# smaller counter than the opt-out's, whatever any clock says.
COUNT_CONSENT = """
    CREATE FUNCTION raise_consent_version() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE doctors SET consent_version = consent_version + 1
        WHERE id = NEW.user_id RETURNING consent_version INTO NEW.consent_version;
        RETURN NEW;
    END $$;
    CREATE FUNCTION raise_revoked_version() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        UPDATE doctors SET consent_version = consent_version + 1
        WHERE id = NEW.user_id RETURNING consent_version INTO NEW.revoked_version;
        RETURN NEW;
    END $$;
    CREATE TRIGGER unsubscribe_records_raise_consent BEFORE INSERT ON unsubscribe_records
    FOR EACH ROW EXECUTE FUNCTION raise_consent_version();
    CREATE TRIGGER unsubscribe_records_revoke_consent BEFORE UPDATE ON unsubscribe_records
    FOR EACH ROW WHEN (OLD.revoked_at IS NULL AND NEW.revoked_at IS NOT NULL)
    EXECUTE FUNCTION raise_revoked_version();
    CREATE TRIGGER consent_records_raise_consent BEFORE INSERT ON consent_records
    FOR EACH ROW EXECUTE FUNCTION raise_consent_version();
    CREATE TRIGGER consent_records_change_consent BEFORE UPDATE ON consent_records
    FOR EACH ROW WHEN ((OLD.channel, OLD.is_given, OLD.recorded_at)
        IS DISTINCT FROM (NEW.channel, NEW.is_given, NEW.recorded_at))
    EXECUTE FUNCTION raise_consent_version()
"""
DROP = """
    DROP TRIGGER message_deliveries_legal_status ON message_deliveries;
    DROP TRIGGER delivery_attempts_legal_outcome ON delivery_attempts;
    DROP TRIGGER unsubscribe_records_raise_consent ON unsubscribe_records;
    DROP TRIGGER unsubscribe_records_revoke_consent ON unsubscribe_records;
    DROP TRIGGER consent_records_raise_consent ON consent_records;
    DROP TRIGGER consent_records_change_consent ON consent_records;
    DROP FUNCTION refuse_change; DROP FUNCTION raise_consent_version;
    DROP FUNCTION raise_revoked_version
"""
# What is being sent while this migrates keeps its lease.
CARRY_LEASES = """
    INSERT INTO send_windows
        (claim_id, channel, delivery_ids, authorised_at, lease_expires_at, handed_over_at)
    SELECT claim_id, min(channel), array_agg(id), now(), max(lease_expires_at), now()
    FROM message_deliveries WHERE status = 'sending' GROUP BY claim_id
"""
# Opt-outs from before: later than every attempt so far.
STAMP_OPTOUTS = """
    UPDATE unsubscribe_records u
    SET consent_version = d.consent_version,
        revoked_version = CASE WHEN u.revoked_at IS NOT NULL THEN d.consent_version END
    FROM doctors d WHERE d.id = u.user_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="SendWindow",
            fields=[
                ("claim_id", models.UUIDField(primary_key=True, serialize=False)),
                (
                    "channel",
                    models.CharField(
                        choices=[("whatsapp", "WhatsApp"), ("sms", "SMS"), ("email", "E-mail")],
                        max_length=20,
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        to="messaging.provideraccount",
                    ),
                ),
                (
                    "delivery_ids",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.UUIDField(), size=None
                    ),
                ),
                ("authorised_at", models.DateTimeField()),
                (
                    "lease_expires_at",
                    models.DateTimeField(
                        help_text="After this time the window is taken from its worker."
                    ),
                ),
                (
                    "handed_over_at",
                    models.DateTimeField(
                        help_text="From this time on the provider may have heard of each message.",
                        null=True,
                    ),
                ),
            ],
            options={
                "db_table": "send_windows",
            },
        ),
        migrations.RunSQL(CARRY_LEASES, migrations.RunSQL.noop),
        migrations.AlterModelOptions(
            name="messagedelivery",
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("send_again_messagedelivery", "Can send an unanswered message again")
                ],
                "verbose_name": "delivery",
                "verbose_name_plural": "deliveries",
            },
        ),
        migrations.RemoveIndex(
            model_name="messagedelivery",
            name="idx_message_deliveries_lease",
        ),
        migrations.RemoveIndex(
            model_name="providerevent",
            name="idx_provider_events_open",
        ),
        migrations.RemoveField(
            model_name="messagedelivery",
            name="lease_expires_at",
        ),
        migrations.AddField(
            model_name="consentrecord",
            name="consent_version",
            field=models.IntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="The doctor's consent counter from this record on; written by the database.",
            ),
        ),
        migrations.AddField(
            model_name="messagedelivery",
            name="crashes",
            field=models.PositiveSmallIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="Times that its worker ended while preparing it; then it is prepared alone.",
            ),
        ),
        migrations.AddField(
            model_name="provideraccount",
            name="burst",
            field=models.PositiveIntegerField(
                db_default=1,
                default=1,
                help_text="How many may go at once after a rest, where the messages a second are limited.",
                validators=[django.core.validators.MinValueValidator(1)],
                verbose_name="at once",
            ),
        ),
        migrations.AddField(
            model_name="provideraccount",
            name="closed_until",
            field=models.DateTimeField(
                editable=False,
                help_text="Nothing is sent before this time: the provider did not answer, or asked for it.",
                null=True,
                verbose_name="waits until",
            ),
        ),
        migrations.AddField(
            model_name="provideraccount",
            name="failures_in_row",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="Answers in a row by which the provider, and not the message, seems unwell.",
            ),
        ),
        migrations.AddField(
            model_name="provideraccount",
            name="last_trouble",
            field=models.TextField(db_default="", default="", editable=False),
        ),
        migrations.AddField(
            model_name="provideraccount",
            name="probe_until",
            field=models.DateTimeField(
                editable=False,
                help_text="One message tries whether the provider is back; others wait for it this long.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="provideraccount",
            name="rate_per_second",
            field=models.FloatField(
                blank=True,
                help_text="What the provider allows, over all workers. Empty: as fast as it goes.",
                null=True,
                validators=[django.core.validators.MinValueValidator(0.001)],
                verbose_name="messages a second",
            ),
        ),
        migrations.AddField(
            model_name="provideraccount",
            name="times_opened",
            field=models.PositiveIntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="How often in a row the breaker opened; each time it stays open for longer.",
            ),
        ),
        migrations.AddField(
            model_name="provideraccount",
            name="tokens",
            field=models.FloatField(db_default=1, default=1, editable=False),
        ),
        migrations.AddField(
            model_name="provideraccount",
            name="tokens_at",
            field=models.DateTimeField(editable=False, null=True),
        ),
        migrations.AddField(
            model_name="providerevent",
            name="parked_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When it was put aside: it names a message that is not known (yet).",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="unsubscriberecord",
            name="consent_version",
            field=models.IntegerField(
                db_default=0,
                default=0,
                editable=False,
                help_text="The doctor's consent counter from this opt-out on.",
            ),
        ),
        migrations.AddField(
            model_name="unsubscriberecord",
            name="revoked_version",
            field=models.IntegerField(
                editable=False,
                help_text="The counter from the moment it was taken back.",
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="deliveryattempt",
            name="counts",
            field=models.BooleanField(
                db_default=True,
                default=True,
                help_text="It went out, or may have, and no other attempt takes its place.",
            ),
        ),
        migrations.AlterField(
            model_name="deliveryattempt",
            name="outcome",
            field=models.CharField(
                choices=[
                    ("pending", "In the call"),
                    ("accepted", "Accepted"),
                    ("refused", "Refused"),
                    ("unknown", "No answer"),
                    ("released", "Given back before the call"),
                    ("written_off", "No answer, sent again by hand"),
                ],
                db_default="pending",
                default="pending",
                max_length=20,
            ),
        ),
        migrations.AddIndex(
            model_name="providerevent",
            index=models.Index(
                condition=models.Q(("parked_at", None), ("processed_at", None)),
                fields=["id"],
                name="idx_provider_events_open",
            ),
        ),
        migrations.AddIndex(
            model_name="providerevent",
            index=models.Index(
                condition=models.Q(("parked_at__isnull", False), ("processed_at", None)),
                fields=["received_at"],
                name="idx_provider_events_parked",
            ),
        ),
        migrations.AddConstraint(
            model_name="provideraccount",
            constraint=models.CheckConstraint(
                condition=models.Q(
                    ("rate_per_second", None), ("rate_per_second__gt", 0), _connector="OR"
                ),
                name="provider_accounts_rate_is_positive",
            ),
        ),
        migrations.AlterField(
            model_name="deliveryattempt",
            name="account",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                null=True,
                on_delete=django.db.models.deletion.PROTECT,
                related_name="attempts",
                to="messaging.provideraccount",
            ),
        ),
        migrations.AlterField(
            model_name="deliveryattempt",
            name="doctor",
            field=models.ForeignKey(
                db_column="user_id",
                db_constraint=False,
                db_index=False,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="attempts",
                to="segments.doctor",
            ),
        ),
        migrations.RunSQL(STAMP_OPTOUTS, migrations.RunSQL.noop),
        migrations.RunSQL([REFUSE, STATUS, OUTCOME, COUNT_CONSENT], [DROP]),
    ]
