from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("messaging", "0017_variant"),
    ]

    operations = [
        migrations.AlterField(
            model_name="messagedelivery",
            name="skip_reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("campaign_over", "The campaign had ended"),
                    ("enrollment_over", "The doctor had left the campaign"),
                    ("converted", "The doctor had come back"),
                    ("left_segment", "The doctor was no longer in the segment"),
                    ("unsubscribed", "The doctor had opted out"),
                    ("no_consent", "No consent for this channel"),
                    ("no_address", "No address for this channel"),
                    ("suppressed", "The channel is suppressed"),
                    ("template_not_approved", "The template was not approved"),
                    ("too_late", "Its time had passed"),
                    ("frequency_cap", "The doctor had messages enough"),
                    ("missing_variable", "A variable had no value"),
                    ("paused", "The doctor had asked for a pause"),
                    ("campaign_paused", "The campaign was paused"),
                    ("step_changed", "The step was changed"),
                ],
                help_text="Why it was skipped.",
                max_length=30,
                null=True,
            ),
        ),
    ]
