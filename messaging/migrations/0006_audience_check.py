import django.db.models.deletion
import segments.models.fields
import uuid_utils.compat
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0002_initial"),
        ("messaging", "0005_template_defaults"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="AudienceCheck",
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
                    "state",
                    models.CharField(
                        choices=[
                            ("queued", "Waiting for a worker"),
                            ("running", "Running"),
                            ("done", "Done"),
                            ("cancelled", "Cancelled"),
                            ("failed", "Failed"),
                        ],
                        db_default="queued",
                        default="queued",
                        max_length=20,
                    ),
                ),
                ("requested_at", models.DateTimeField()),
                ("started_at", models.DateTimeField(null=True, verbose_name="began")),
                ("heartbeat_at", models.DateTimeField(null=True, verbose_name="last sign of life")),
                ("finished_at", models.DateTimeField(null=True, verbose_name="ended")),
                (
                    "runs",
                    models.PositiveIntegerField(
                        default=0,
                        help_text="How often it was begun; a worker of an earlier run stops.",
                    ),
                ),
                ("total", models.PositiveIntegerField(default=0, help_text="Doctors to look at.")),
                ("done", models.PositiveIntegerField(default=0, help_text="Doctors looked at.")),
                (
                    "result",
                    models.JSONField(
                        default=dict, help_text="As messaging/audience/tally.py writes it."
                    ),
                ),
                ("error", models.TextField(blank=True, default="", help_text="Why it failed.")),
                (
                    "campaign",
                    models.ForeignKey(
                        blank=True,
                        help_text="All of its steps are checked.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="audience_checks",
                        to="campaigns.campaign",
                    ),
                ),
                (
                    "requested_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "template",
                    models.ForeignKey(
                        blank=True,
                        help_text="This text alone is checked.",
                        null=True,
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="audience_checks",
                        to="messaging.messagetemplate",
                    ),
                ),
            ],
            options={
                "verbose_name": "audience check",
                "db_table": "audience_checks",
                "ordering": ["-id"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(
                            ("campaign__isnull", True), ("template__isnull", True), _connector="XOR"
                        ),
                        name="audience_checks_of_one_thing",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ("queued", "running"))),
                        fields=("campaign",),
                        name="audience_checks_one_live_of_campaign",
                    ),
                    models.UniqueConstraint(
                        condition=models.Q(("state__in", ("queued", "running"))),
                        fields=("template",),
                        name="audience_checks_one_live_of_template",
                    ),
                ],
            },
        ),
    ]
