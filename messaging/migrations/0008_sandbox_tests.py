"""A message that the sandbox keeps may be a test, which has no delivery."""

import django.db.models.deletion
from django.db import migrations, models

import segments.models.fields

# The id becomes the key in place of the delivery's, with the same values.
OWN_ID = """
    ALTER TABLE sandbox_messages
        ADD COLUMN id uuid,
        ADD COLUMN channel varchar(20) NOT NULL DEFAULT '';
    UPDATE sandbox_messages s SET id = s.delivery_id, channel = d.channel
    FROM message_deliveries d WHERE d.id = s.delivery_id;
    SET CONSTRAINTS ALL IMMEDIATE;
    ALTER TABLE sandbox_messages DROP CONSTRAINT sandbox_messages_pkey;
    ALTER TABLE sandbox_messages
        ADD PRIMARY KEY (id),
        ALTER COLUMN delivery_id DROP NOT NULL,
        ADD CONSTRAINT sandbox_messages_delivery_id_key UNIQUE (delivery_id)
"""
DELIVERYS_ID = """
    DELETE FROM sandbox_messages WHERE delivery_id IS NULL;
    SET CONSTRAINTS ALL IMMEDIATE;
    ALTER TABLE sandbox_messages DROP CONSTRAINT sandbox_messages_pkey;
    ALTER TABLE sandbox_messages
        DROP CONSTRAINT sandbox_messages_delivery_id_key,
        ADD PRIMARY KEY (delivery_id),
        DROP COLUMN id,
        DROP COLUMN channel
"""


class Migration(migrations.Migration):
    dependencies = [("messaging", "0007_versions")]

    operations = [
        migrations.SeparateDatabaseAndState(
            database_operations=[migrations.RunSQL(OWN_ID, DELIVERYS_ID)],
            state_operations=[
                migrations.AlterField(
                    model_name="sandboxmessage",
                    name="delivery",
                    field=models.OneToOneField(
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="sandbox_message",
                        to="messaging.messagedelivery",
                    ),
                ),
                migrations.AddField(
                    model_name="sandboxmessage",
                    name="id",
                    field=models.UUIDField(
                        default=segments.models.fields.uuid7,
                        editable=False,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                migrations.AddField(
                    model_name="sandboxmessage",
                    name="channel",
                    field=models.CharField(
                        choices=[("whatsapp", "WhatsApp"), ("sms", "SMS"), ("email", "E-mail")],
                        db_default="",
                        default="",
                        max_length=20,
                    ),
                ),
            ],
        ),
    ]
