from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0004_auditrun"),
    ]

    operations = [
        migrations.AddField(
            model_name="messagetemplate",
            name="defaults",
            field=models.JSONField(
                blank=True,
                db_default={},
                default=dict,
                help_text='What stands where a doctor has no value, such as {"specialty": "your field"}. Without one the message is skipped.',
            ),
        ),
        migrations.AddField(
            model_name="messagetemplate",
            name="max_sms_segments",
            field=models.PositiveSmallIntegerField(
                db_default=2,
                default=2,
                help_text="How many SMS the text may take: each is paid for. 0: any number.",
                verbose_name="SMS allowed",
            ),
        ),
    ]
