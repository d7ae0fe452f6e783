"""The trail of what was changed: kept by triggers, and by nobody undone.

Every way in which a row changes is seen, with its values before and after. Left out are what the
engine keeps in these rows for itself, and what is personal: of people with access, names, e-mail
addresses and passwords are told to have changed, not what they are; of doctors there is an id.
"""

from __future__ import annotations

from typing import NamedTuple

from django.db import migrations


class Tracked(NamedTuple):
    """One table. `root`: what its rows are parts of, as a kind and the column that names it."""

    kind: str
    name: str = ""  # the column that a row is called by
    root: tuple[str, str] = ("", "")
    left_out: tuple[str, ...] = ()
    masked: tuple[str, ...] = ()
    by_people: bool = False  # what the engine itself writes into it is no news


TRACKED: dict[str, Tracked] = {
    "campaigns": Tracked(
        "campaigns.campaign",
        "name",
        # Who did it is told beside it.
        left_out=(
            "created_at",
            "updated_at",
            "author_id",
            "changed_by_id",
            "submitted_by_id",
            "launched_by_id",
            "submitted_digest",
        ),
    ),
    "campaign_messages": Tracked(
        "campaigns.campaignmessage",
        "template_id",
        root=("campaigns.campaign", "campaign_id"),
        left_out=("created_at",),
    ),
    "experiments": Tracked("campaigns.experiment", "name", left_out=("created_at",)),
    "experiment_variants": Tracked(
        "campaigns.variant", "letter", root=("campaigns.experiment", "experiment_id")
    ),
    "api_keys": Tracked(
        "campaigns.apikey", "name", left_out=("created_at", "digest", "last_used_at")
    ),
    "message_templates": Tracked(
        "messaging.messagetemplate",
        "template_key",
        left_out=("created_at", "updated_at", "approval_checked_at"),
    ),
    "provider_accounts": Tracked(
        "messaging.provideraccount",
        "channel",
        left_out=(
            "tokens",
            "tokens_at",
            "failures_in_row",
            "times_opened",
            "closed_until",
            "probe_until",
            "last_trouble",
        ),
    ),
    "keyword_replies": Tracked("messaging.keywordreply", "keyword"),
    "unsubscribe_records": Tracked(
        "messaging.unsubscriberecord",
        "channel",
        left_out=("reason", "consent_version", "revoked_version"),
        by_people=True,
    ),
    "consent_records": Tracked(
        "messaging.consentrecord",
        "channel",
        left_out=("text_shown", "consent_version"),
        by_people=True,
    ),
    "channel_suppressions": Tracked(
        "messaging.suppression",
        "channel",
        left_out=("detail", "consent_version", "revoked_version"),
        by_people=True,
    ),
    "django_celery_beat_periodictask": Tracked(
        "django_celery_beat.periodictask",
        "name",
        left_out=("last_run_at", "total_run_count", "date_changed"),
    ),
    # A time belongs to the schedule that uses it, which is looked up (root "task").
    "django_celery_beat_crontabschedule": Tracked(
        "django_celery_beat.crontabschedule", root=("task", "crontab_id")
    ),
    "django_celery_beat_intervalschedule": Tracked(
        "django_celery_beat.intervalschedule", root=("task", "interval_id")
    ),
    "auth_user": Tracked(
        "auth.user",
        "username",
        left_out=("last_login", "date_joined"),
        masked=("email", "first_name", "last_name", "password"),
    ),
    "auth_group": Tracked("auth.group", "name"),
    "auth_group_permissions": Tracked("auth.group_permissions", root=("auth.group", "group_id")),
    "auth_user_groups": Tracked("auth.user_groups", root=("auth.user", "user_id")),
    "auth_user_user_permissions": Tracked(
        "auth.user_user_permissions", root=("auth.user", "user_id")
    ),
}

# Arguments: kind, column of the name, kind and column of the root, what is left out, what is
# masked (both with commas), and whether only people's changes count. Rows that set-up and tests
# make are no news either: who adds one is told, where somebody does.
NOTE = """
    CREATE FUNCTION reengage_note_change() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        actor jsonb := NULLIF(current_setting('reengage.actor', true), '')::jsonb;
        old_row jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
        new_row jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
        whole jsonb := old_row || new_row;
        left_out text[] := string_to_array(TG_ARGV[4], ',');
        masked text[] := string_to_array(TG_ARGV[5], ',');
        was jsonb;
        became jsonb;
        part_of text := TG_ARGV[2] || ':' || (whole->>TG_ARGV[3]);
        called text := COALESCE(whole->>TG_ARGV[1], '');
    BEGIN
        IF actor IS NULL AND (TG_OP = 'INSERT' OR TG_ARGV[6] = 'people') THEN
            RETURN NULL;
        END IF;
        SELECT jsonb_object_agg(k.key, CASE WHEN k.key = ANY(masked) THEN '"…"'
                                            ELSE old_row->k.key END) FILTER (WHERE old_row ? k.key),
               jsonb_object_agg(k.key, CASE WHEN k.key = ANY(masked) THEN '"…"'
                                            ELSE new_row->k.key END) FILTER (WHERE new_row ? k.key)
        INTO was, became
        FROM jsonb_object_keys(whole) k(key)
        WHERE old_row->k.key IS DISTINCT FROM new_row->k.key
          AND NOT k.key = ANY(left_out) AND k.key <> 'id'
          AND (TG_OP = 'UPDATE' OR whole->k.key NOT IN ('null', '""', '[]', '{}'));
        IF was IS NULL AND became IS NULL THEN
            RETURN NULL;
        END IF;
        IF whole ? 'permission_id' THEN
            SELECT codename INTO called FROM auth_permission
            WHERE id = (whole->>'permission_id')::int;
        ELSIF TG_ARGV[0] = 'auth.user_groups' THEN
            SELECT name INTO called FROM auth_group WHERE id = (whole->>'group_id')::int;
        ELSIF TG_ARGV[2] = 'task' THEN
            EXECUTE format(
                'SELECT ''django_celery_beat.periodictask:'' || id, name
                 FROM django_celery_beat_periodictask WHERE %I = $1 ORDER BY id LIMIT 1',
                TG_ARGV[3]
            ) INTO part_of, called USING (whole->>'id')::int;
        END IF;
        INSERT INTO reengage_change
            (at, actor_id, actor_name, via, verb, kind, object_id, name, root, before, after)
        VALUES (
            clock_timestamp(), (actor->>'id')::int, COALESCE(actor->>'name', ''),
            COALESCE(actor->>'via', ''), lower(TG_OP), TG_ARGV[0], whole->>'id',
            COALESCE(called, ''), COALESCE(NULLIF(part_of, ':'), TG_ARGV[0] || ':' || (whole->>'id')),
            COALESCE(was, '{}'), COALESCE(became, '{}')
        );
        RETURN NULL;
    END $$
"""
KEEP = """
    CREATE FUNCTION reengage_keep_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RAISE EXCEPTION 'what was changed stays on record'
            USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME;
    END $$;
    CREATE TRIGGER reengage_change_kept BEFORE UPDATE OR DELETE ON reengage_change
    FOR EACH ROW EXECUTE FUNCTION reengage_keep_change()
"""
UNKEEP = """
    DROP TRIGGER reengage_change_kept ON reengage_change; DROP FUNCTION reengage_keep_change()
"""


def _track(table: str, how: Tracked) -> migrations.RunSQL:
    arguments = (
        how.kind,
        how.name,
        *how.root,
        ",".join(how.left_out),
        ",".join(how.masked),
        "people" if how.by_people else "",
    )
    said = ", ".join(f"'{argument}'" for argument in arguments)
    return migrations.RunSQL(
        f"CREATE TRIGGER {table}_trail AFTER INSERT OR UPDATE OR DELETE ON {table} "
        f"FOR EACH ROW EXECUTE FUNCTION reengage_note_change({said})",
        f"DROP TRIGGER {table}_trail ON {table}",
    )


class Migration(migrations.Migration):
    dependencies = [
        ("reengage", "0001_trail"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("campaigns", "0005_experiments"),
        ("messaging", "0013_webhooks"),
        ("django_celery_beat", "0019_alter_periodictasks_options"),
    ]

    operations = [
        migrations.RunSQL(NOTE, "DROP FUNCTION reengage_note_change()"),
        *(_track(table, how) for table, how in TRACKED.items()),
        migrations.RunSQL(KEEP, UNKEEP),
    ]
