"""A/B tests that run are locked by the database; steps may have an hour of their own."""

from django.db import migrations, models

LOCK = """
    -- What an experiment compares, and by what, is settled with its start: nobody may look at the
    -- figures and then decide what they should say.
    CREATE FUNCTION keep_experiment() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF OLD.status <> 'draft' AND (
            (NEW.campaign_id, NEW.campaign_message_id, NEW.kind, NEW.metric, NEW.min_per_arm,
             NEW.horizon_days) IS DISTINCT FROM
            (OLD.campaign_id, OLD.campaign_message_id, OLD.kind, OLD.metric, OLD.min_per_arm,
             OLD.horizon_days)
            OR NEW.status = 'draft' OR OLD.status = 'ended' AND NEW.status <> 'ended'
        ) THEN
            RAISE EXCEPTION 'experiment % has started: it is locked', OLD.id
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER experiments_locked BEFORE UPDATE ON experiments
    FOR EACH ROW EXECUTE FUNCTION keep_experiment();

    -- A draft campaign may still be deleted with all that hangs on it.
    CREATE FUNCTION keep_variant() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE of_experiment uuid := COALESCE(OLD.experiment_id, NEW.experiment_id);
    BEGIN
        PERFORM FROM experiments x JOIN campaigns c ON c.id = x.campaign_id
        WHERE x.id IN (of_experiment, NEW.experiment_id) AND x.status <> 'draft'
          AND (TG_OP <> 'DELETE' OR c.status NOT IN ('draft', 'in_review'))
        FOR SHARE OF x;
        IF FOUND THEN
            RAISE EXCEPTION 'experiment % has started: its variants are locked', of_experiment
                USING ERRCODE = 'check_violation';
        END IF;
        IF TG_OP = 'DELETE' THEN RETURN OLD; END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER experiment_variants_locked BEFORE INSERT OR UPDATE OR DELETE
    ON experiment_variants FOR EACH ROW EXECUTE FUNCTION keep_variant();

    CREATE FUNCTION keep_tested_step() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF (NEW.template_id, NULLIF(NEW.subject_line, ''), NEW.channel, NEW.delay_days,
            NEW.send_from, NEW.removed_at) IS DISTINCT FROM
           (OLD.template_id, NULLIF(OLD.subject_line, ''), OLD.channel, OLD.delay_days,
            OLD.send_from, OLD.removed_at)
           AND EXISTS (SELECT FROM experiments x
                       WHERE x.campaign_message_id = OLD.id AND x.status = 'running') THEN
            RAISE EXCEPTION 'step % is in a running experiment: end it first', OLD.id
                USING ERRCODE = 'check_violation';
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER campaign_messages_tested BEFORE UPDATE ON campaign_messages
    FOR EACH ROW EXECUTE FUNCTION keep_tested_step();
"""
UNLOCK = """
    DROP TRIGGER campaign_messages_tested ON campaign_messages;
    DROP TRIGGER experiment_variants_locked ON experiment_variants;
    DROP TRIGGER experiments_locked ON experiments;
    DROP FUNCTION keep_tested_step; DROP FUNCTION keep_variant; DROP FUNCTION keep_experiment
"""


class Migration(migrations.Migration):
    dependencies = [
        ("campaigns", "0004_lifecycle"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="experiment", options={"ordering": ["-id"], "verbose_name": "A/B test"}
        ),
        migrations.AddField(
            model_name="campaignmessage",
            name="send_from",
            field=models.TimeField(
                blank=True,
                help_text="Another hour for this step, later than the campaign's “send from”, in the doctor's time zone. Empty: the campaign's.",
                null=True,
                verbose_name="sent from",
            ),
        ),
        migrations.AddField(
            model_name="experiment",
            name="filled_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="Since when each variant has its messages: later ones are not in the test.",
                null=True,
            ),
        ),
        migrations.AddField(
            model_name="experiment",
            name="promoted_at",
            field=models.DateTimeField(
                blank=True,
                editable=False,
                help_text="When the step took over the winner.",
                null=True,
            ),
        ),
        migrations.RunSQL(LOCK, UNLOCK),
    ]
