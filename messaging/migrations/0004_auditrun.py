import segments.models.fields
import uuid_utils.compat
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0003_heartbeat"),
    ]

    operations = [
        migrations.CreateModel(
            name="AuditRun",
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
                ("started_at", models.DateTimeField(verbose_name="began")),
                ("finished_at", models.DateTimeField(verbose_name="ended")),
                (
                    "since",
                    models.DateTimeField(
                        help_text="Only what was sent from then on was looked at. Empty: everything.",
                        null=True,
                    ),
                ),
                ("result", models.JSONField()),
            ],
            options={
                "verbose_name": "check of what is promised",
                "verbose_name_plural": "checks of what is promised",
                "db_table": "audit_runs",
                "ordering": ["-id"],
            },
        ),
    ]
