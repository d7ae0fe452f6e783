from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("segments", "0003_known_timezones")]

    operations = [
        migrations.AddIndex(
            model_name="doctor",
            index=models.Index(
                fields=["whatsapp"],
                name="idx_doctors_whatsapp",
                condition=models.Q(whatsapp__isnull=False),
            ),
        ),
    ]
