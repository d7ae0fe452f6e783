"""An unknown time zone would stop a whole campaign's schedule: the database refuses it."""

from django.db import migrations


class Migration(migrations.Migration):
    """Model validators hold it for forms; this holds it for COPY and SQL.

    By place, or UTC: PostgreSQL also takes IST, GMT+5 and asia/kolkata, which Python does not.
    """

    dependencies = [("segments", "0002_initial")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE doctors ADD CONSTRAINT doctors_known_timezone "
            "CHECK ((TIMESTAMPTZ '2000-01-01 00:00Z' AT TIME ZONE timezone) IS NOT NULL "
            "AND timezone ~ '^(UTC|[A-Z][A-Za-z_]*(/[A-Z][A-Za-z0-9_+-]*)+)$')",
            "ALTER TABLE doctors DROP CONSTRAINT doctors_known_timezone",
        )
    ]
