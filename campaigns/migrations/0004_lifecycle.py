import django.db.models.deletion
import django.db.models.manager
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0003_running"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="campaign",
            name="changed_by",
            field=models.ForeignKey(
                blank=True,
                db_index=False,
                editable=False,
                help_text="Who changed it or its steps last.",
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="submitted_digest",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="SHA-256 of what was submitted (campaigns/digest.py): only that is launched.",
                max_length=64,
            ),
        ),
        migrations.AddField(
            model_name="campaign",
            name="review_note",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                editable=False,
                help_text="Why its review sent it back to draft.",
            ),
        ),
        migrations.AddField(
            model_name="campaignmessage",
            name="removed_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When it was taken out of a running campaign: kept for the messages it has sent.",
                null=True,
            ),
        ),
    ]
