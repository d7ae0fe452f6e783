from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0002_protocol"),
    ]

    operations = [
        migrations.CreateModel(
            name="Heartbeat",
            fields=[
                (
                    "name",
                    models.CharField(
                        help_text="Of a process kind:host:number, of a lane lane:channel.",
                        max_length=200,
                        primary_key=True,
                        serialize=False,
                    ),
                ),
                (
                    "kind",
                    models.CharField(
                        choices=[
                            ("beat", "Scheduler"),
                            ("worker", "Worker"),
                            ("web", "Web server"),
                            ("lane", "Lane"),
                        ],
                        max_length=20,
                    ),
                ),
                ("at", models.DateTimeField(help_text="Last sign of life.")),
                (
                    "started_at",
                    models.DateTimeField(
                        help_text="Of a process its start; of a lane the run that has not ended, or the last one."
                    ),
                ),
                ("detail", models.JSONField(default=dict)),
            ],
            options={
                "db_table": "heartbeats",
            },
        ),
    ]
