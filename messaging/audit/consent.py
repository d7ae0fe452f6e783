"""I2: nobody is written to after an opt-out, or without the consent that a channel needs.

Nor on a channel that is suppressed. Judged by the counter that each opt-out, opt-in, suppression,
lifting and consent raises and each attempt records, so that no clock matters.
"""

from __future__ import annotations

from django.conf import settings

from messaging.audit.finding import IN_SCOPE, Found, Scope, find, said

# By idx_delivery_attempts_doctor; opt-outs are few.
_AFTER_OPT_OUT = f"""
    SELECT DISTINCT ON (a.id) 'delivery', a.delivery_id,
           'It was authorised at ' || {said("a.authorised_at")} || ', when the opt-out of '
           || COALESCE({said("u.unsubscribed_at")}, 'an unknown day') || ' stood (counter '
           || a.consent_version || ', opted out from ' || u.consent_version || ' on).'
    FROM unsubscribe_records u
    JOIN delivery_attempts a ON a.user_id = u.user_id AND a.consent_version >= u.consent_version
        AND (u.revoked_version IS NULL OR a.consent_version < u.revoked_version)
        AND (u.channel IS NULL OR u.channel = a.channel)
    JOIN message_deliveries m ON m.id = a.delivery_id
    JOIN campaign_enrollments e ON e.id = m.enrollment_id
    JOIN campaigns c ON c.id = e.campaign_id
    WHERE {IN_SCOPE} AND (u.segment_type IS NULL OR u.segment_type = c.segment_type)
"""  # noqa: S608  only constants are put in

# By idx_delivery_attempts_doctor; suppressions are few.
_AFTER_SUPPRESSION = f"""
    SELECT DISTINCT ON (a.id) 'delivery', a.delivery_id,
           'It was authorised at ' || {said("a.authorised_at")} || ', though the channel had been '
           || 'suppressed at ' || {said("x.since")} || ' (counter ' || a.consent_version
           || ', suppressed from ' || x.consent_version || ' on).'
    FROM channel_suppressions x
    JOIN delivery_attempts a ON a.user_id = x.user_id AND a.channel = x.channel
        AND a.consent_version >= x.consent_version
        AND (x.revoked_version IS NULL OR a.consent_version < x.revoked_version)
    WHERE {IN_SCOPE}
"""  # noqa: S608

# What an attempt knew of consent `r`: told before it, by the counter and by the day it was said.
_KNOWN = """
    r.user_id = a.user_id AND r.channel = a.channel
    AND (r.recorded_at <= a.authorised_at OR NOT r.is_given)
    AND r.consent_version <= a.consent_version
"""
# A record that was there before the attempt and was changed after it no longer tells what it said
# then. What it says now is not held against the attempt.
_CHANGED_SINCE = "{0}.consent_version > a.consent_version AND {0}.id < a.id"

# By consent_records_natural_key, for the attempts to doctors who withdrew consent once.
_AFTER_WITHDRAWAL = f"""
    SELECT DISTINCT ON (a.id) 'delivery', a.delivery_id,
           'It was authorised at ' || {said("a.authorised_at")} || ', when consent for the channel '
           || 'had been withdrawn at ' || {said("r.recorded_at")} || '.'
    FROM consent_records r JOIN delivery_attempts a ON {_KNOWN}
    WHERE NOT r.is_given AND {IN_SCOPE} AND NOT EXISTS (
        SELECT FROM consent_records newer
        WHERE newer.user_id = r.user_id AND newer.channel = r.channel
          AND newer.recorded_at > r.recorded_at AND newer.recorded_at <= a.authorised_at
          AND (newer.consent_version <= a.consent_version OR {_CHANGED_SINCE.format("newer")}))
"""  # noqa: S608
_NEVER_GIVEN = f"""
    SELECT 'delivery', a.delivery_id,
           'It was authorised at ' || {said("a.authorised_at")} || ' on ' || a.channel
           || ', without consent on record.'
    FROM delivery_attempts a
    WHERE {IN_SCOPE} AND a.channel = ANY(%(consent_required)s)
      AND NOT EXISTS (SELECT FROM consent_records r WHERE {_KNOWN})
      AND NOT EXISTS (
        SELECT FROM consent_records r
        WHERE r.user_id = a.user_id AND r.channel = a.channel AND {_CHANGED_SINCE.format("r")})
"""  # noqa: S608
_NOT_COUNTED = f"""
    SELECT 'optout', u.id, 'The doctor''s consent counter does not show it.'
    FROM unsubscribe_records u JOIN doctors d ON d.id = u.user_id
    WHERE GREATEST(u.consent_version, u.revoked_version) > d.consent_version
       OR u.revoked_version < u.consent_version
       OR (u.revoked_at IS NULL) <> (u.revoked_version IS NULL)
    UNION ALL
    SELECT 'suppression', x.id, 'The doctor''s consent counter does not show it.'
    FROM channel_suppressions x JOIN doctors d ON d.id = x.user_id
    WHERE GREATEST(x.consent_version, x.revoked_version) > d.consent_version
       OR x.revoked_version < x.consent_version
       OR (x.lifted_at IS NULL) <> (x.revoked_version IS NULL)
    UNION ALL
    SELECT 'delivery', a.delivery_id, 'It saw a consent counter that the doctor never had.'
    FROM delivery_attempts a JOIN doctors d ON d.id = a.user_id
    WHERE {IN_SCOPE} AND a.consent_version > d.consent_version
"""  # noqa: S608


def opted_out(scope: Scope) -> Found:
    """Attempts that an opt-out or a lack of consent stood against, released ones too."""
    return (
        find(scope, _AFTER_OPT_OUT)
        + find(scope, _AFTER_SUPPRESSION)
        + find(scope, _AFTER_WITHDRAWAL)
        + find(scope, _NEVER_GIVEN, consent_required=sorted(settings.CONSENT_REQUIRED))
        + find(scope, _NOT_COUNTED)
    )
