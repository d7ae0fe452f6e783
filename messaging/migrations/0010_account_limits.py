"""An account's numbers have bounds."""

import django.core.validators
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0009_report_settles"),
    ]

    operations = [
        migrations.AlterField(
            model_name="provideraccount",
            name="burst",
            field=models.PositiveIntegerField(
                db_default=1,
                default=1,
                help_text="How many may go at once after a rest, where the messages a second are limited.",
                validators=[
                    django.core.validators.MinValueValidator(1),
                    django.core.validators.MaxValueValidator(1000000),
                ],
                verbose_name="at once",
            ),
        ),
        migrations.AlterField(
            model_name="provideraccount",
            name="price_per_message",
            field=models.DecimalField(
                decimal_places=4,
                default=0,
                help_text="In rupees.",
                max_digits=8,
                validators=[django.core.validators.MinValueValidator(0)],
            ),
        ),
        migrations.AlterField(
            model_name="provideraccount",
            name="rate_per_second",
            field=models.FloatField(
                blank=True,
                help_text="What the provider allows, over all workers. Empty: as fast as it goes.",
                null=True,
                validators=[
                    django.core.validators.MinValueValidator(0.001),
                    django.core.validators.MaxValueValidator(100000),
                ],
                verbose_name="messages a second",
            ),
        ),
    ]
