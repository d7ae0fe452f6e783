"""A large office, written by set: doctors, what they did, and a message to each of them.

Times hang on the database's clock, as the pages under measurement do.
"""

from __future__ import annotations

from django.utils import timezone

from campaigns.analytics.catch_up import count_everything
from reengage.initial import create_missing
from tests.bench.measure import execute

# Every doctor has done something of each kind, and is in one of the four segments.
DOCTORS = """
    INSERT INTO doctors (external_id, title, first_name, last_name, email, phone, whatsapp,
        specialty, location, last_active_at)
    SELECT 'd' || n, 'Dr.', (ARRAY['Anita', 'Ravi', 'Meera'])[1 + n % 3], 'Rao' || n % 1000,
        'd' || n || '@example.com', '+91' || (6000000000 + n), '+91' || (6000000000 + n),
        (ARRAY['Cardiology', 'Paediatrics'])[1 + n % 2], (ARRAY['Mumbai', 'Pune'])[1 + n % 2],
        now() - n % 90 * interval '1 day'
    FROM generate_series(1, {n}) n;
    INSERT INTO sessions (external_id, title, starts_at, ends_at, recording_expires_at,
        speaker_name, speaker_credentials, topic, topic_area, cpd_points, key_points,
        insight_titles, insight_descriptions, popular_timestamps, popular_topics)
    SELECT 's' || n, 'Session ' || n, now() - interval '10 days', now() - interval '9 days',
        now() + interval '60 days', 'Meera Iyer', 'MD', 'Heart failure', 'Cardiology', 2,
        '{{}}', '{{}}', '{{}}', '{{}}', '{{}}'
    FROM generate_series(1, 20) n;
    INSERT INTO courses (external_id, name, topic, clinical_area, popular_module, instructor_name)
    SELECT 'k' || n, 'Course ' || n, 'Echo', 'Cardiology', 'One', 'Meera Iyer'
    FROM generate_series(1, 20) n;
    INSERT INTO certificates (external_id, doctor_id, session_id, issued_at, expires_at)
    SELECT 'c' || d.id, d.id, s.id, now() - d.id % 30 * interval '1 day', now() + interval '60 days'
    FROM doctors d JOIN sessions s ON s.external_id = 's' || (1 + d.id % 20);
    INSERT INTO session_registrations (doctor_id, session_id, registered_at)
    SELECT d.id, s.id, now() - d.id % 30 * interval '1 day'
    FROM doctors d JOIN sessions s ON s.external_id = 's' || (1 + d.id % 20);
    INSERT INTO course_progress (doctor_id, course_id, started_at, completed_modules,
        time_spent_minutes, last_accessed_at, testimonial)
    SELECT d.id, k.id, now() - interval '90 days', 1, 20, now() - interval '40 days', ''
    FROM doctors d JOIN courses k ON k.external_id = 'k' || (1 + d.id % 20);
    INSERT INTO aida_usage (doctor_id, used_at, specialty_area)
    SELECT id, last_active_at, 'Cardiology' FROM doctors;
    INSERT INTO agent_usage (doctor_id, agent, specialty_area, used_at)
    SELECT id, 'Diagnosis', 'Cardiology', last_active_at FROM doctors;
    INSERT INTO consent_records (user_id, channel, is_given, recorded_at, source, text_shown)
    SELECT id, 'whatsapp', true, now() - interval '200 days', 'bench', '' FROM doctors;
    INSERT INTO user_segments (user_id, segment_type, subject, inactive_since, calculated_at,
        expires_at, segment_data)
    SELECT id, (ARRAY['aida_users', 'incomplete_courses', 'no_show', 'unclaimed_certificates'])
            [1 + id % 4],
        CASE id % 4 WHEN 0 THEN '' WHEN 1 THEN 'k' || (1 + id % 20) WHEN 2 THEN 's' || (1 + id % 20)
            ELSE 'c' || id END,
        now() - interval '40 days', now(), now() + interval '30 days', '{{}}'
    FROM doctors
"""

# Everybody was enrolled on one of the last 60 days and is due one message of the first day.
MESSAGES = """
    UPDATE campaigns SET status = 'active', start_date = now() - interval '61 days',
        launched_at = now() - interval '61 days';
    INSERT INTO campaign_enrollments (campaign_id, user_id, subject, enrolled_at, status,
        completed_at, converted_at, unsubscribed_at, is_holdout)
    SELECT c.id, m.user_id, m.subject, at, CASE user_id % 10 WHEN 0 THEN 'converted'
            WHEN 1 THEN 'completed' WHEN 2 THEN 'unsubscribed' ELSE 'active' END,
        CASE WHEN user_id % 10 = 1 THEN at + interval '3 days' END,
        CASE WHEN user_id % 10 = 0 THEN at + interval '2 days' END,
        CASE WHEN user_id % 10 = 2 THEN at + interval '1 day' END,
        user_id % 100 = 3
    FROM user_segments m JOIN campaigns c USING (segment_type),
        LATERAL (SELECT now() - m.user_id % 60 * interval '1 day' AS at) t;
    CREATE TEMP TABLE outgoing AS
    SELECT e.id AS enrollment_id, e.user_id, s.id AS step_id, s.channel, e.enrolled_at AS at,
        (ARRAY['sent', 'delivered', 'delivered', 'delivered', 'opened', 'opened', 'clicked',
            'skipped', 'failed', 'scheduled'])[1 + (e.user_id / 10) % 10] AS status
    FROM campaign_enrollments e
    JOIN LATERAL (
        SELECT id, channel FROM campaign_messages
        WHERE campaign_id = e.campaign_id AND delay_days = 0
        ORDER BY (sequence_order + e.user_id / 4) % 3, id LIMIT 1
    ) s ON true;
    INSERT INTO message_deliveries (enrollment_id, campaign_message_id, user_id, channel, due_at,
        scheduled_at, expires_at, status, sent_at, delivered_at, opened_at, clicked_at, failed_at,
        skip_reason, error_message, external_id, token)
    SELECT enrollment_id, step_id, user_id, channel, at,
        CASE status WHEN 'scheduled' THEN now() + user_id % 24 * interval '1 hour' ELSE at END,
        at + interval '100 days', status,
        CASE WHEN status IN ('sent', 'delivered', 'opened', 'clicked') THEN at END,
        CASE WHEN status IN ('delivered', 'opened', 'clicked') THEN at END,
        CASE WHEN status IN ('opened', 'clicked') THEN at END,
        CASE WHEN status = 'clicked' THEN at END,
        CASE WHEN status = 'failed' THEN at END,
        CASE WHEN status = 'skipped' THEN 'frequency_cap' END,
        CASE WHEN status = 'failed' THEN 'No such number' END,
        'x-' || user_id, left(md5(user_id::text), 22)
    FROM outgoing;
    INSERT INTO delivery_attempts (delivery_id, user_id, account_id, channel, claim_id,
        authorised_at, finished_at, outcome, counts, consent_version, timezone)
    SELECT d.id, d.user_id, a.id, d.channel, gen_random_uuid(), d.due_at, d.due_at,
        CASE d.status WHEN 'failed' THEN 'refused' ELSE 'accepted' END, d.status != 'failed', 0,
        'Asia/Kolkata'
    FROM message_deliveries d JOIN provider_accounts a USING (channel)
    WHERE d.status NOT IN ('scheduled', 'skipped');
    INSERT INTO provider_events (provider, event_key, kind, delivery_id, occurred_at, processed_at,
        verdict)
    SELECT 'sandbox', 'k' || user_id, 'delivered', id, due_at, due_at, 'counted'
    FROM message_deliveries;
    INSERT INTO sandbox_messages (id, delivery_id, channel, recipient, subject, text, html,
        accepted_at)
    SELECT gen_random_uuid(), id, channel, '+91' || (6000000000 + user_id), '', 'Dear Dr. Rao', '',
        due_at
    FROM message_deliveries WHERE sent_at IS NOT NULL;
    INSERT INTO unsubscribe_records (user_id, channel, segment_type, unsubscribed_at, source,
        delivery_id)
    SELECT user_id, channel, 'aida_users', due_at, 'link', id
    FROM message_deliveries WHERE user_id % 10 = 2;
    INSERT INTO channel_suppressions (user_id, channel, reason, since)
    SELECT user_id, channel, 'hard_bounce', due_at
    FROM message_deliveries WHERE status = 'failed';
    INSERT INTO inbound_messages (provider, channel, user_id, sender, text, button, kind,
        delivery_id, received_at)
    SELECT 'twilio', 'whatsapp', user_id, '+91' || (6000000000 + user_id), 'When is it?', '',
        'other', id, due_at
    FROM message_deliveries WHERE user_id % 10 = 4
"""


def fill(doctors: int) -> None:
    """So many doctors, enrolments and deliveries in an empty, migrated database, and figures."""
    create_missing()
    for statement in (DOCTORS.format(n=doctors) + ";" + MESSAGES).split(";"):
        execute(statement)
    execute("VACUUM ANALYZE")
    count_everything(timezone.now())
    execute("VACUUM ANALYZE")
