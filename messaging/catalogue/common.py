"""Variables of every message, and those that several segments share."""

from messaging.catalogue.variable import (
    AIDA,
    CERTIFICATE,
    COURSE,
    EVERY,
    SESSION,
    Variable,
)

DOCTOR = "the doctor's own record"
SETTINGS = "the settings of this system"
POINTS = COURSE + SESSION + CERTIFICATE

# Filled in for every message; no definition supplies them (strategy, System Variables).
SYSTEM = frozenset({"shortlink", "support_email", "support_phone"})

VARIABLES: tuple[Variable, ...] = (
    # --- the doctor ---
    Variable("first_name", EVERY, "First name, without “Dr.”", "Asha", source=DOCTOR),
    Variable("last_name", EVERY, "Last name", "Rao", source=DOCTOR),
    Variable("user_id", EVERY, "The doctor's own id on CLIRNET", "CLR-10482", source=DOCTOR),
    Variable("specialty", EVERY, "Medical specialty", "Cardiology", source=DOCTOR),
    Variable("location", EVERY, "City or region", "Pune", source=DOCTOR),
    # --- every message ---
    Variable(
        "shortlink",
        EVERY,
        "The tracked link of this message",
        "https://clr.example/r/7Hq2",
        "link",
        "made for each message when it is sent",
    ),
    Variable(
        "support_email",
        EVERY,
        "Support's e-mail address",
        "support@clirnet.example",
        source=SETTINGS,
    ),
    Variable("support_phone", EVERY, "Support's phone number", "+91 22 0000 0000", source=SETTINGS),
    # --- in several segments ---
    Variable(
        "cpd_points",
        POINTS,
        "CPD points of the course or session",
        "4",
        "number",
        "the course's or session's own record",
    ),
    Variable(
        "days_remaining",
        EVERY,
        "Days until trial, access, recording or certificate expires",
        "6",
        "number",
        "counted down to the doctor's own last day when the message is sent",
    ),
    Variable(
        "expiry_date",
        AIDA + COURSE + CERTIFICATE,
        "Day on which the trial, access or certificate expires",
        "12 May 2026",
        "date",
        "the course access or certificate of the doctor; a trial ends 14 days after enrolment",
    ),
    Variable(
        "session_date",
        SESSION + CERTIFICATE,
        "Day of the session",
        "28 April 2026",
        "date",
        "the session's own record",
    ),
    Variable(
        "speaker_name",
        SESSION + CERTIFICATE,
        "Speaker's name, without “Dr.”",
        "Meera Iyer",
        source="the session's or course's own record",
    ),
    Variable(
        "completed_count",
        AIDA + COURSE,
        "Doctors who lately did the same: first used an agent, or completed the course",
        "87",
        "number",
        "counted each hour over all doctors: agents over 30 days, the course over 7",
        counts_people=True,
        counted_days={"aida_users": 30, "incomplete_courses": 7},
    ),
    Variable(
        "testimonial_author",
        COURSE + SESSION,
        "Who said it: a doctor who agreed to be named",
        "Vikram Shah",
        source="a doctor who rated it 4 or better and agreed to be named",
    ),
)
