"""A report that a message arrived settles it, also where a person had it sent once more."""

from django.db import migrations

# As in 0002_protocol, and what such a report does.
STATUS_CHANGES = """
    ('scheduled', 'sending'), ('scheduled', 'skipped'),
    ('scheduled', 'delivered'), ('scheduled', 'opened'), ('scheduled', 'clicked'),
    ('sending', 'scheduled'), ('sending', 'skipped'), ('sending', 'failed'),
    ('sending', 'unknown'), ('sending', 'sent'), ('sending', 'delivered'),
    ('sending', 'opened'), ('sending', 'clicked'),
    ('unknown', 'scheduled'), ('unknown', 'failed'), ('unknown', 'sent'),
    ('unknown', 'delivered'), ('unknown', 'opened'), ('unknown', 'clicked'),
    ('sent', 'delivered'), ('sent', 'opened'), ('sent', 'clicked'), ('sent', 'failed'),
    ('failed', 'delivered'), ('failed', 'opened'), ('failed', 'clicked'),
    ('delivered', 'opened'), ('delivered', 'clicked'), ('opened', 'clicked')
"""
OUTCOME_CHANGES = """
    ('pending', 'accepted'), ('pending', 'refused'), ('pending', 'unknown'),
    ('pending', 'released'), ('unknown', 'accepted'), ('unknown', 'refused'),
    ('unknown', 'released'), ('unknown', 'written_off'), ('written_off', 'accepted')
"""
TRIGGERS = f"""
    CREATE OR REPLACE TRIGGER message_deliveries_legal_status BEFORE UPDATE ON message_deliveries
    FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status
        AND (OLD.status, NEW.status) NOT IN ({STATUS_CHANGES}))
    EXECUTE FUNCTION refuse_change('status');
    CREATE OR REPLACE TRIGGER delivery_attempts_legal_outcome BEFORE UPDATE ON delivery_attempts
    FOR EACH ROW WHEN (OLD.outcome IS DISTINCT FROM NEW.outcome
        AND (OLD.outcome, NEW.outcome) NOT IN ({OUTCOME_CHANGES}))
    EXECUTE FUNCTION refuse_change('outcome')
"""


class Migration(migrations.Migration):
    dependencies = [("messaging", "0008_sandbox_tests")]

    operations = [migrations.RunSQL(TRIGGERS, migrations.RunSQL.noop)]
