"""An unknown time zone would stop a whole campaign's schedule: the database refuses it."""

from django.db import migrations


class Migration(migrations.Migration):
    """Model validators hold it for forms; this holds it for COPY and SQL."""

    dependencies = [("segments", "0002_initial")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE doctors ADD CONSTRAINT doctors_known_timezone "
            "CHECK ((TIMESTAMPTZ '2000-01-01 00:00Z' AT TIME ZONE timezone) IS NOT NULL)",
            "ALTER TABLE doctors DROP CONSTRAINT doctors_known_timezone",
        )
    ]
