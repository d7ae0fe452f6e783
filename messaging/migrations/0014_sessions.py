"""WhatsApp's sessions: who wrote lately, and what the sandbox kept of the answers."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0013_webhooks"),
    ]

    operations = [
        migrations.AddField(
            model_name="sandboxmessage",
            name="answers",
            field=models.OneToOneField(
                help_text="What the doctor wrote, where this answers it.",
                null=True,
                on_delete=django.db.models.deletion.CASCADE,
                related_name="sandbox_message",
                to="messaging.inboundmessage",
            ),
        ),
        migrations.AddIndex(
            model_name="inboundmessage",
            index=models.Index(
                condition=models.Q(("channel", "whatsapp")),
                fields=["sender", "received_at"],
                name="idx_inbound_messages_session",
            ),
        ),
    ]
