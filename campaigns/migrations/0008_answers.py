"""Answers of the API are kept as they were sent, and without the values that were rejected."""

from django.db import migrations, models

FORGET_VALUES = """
    UPDATE api_batches SET answer = jsonb_set(answer, '{errors}', (
        SELECT COALESCE(jsonb_agg(fault - 'value'), '[]')
        FROM jsonb_array_elements(answer -> 'errors') AS fault
    ))
    WHERE jsonb_typeof(answer -> 'errors') = 'array'
"""


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0007_proposal")]

    operations = [
        migrations.RunSQL(FORGET_VALUES, migrations.RunSQL.noop),
        migrations.AlterField(
            model_name="apibatch",
            name="answer",
            field=models.TextField(help_text="JSON, as it was sent."),
        ),
    ]
