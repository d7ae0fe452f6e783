"""Variables of doctors who registered for a session and did not come."""

from messaging.catalogue.variable import SESSION, Variable, numbered

RECORD = "the session's own record"
COUNTED = "counted each hour over all doctors of the session"
PLANNED = "the sessions to come, those of the same topic area first"

VARIABLES: tuple[Variable, ...] = (
    Variable(
        "session_title", SESSION, "Title of the session", "Heart Failure Update", source=RECORD
    ),
    Variable(
        "session_duration", SESSION, "Length of the session in minutes", "55", "number", RECORD
    ),
    Variable(
        "speaker_credentials",
        SESSION,
        "Speaker's credentials",
        "MD, DM (Cardiology)",
        source=RECORD,
    ),
    Variable(
        "recording_expiry_days",
        SESSION,
        "Days until the recording expires",
        "10",
        "number",
        "counted down to the recording's last day when the message is sent",
    ),
    Variable(
        "view_count",
        SESSION,
        "Doctors who watched the recording",
        "342",
        "number",
        COUNTED,
        counts_people=True,
    ),
    Variable("topic", SESSION, "What the session is about", "heart failure", source=RECORD),
    Variable("topic_area", SESSION, "The wider area of the session", "cardiology", source=RECORD),
    Variable(
        "testimonial_location",
        SESSION,
        "Where the author of the quotation works",
        "Nagpur",
        source="the record of the doctor who is quoted",
    ),
    Variable(
        "rating", SESSION, "Average rating of the session, out of 5", "4.7", "number", COUNTED
    ),
    Variable(
        "rating_count",
        SESSION,
        "Doctors who rated the session",
        "128",
        "number",
        COUNTED,
        counts_people=True,
    ),
    Variable(
        "certificate_issued_count",
        SESSION,
        "Certificates issued for the session",
        "96",
        "number",
        COUNTED,
        counts_people=True,
    ),
    *numbered(
        "key_point_{}",
        SESSION,
        "Key point {} of the session",
        ("New drug classes", "Dose titration", "When to refer", "Follow-up plan"),
        RECORD,
    ),
    *numbered(
        "insight_{}_title",
        SESSION,
        "Title of insight {}",
        ("Start early", "Four pillars", "Watch potassium"),
        RECORD,
    ),
    *numbered(
        "insight_{}_description",
        SESSION,
        "Insight {} in a sentence",
        (
            "Begin treatment before discharge.",
            "Combine all four drug classes.",
            "Check levels after a week.",
        ),
        RECORD,
    ),
    *numbered(
        "popular_timestamp_{}",
        SESSION,
        "Place in the recording seen again most, {}",
        ("12:40", "27:05", "41:30"),
        RECORD,
    ),
    *numbered(
        "popular_topic_{}",
        SESSION,
        "What is said at that place, {}",
        ("Choosing a drug", "Titration table", "Case discussion"),
        RECORD,
    ),
    *numbered(
        "related_session_{}",
        SESSION,
        "Session to come on the same topic, {}",
        ("Atrial Fibrillation Today", "Lipids in 2026"),
        PLANNED,
    ),
    *numbered(
        "related_date_{}",
        SESSION,
        "Day of session to come {}",
        ("20 May 2026", "27 May 2026"),
        PLANNED,
    ),
)
