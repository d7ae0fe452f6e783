"""`uuidv7()` for PostgreSQL before 18, which has it built in."""

from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import StateApps

# RFC 9562, version 7: 48 bits of Unix milliseconds, then random bits; made from a version 4 UUID
# by writing the time over its first six bytes and the version over its own.
FUNCTION = """
CREATE OR REPLACE FUNCTION uuidv7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(
        set_bit(
            set_bit(
                overlay(
                    uuid_send(gen_random_uuid())
                    PLACING substring(
                        int8send(floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint)
                        FROM 3
                    )
                    FROM 1 FOR 6
                ),
                52, 1
            ),
            53, 1
        ),
        'hex'
    )::uuid
$$
"""


def create_function(_apps: StateApps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Make the function where the server lacks it."""
    with schema_editor.connection.cursor() as cursor:
        cursor.execute("SHOW server_version_num")
        if int(cursor.fetchone()[0]) < 180000:
            cursor.execute(FUNCTION)


class Migration(migrations.Migration):
    """First of all: every other migration's keys need it."""

    initial = True
    dependencies: list[tuple[str, str]] = []
    operations = [migrations.RunPython(create_function, migrations.RunPython.noop)]
