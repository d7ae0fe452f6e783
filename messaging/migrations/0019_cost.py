"""What a message is paid by: its price when it went out, the parts of an SMS, and both by day."""

import django.db.models.deletion
import uuid_utils.compat
from django.db import migrations, models

import segments.models.fields

# What was counted before prices and parts were kept: at the present price, an SMS as one part.
_COUNTED_BEFORE = """
    INSERT INTO message_costs (step_id, date, channel, account_id, messages, units, unmeasured)
    SELECT step_id, date, channel, account_id, sum(total_sent), sum(total_sent),
        CASE WHEN channel = 'sms' THEN sum(total_sent) ELSE 0 END
    FROM campaign_step_analytics WHERE total_sent > 0
    GROUP BY step_id, date, channel, account_id
"""


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0006_kpis"),
        ("messaging", "0018_skip_reasons"),
    ]

    operations = [
        migrations.AddField(
            model_name="deliveryattempt",
            name="price",
            field=models.DecimalField(
                blank=True,
                decimal_places=4,
                help_text="Rupees for a message, or a part of an SMS, when this was authorised. "
                "Empty: none was set.",
                max_digits=8,
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="deliveryattempt",
            name="sms_parts",
            field=models.SmallIntegerField(
                blank=True,
                help_text="Parts of the SMS, each of which is paid for. Empty: it is no SMS, or "
                "went out before parts were kept.",
                null=True,
                verbose_name="parts",
            ),
        ),
        migrations.CreateModel(
            name="MessageCost",
            fields=[
                (
                    "id",
                    segments.models.fields.UuidV7Field(
                        db_default=segments.models.fields.UuidV7(),
                        default=uuid_utils.compat.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "date",
                    models.DateField(
                        help_text="When they were sent, in the time zone of the settings."
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[("whatsapp", "WhatsApp"), ("sms", "SMS"), ("email", "E-mail")],
                        max_length=20,
                    ),
                ),
                (
                    "price",
                    models.DecimalField(
                        decimal_places=4,
                        help_text="Rupees, as on the attempts.",
                        max_digits=8,
                        null=True,
                    ),
                ),
                ("messages", models.IntegerField(db_default=0, default=0)),
                (
                    "units",
                    models.IntegerField(
                        db_default=0,
                        default=0,
                        help_text="What is paid for: parts of SMS, else messages.",
                    ),
                ),
                (
                    "unmeasured",
                    models.IntegerField(
                        db_default=0,
                        default=0,
                        help_text="SMS among them of which the parts are not known: "
                        "each counts as one.",
                    ),
                ),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="+",
                        to="messaging.provideraccount",
                    ),
                ),
                (
                    "step",
                    models.ForeignKey(
                        db_index=False,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="costs",
                        to="campaigns.campaignmessage",
                    ),
                ),
            ],
            options={
                "db_table": "message_costs",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("step", "date", "account", "price"),
                        name="message_costs_once",
                        nulls_distinct=False,
                    )
                ],
            },
        ),
        migrations.RunSQL(_COUNTED_BEFORE, migrations.RunSQL.noop),
    ]
