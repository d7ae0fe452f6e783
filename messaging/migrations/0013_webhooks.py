"""Webhooks: what reports say of channels, suppressions, messages from doctors, keyword replies.

A suppression raises the doctor's consent counter, as an opt-out does, and so does lifting it.
"""

import django.db.models.deletion
import segments.models.fields
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models


COUNT_SUPPRESSIONS = """
    CREATE TRIGGER channel_suppressions_raise_consent BEFORE INSERT ON channel_suppressions
    FOR EACH ROW EXECUTE FUNCTION raise_consent_version();
    CREATE TRIGGER channel_suppressions_lift_consent BEFORE UPDATE ON channel_suppressions
    FOR EACH ROW WHEN (OLD.lifted_at IS NULL AND NEW.lifted_at IS NOT NULL)
    EXECUTE FUNCTION raise_revoked_version()
"""
DROP = """
    DROP TRIGGER channel_suppressions_raise_consent ON channel_suppressions;
    DROP TRIGGER channel_suppressions_lift_consent ON channel_suppressions
"""


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0012_pauses"),
        ("segments", "0003_known_timezones"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="InboundMessage",
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
                ("provider", models.CharField(max_length=30)),
                (
                    "channel",
                    models.CharField(
                        choices=[("whatsapp", "WhatsApp"), ("sms", "SMS"), ("email", "E-mail")],
                        max_length=20,
                    ),
                ),
                ("sender", models.CharField(max_length=32, verbose_name="from")),
                ("text", models.TextField(blank=True)),
                (
                    "button",
                    models.CharField(
                        blank=True,
                        help_text="What the button says that the doctor pressed.",
                        max_length=256,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("stop", "Opts out"),
                            ("start", "Comes back"),
                            ("keyword", "Keyword"),
                            ("other", "To be read"),
                        ],
                        default="other",
                        max_length=20,
                    ),
                ),
                ("received_at", models.DateTimeField()),
                (
                    "handled_at",
                    models.DateTimeField(
                        blank=True, help_text="Empty: it waits for somebody.", null=True
                    ),
                ),
                (
                    "reply",
                    models.TextField(
                        blank=True, db_default="", default="", verbose_name="automatic answer"
                    ),
                ),
                (
                    "reply_status",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("", "None"),
                            ("queued", "Waits to be sent"),
                            ("sending", "Being sent"),
                            ("sent", "Sent"),
                            ("failed", "Not sent"),
                            ("unknown", "No answer from the provider"),
                        ],
                        db_default="",
                        default="",
                        max_length=20,
                        verbose_name="state of the answer",
                    ),
                ),
                ("reply_claimed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                (
                    "replied_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="answered at"),
                ),
                (
                    "reply_external_id",
                    models.CharField(blank=True, db_default="", default="", max_length=255),
                ),
                (
                    "reply_error",
                    models.CharField(blank=True, db_default="", default="", max_length=300),
                ),
            ],
            options={
                "verbose_name": "message from a doctor",
                "verbose_name_plural": "messages from doctors",
                "db_table": "inbound_messages",
                "permissions": [
                    ("handle_inboundmessage", "Can mark messages from doctors as handled")
                ],
            },
        ),
        migrations.CreateModel(
            name="KeywordReply",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "keyword",
                    models.CharField(
                        help_text="The whole message, such as DEMO. Capitals and punctuation do not matter.",
                        max_length=40,
                    ),
                ),
                (
                    "channel",
                    models.CharField(
                        choices=[("whatsapp", "WhatsApp"), ("sms", "SMS")],
                        default="whatsapp",
                        max_length=20,
                    ),
                ),
                (
                    "reply",
                    models.TextField(
                        help_text="Sent as it stands here, once for each time the word comes, within 24 hours.",
                        max_length=1024,
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        db_default=True,
                        default=True,
                        help_text="Not ticked: it goes to the inbox.",
                        verbose_name="in use",
                    ),
                ),
            ],
            options={
                "verbose_name": "keyword reply",
                "verbose_name_plural": "keyword replies",
                "db_table": "keyword_replies",
                "ordering": ["keyword", "channel"],
            },
        ),
        migrations.CreateModel(
            name="Suppression",
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
                    "channel",
                    models.CharField(
                        choices=[("whatsapp", "WhatsApp"), ("sms", "SMS"), ("email", "E-mail")],
                        max_length=20,
                    ),
                ),
                (
                    "reason",
                    models.CharField(
                        choices=[
                            ("hard_bounce", "Hard bounce"),
                            ("soft_bounces", "Three soft bounces in 30 days"),
                            ("complaint", "The doctor reported it as spam"),
                            ("invalid", "No such number or address"),
                            ("not_on_channel", "The number is not on this channel"),
                            ("provider_opt_out", "Opted out at the provider"),
                        ],
                        max_length=20,
                    ),
                ),
                (
                    "detail",
                    models.CharField(
                        blank=True,
                        db_default="",
                        default="",
                        help_text="The provider's code and words.",
                        max_length=300,
                    ),
                ),
                ("since", models.DateTimeField()),
                (
                    "lifted_at",
                    models.DateTimeField(
                        blank=True,
                        help_text="Such as when the address was corrected. Empty: it holds.",
                        null=True,
                    ),
                ),
                (
                    "consent_version",
                    models.IntegerField(
                        db_default=0,
                        default=0,
                        editable=False,
                        help_text="The doctor's consent counter from this suppression on.",
                    ),
                ),
                (
                    "revoked_version",
                    models.IntegerField(
                        editable=False,
                        help_text="The counter from the moment it was lifted.",
                        null=True,
                    ),
                ),
            ],
            options={
                "db_table": "channel_suppressions",
                "ordering": ["-id"],
                "permissions": [("lift_suppression", "Can have a suppressed channel used again")],
            },
        ),
        migrations.AddField(
            model_name="providerevent",
            name="settled_at",
            field=models.DateTimeField(
                blank=True, help_text="When what it says of the channel was acted on.", null=True
            ),
        ),
        migrations.AddField(
            model_name="providerevent",
            name="verdict",
            field=models.CharField(
                blank=True,
                choices=[
                    ("hard_bounce", "Hard bounce"),
                    ("soft_bounce", "Soft bounce"),
                    ("complaint", "Complaint"),
                    ("invalid", "No such number or address"),
                    ("not_on_channel", "Not on this channel"),
                    ("provider_opt_out", "Opted out at the provider"),
                ],
                db_default="",
                default="",
                help_text="What it says of the channel, beyond this message. Empty: nothing.",
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="messagedelivery",
            name="skip_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("campaign_over", "The campaign had ended"),
                    ("enrollment_over", "The doctor had left the campaign"),
                    ("converted", "The doctor had come back"),
                    ("left_segment", "The doctor was no longer in the segment"),
                    ("unsubscribed", "The doctor had opted out"),
                    ("no_consent", "No consent for this channel"),
                    ("no_address", "No address for this channel"),
                    ("suppressed", "The channel is suppressed"),
                    ("template_not_approved", "The template was not approved"),
                    ("too_late", "Its time had passed"),
                    ("frequency_cap", "The doctor had messages enough"),
                    ("missing_variable", "A variable had no value"),
                    ("paused", "The doctor had asked for a pause"),
                ],
                help_text="Why it was skipped.",
                max_length=30,
                null=True,
            ),
        ),
        migrations.AlterField(
            model_name="providerevent",
            name="kind",
            field=models.CharField(
                choices=[
                    ("sent", "Sent"),
                    ("delivered", "Delivered"),
                    ("opened", "Opened"),
                    ("clicked", "Clicked"),
                    ("failed", "Failed"),
                    ("looked", "Preferences opened"),
                    ("complained", "Reported as spam"),
                    ("unsubscribed", "Opted out at the provider"),
                    ("inbound", "Message from a doctor"),
                ],
                max_length=20,
            ),
        ),
        migrations.AlterField(
            model_name="unsubscriberecord",
            name="revoked_at",
            field=models.DateTimeField(
                blank=True,
                help_text="When the doctor took it back, or the pause was over.",
                null=True,
            ),
        ),
        migrations.AddIndex(
            model_name="providerevent",
            index=models.Index(
                condition=models.Q(
                    ("delivery__isnull", False),
                    ("settled_at", None),
                    models.Q(("verdict", ""), _negated=True),
                ),
                fields=["id"],
                name="idx_provider_events_unsettled",
            ),
        ),
        migrations.AddField(
            model_name="inboundmessage",
            name="delivery",
            field=models.ForeignKey(
                blank=True,
                help_text="The doctor's last message on the channel before this one.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="answers",
                to="messaging.messagedelivery",
                verbose_name="answers",
            ),
        ),
        migrations.AddField(
            model_name="inboundmessage",
            name="doctor",
            field=models.ForeignKey(
                blank=True,
                db_column="user_id",
                help_text="By the number. Empty: no doctor has it.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="inbound_messages",
                to="segments.doctor",
            ),
        ),
        migrations.AddField(
            model_name="inboundmessage",
            name="event",
            field=models.OneToOneField(
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="inbound",
                to="messaging.providerevent",
            ),
        ),
        migrations.AddField(
            model_name="inboundmessage",
            name="handled_by",
            field=models.ForeignKey(
                blank=True,
                help_text="Empty where it was done by itself.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddConstraint(
            model_name="keywordreply",
            constraint=models.UniqueConstraint(
                fields=("keyword", "channel"),
                name="keyword_replies_once",
                violation_error_message="This word has an answer on this channel already.",
            ),
        ),
        migrations.AddField(
            model_name="suppression",
            name="doctor",
            field=models.ForeignKey(
                db_column="user_id",
                on_delete=django.db.models.deletion.CASCADE,
                related_name="suppressions",
                to="segments.doctor",
            ),
        ),
        migrations.AddField(
            model_name="suppression",
            name="event",
            field=models.ForeignKey(
                blank=True,
                help_text="The report that said so. Empty: the provider's answer did.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="suppressions",
                to="messaging.providerevent",
                verbose_name="report",
            ),
        ),
        migrations.AddField(
            model_name="suppression",
            name="lifted_by",
            field=models.ForeignKey(
                blank=True,
                help_text="Empty where the doctor came back with START.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddIndex(
            model_name="inboundmessage",
            index=models.Index(
                models.OrderBy(models.F("handled_at"), descending=True, nulls_first=True),
                models.OrderBy(models.F("id"), descending=True),
                name="idx_inbound_messages_inbox",
            ),
        ),
        migrations.AddIndex(
            model_name="inboundmessage",
            index=models.Index(
                condition=models.Q(("reply_status__in", ["queued", "sending"])),
                fields=["id"],
                name="idx_inbound_messages_replies",
            ),
        ),
        migrations.AddConstraint(
            model_name="suppression",
            constraint=models.UniqueConstraint(
                condition=models.Q(("lifted_at", None)),
                fields=("doctor", "channel"),
                name="channel_suppressions_standing_once",
            ),
        ),
        migrations.RunSQL([COUNT_SUPPRESSIONS], [DROP]),
    ]
