"""A kind of message from doctors: it may be a wish to opt out."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("messaging", "0015_recorded_by")]

    operations = [
        migrations.AlterField(
            model_name="inboundmessage",
            name="kind",
            field=models.CharField(
                choices=[
                    ("stop", "Opts out"),
                    ("start", "Comes back"),
                    ("keyword", "Keyword"),
                    ("doubt", "May want to opt out"),
                    ("other", "To be read"),
                ],
                default="other",
                max_length=20,
            ),
        ),
    ]
