"""People who asked to be erased, and who may erase."""

import django.contrib.postgres.fields
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("segments", "0004_doctor_whatsapp"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="doctor",
            options={
                "ordering": ["-id"],
                "permissions": [
                    ("export_data_doctor", "Can export everything that is known of a doctor"),
                    ("erase_doctor", "Can erase a doctor, and let one who was erased come back"),
                ],
            },
        ),
        migrations.CreateModel(
            name="ErasedPerson",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                (
                    "doctor",
                    models.OneToOneField(
                        help_text="The row that stays for the figures, without anything personal.",
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="erased",
                        to="segments.doctor",
                    ),
                ),
                ("erased_at", models.DateTimeField()),
                (
                    "erased_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "key_id",
                    models.CharField(
                        help_text="Which of ERASURE_KEYS the fingerprints were made with.",
                        max_length=16,
                        verbose_name="key",
                    ),
                ),
                (
                    "fingerprints",
                    django.contrib.postgres.fields.ArrayField(
                        base_field=models.CharField(max_length=64),
                        help_text=(
                            "HMAC-SHA256 of the CLIRNET id, the numbers and the e-mail address."
                        ),
                        size=None,
                    ),
                ),
            ],
            options={
                "db_table": "erased_persons",
                "verbose_name": "erased person",
                "ordering": ["-id"],
            },
        ),
    ]
