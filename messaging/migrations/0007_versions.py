"""Every saved template is a version, by a trigger; what is handed over keeps what it said."""

import django.contrib.postgres.functions
import django.core.validators
import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


# What changes by itself, or is another's view of the template, makes no version.
KEEP = """
    CREATE FUNCTION kept_of_template(t message_templates) RETURNS jsonb LANGUAGE sql IMMUTABLE AS $$
        SELECT to_jsonb(t) - '{id,variables,created_at,updated_at,approval_status,approval_detail,
            approval_checked_at}'::text[]
    $$;
    CREATE FUNCTION keep_template_version() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF TG_OP = 'INSERT' OR kept_of_template(NEW) IS DISTINCT FROM kept_of_template(OLD) THEN
            INSERT INTO template_versions (template_id, number, content)
            SELECT NEW.id, COALESCE(max(number), 0) + 1, kept_of_template(NEW)
            FROM template_versions WHERE template_id = NEW.id;
        END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER message_templates_keep_version AFTER INSERT OR UPDATE ON message_templates
    FOR EACH ROW EXECUTE FUNCTION keep_template_version();
    INSERT INTO template_versions (template_id, number, content)
    SELECT t.id, 1, kept_of_template(t) FROM message_templates t
"""
FORGET = """
    DROP TRIGGER message_templates_keep_version ON message_templates;
    DROP FUNCTION keep_template_version; DROP FUNCTION kept_of_template
"""


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0006_audience_check"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="HandedOver",
            fields=[
                ("claim_id", models.UUIDField(primary_key=True, serialize=False)),
                ("at", models.DateTimeField()),
                (
                    "contents",
                    models.JSONField(
                        help_text="By delivery: the id of the template's version, the variables and the subject."
                    ),
                ),
            ],
            options={
                "verbose_name": "handed-over window",
                "db_table": "handed_over",
            },
        ),
        migrations.AddField(
            model_name="messagetemplate",
            name="approval_checked_at",
            field=models.DateTimeField(
                blank=True, editable=False, help_text="When the provider was last asked.", null=True
            ),
        ),
        migrations.AddField(
            model_name="messagetemplate",
            name="approval_detail",
            field=models.TextField(
                blank=True, db_default="", default="", help_text="Such as why it was rejected."
            ),
        ),
        migrations.AddField(
            model_name="messagetemplate",
            name="approval_status",
            field=models.CharField(
                blank=True,
                choices=[
                    ("unsubmitted", "Not submitted"),
                    ("pending", "Waiting for approval"),
                    ("approved", "Approved"),
                    ("rejected", "Rejected"),
                    ("paused", "Paused by WhatsApp"),
                    ("disabled", "Disabled by WhatsApp"),
                ],
                db_default="",
                default="",
                help_text="What the provider says, or you, where it cannot be asked.",
                max_length=20,
                verbose_name="approval",
            ),
        ),
        migrations.AddField(
            model_name="messagetemplate",
            name="content_sid",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of the approved template that goes out through Twilio, such as HX0a1b….",
                max_length=34,
                validators=[
                    django.core.validators.RegexValidator(
                        "^HX[0-9a-fA-F]{32}$", "It is HX and 32 digits or a to f."
                    )
                ],
                verbose_name="Twilio content SID",
            ),
        ),
        migrations.AddField(
            model_name="messagetemplate",
            name="dlt_template_id",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of the text as registered with the operators (India).",
                max_length=30,
                validators=[
                    django.core.validators.RegexValidator(
                        "^[0-9]{10,30}$", "It has digits only, usually 19."
                    )
                ],
                verbose_name="DLT template id",
            ),
        ),
        migrations.AddField(
            model_name="messagetemplate",
            name="parameters",
            field=models.JSONField(
                blank=True,
                db_default=[],
                default=list,
                help_text="Our variables in the order of the registered text's numbers, {{1}} first.",
            ),
        ),
        migrations.AddField(
            model_name="messagetemplate",
            name="preheader",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="For e-mail only: what a list of mails shows beside the subject. Empty: how the text begins.",
                max_length=150,
                verbose_name="preview line",
            ),
        ),
        migrations.AddField(
            model_name="messagetemplate",
            name="registered_text",
            field=models.TextField(
                blank=True,
                db_default="",
                default="",
                help_text="As it was approved, with {{1}} (WhatsApp) or {#var#} (SMS) for the variables.",
            ),
        ),
        migrations.AddField(
            model_name="messagetemplate",
            name="whatsapp_category",
            field=models.CharField(
                blank=True,
                choices=[
                    ("marketing", "Marketing"),
                    ("utility", "Utility"),
                    ("authentication", "Authentication"),
                ],
                db_default="",
                default="",
                help_text="What WhatsApp approved it as.",
                max_length=20,
                verbose_name="category",
            ),
        ),
        migrations.AddField(
            model_name="messagetemplate",
            name="whatsapp_language",
            field=models.CharField(
                blank=True,
                db_default="en",
                default="en",
                help_text="Of the approved template, such as en or hi.",
                max_length=10,
                verbose_name="language",
            ),
        ),
        migrations.AddField(
            model_name="messagetemplate",
            name="whatsapp_name",
            field=models.CharField(
                blank=True,
                db_default="",
                default="",
                help_text="Of the approved template that goes out through Interakt: its code name there.",
                max_length=100,
                verbose_name="name at Interakt",
            ),
        ),
        migrations.CreateModel(
            name="TemplateVersion",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("number", models.PositiveIntegerField(help_text="The first one is 1.")),
                (
                    "saved_at",
                    models.DateTimeField(
                        db_default=django.contrib.postgres.functions.TransactionNow()
                    ),
                ),
                (
                    "note",
                    models.CharField(
                        db_default="",
                        default="",
                        help_text="Such as: version 3 restored.",
                        max_length=200,
                    ),
                ),
                ("content", models.JSONField()),
                (
                    "saved_by",
                    models.ForeignKey(
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                    ),
                ),
                (
                    "template",
                    models.ForeignKey(
                        on_delete=django.db.models.deletion.CASCADE,
                        related_name="versions",
                        to="messaging.messagetemplate",
                    ),
                ),
            ],
            options={
                "verbose_name": "version",
                "db_table": "template_versions",
                "ordering": ["-number"],
                "constraints": [
                    models.UniqueConstraint(
                        fields=("template", "number"), name="template_versions_number"
                    )
                ],
            },
        ),
        migrations.RunSQL(KEEP, FORGET),
    ]
