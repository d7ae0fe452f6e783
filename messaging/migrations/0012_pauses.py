"""A doctor may ask for a pause; opening the preferences is an event of its own."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0011_template_limits"),
    ]

    operations = [
        migrations.AddField(
            model_name="unsubscriberecord",
            name="paused_until",
            field=models.DateTimeField(
                blank=True,
                help_text="A pause of everything until then. Empty: an opt-out, which has no end.",
                null=True,
            ),
        ),
    ]
