"""Answers to doctors in a table of their own: several to one message, and who wrote each.

What had been answered by itself moves there under the key that its provider knows it by. It does
not go back: several answers do not fit into one.
"""

import django.db.models.deletion
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models

import segments.models.fields

# Before the columns go, nothing may be left to be checked at the end of the transaction.
MOVE = """
    INSERT INTO inbound_replies (id, message_id, text, status, is_automatic, written_at,
        claimed_at, sent_at, external_id, error)
    SELECT id, id, reply, reply_status, true, COALESCE(reply_claimed_at, received_at),
        reply_claimed_at, replied_at, reply_external_id, reply_error
    FROM inbound_messages WHERE reply_status <> '';
    SET CONSTRAINTS ALL IMMEDIATE
"""
# As reengage/migrations/0002_triggers.py: who answered; what was said is the doctor's.
TRAIL = """
    CREATE TRIGGER inbound_replies_trail AFTER INSERT OR UPDATE OR DELETE ON inbound_replies
    FOR EACH ROW EXECUTE FUNCTION reengage_note_change(
        'messaging.reply', '', 'messaging.inboundmessage', 'message_id',
        'text,error,external_id,written_at,claimed_at,sent_at,is_automatic,message_id', '',
        'people')
"""
UNDER_WAY = models.Q(("status__in", ["queued", "sending"]))


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0019_cost"),
        ("reengage", "0002_triggers"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="Reply",
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
                ("text", models.TextField(blank=True)),
                (
                    "status",
                    models.CharField(
                        choices=[
                            ("queued", "Waits to be sent"),
                            ("sending", "Being sent"),
                            ("sent", "Sent"),
                            ("failed", "Not sent"),
                            ("unknown", "No answer from the provider"),
                        ],
                        default="queued",
                        max_length=20,
                        verbose_name="state",
                    ),
                ),
                (
                    "is_automatic",
                    models.BooleanField(default=False, help_text="The answer to a keyword."),
                ),
                ("written_at", models.DateTimeField()),
                ("claimed_at", models.DateTimeField(blank=True, editable=False, null=True)),
                ("sent_at", models.DateTimeField(blank=True, null=True)),
                ("external_id", models.CharField(blank=True, default="", max_length=255)),
                ("error", models.CharField(blank=True, default="", max_length=300)),
                (
                    "message",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="replies",
                        to="messaging.inboundmessage",
                    ),
                ),
                (
                    "written_by",
                    models.ForeignKey(
                        blank=True,
                        help_text="Empty where it was answered by itself.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
            ],
            options={
                "verbose_name": "answer to a doctor",
                "verbose_name_plural": "answers to doctors",
                "db_table": "inbound_replies",
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(
                        condition=UNDER_WAY, fields=["id"], name="idx_inbound_replies_under_way"
                    )
                ],
                "constraints": [
                    models.UniqueConstraint(
                        condition=UNDER_WAY,
                        fields=("message",),
                        name="inbound_replies_one_under_way",
                    )
                ],
            },
        ),
        migrations.RunSQL(MOVE),
        migrations.AlterField(
            model_name="sandboxmessage",
            name="answers",
            field=models.OneToOneField(
                help_text="The answer to a doctor that this is.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="sandbox_message",
                to="messaging.reply",
            ),
        ),
        migrations.RemoveIndex("inboundmessage", "idx_inbound_messages_replies"),
        *(
            migrations.RemoveField("inboundmessage", name)
            for name in (
                "reply",
                "reply_status",
                "reply_claimed_at",
                "replied_at",
                "reply_external_id",
                "reply_error",
            )
        ),
        migrations.RunSQL(TRAIL),
    ]
