"""Variables of doctors whose certificate waits to be downloaded."""

from messaging.catalogue.variable import CERTIFICATE, Variable

RECORD = "the certificate's own record"
COUNTED = "counted each hour over all doctors of the session or course"

VARIABLES: tuple[Variable, ...] = (
    Variable(
        "session_name",
        CERTIFICATE,
        "What the certificate is for: a session or course",
        "Diabetes Care 2026",
        source="the session's or course's own record",
    ),
    Variable(
        "certificate_id", CERTIFICATE, "Number of the certificate", "CERT-2026-00417", source=RECORD
    ),
    Variable(
        "issue_date", CERTIFICATE, "Day on which it was issued", "29 April 2026", "date", RECORD
    ),
    Variable(
        "certificate_expiry_days",
        CERTIFICATE,
        "Days until it expires",
        "30",
        "number",
        "counted down to the certificate's last day when the message is sent",
    ),
    Variable(
        "download_count",
        CERTIFICATE,
        "Doctors who downloaded theirs",
        "153",
        "number",
        COUNTED,
        counts_people=True,
    ),
    Variable(
        "total_participants",
        CERTIFICATE,
        "Doctors who took part",
        "240",
        "number",
        COUNTED,
        counts_people=True,
    ),
)
