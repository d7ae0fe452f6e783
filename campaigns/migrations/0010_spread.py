from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("campaigns", "0009_test_authors")]

    operations = [
        migrations.AddField(
            model_name="campaignenrollment",
            name="is_spread",
            field=models.BooleanField(
                db_default=False,
                default=False,
                help_text="Messages held up by a pause were given later days than planned.",
                verbose_name="spread",
            ),
        ),
    ]
