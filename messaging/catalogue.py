"""The one catalogue of template variables.

The strategy's glossary and every name in its 51 templates. The validator, the editor, the
previews and the documentation all read this list. `segments/definitions/` fills the values;
the system variables are added when a message is rendered.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal

Kind = Literal["text", "number", "date", "list"]

AIDA = ("aida_users",)
COURSE = ("incomplete_courses",)
SESSION = ("no_show",)
CERTIFICATE = ("unclaimed_certificates",)
EVERY = AIDA + COURSE + SESSION + CERTIFICATE
EVENT = SESSION + CERTIFICATE
POINTS = COURSE + SESSION + CERTIFICATE
EXPIRING = AIDA + COURSE + CERTIFICATE


@dataclass(frozen=True, slots=True)
class Variable:
    """A name that a template may use.

    `segments` are the segment types whose definition supplies it. A list has `items`: the names
    of each of its entries, for use between {{#name}} and {{/name}}; written as {{name}} it is
    the number of entries.
    """

    name: str
    segments: tuple[str, ...]
    description: str
    example: str
    kind: Kind = "text"
    items: tuple["Variable", ...] = ()


# Filled in for every message; no definition supplies them (strategy, System Variables).
SYSTEM = frozenset({"shortlink", "support_email", "support_phone"})

CATALOGUE: tuple[Variable, ...] = (
    # --- the doctor ---
    Variable("first_name", EVERY, "First name, without “Dr.”", "Asha"),
    Variable("last_name", EVERY, "Last name", "Rao"),
    Variable("user_id", EVERY, "The doctor's own id on CLIRNET", "CLR-10482"),
    Variable("specialty", EVERY, "Medical specialty", "Cardiology"),
    Variable("location", EVERY, "City or region", "Pune"),
    # --- every message ---
    Variable("shortlink", EVERY, "The tracked link of this message", "https://clr.example/r/7Hq2"),
    Variable("support_email", EVERY, "Support's e-mail address", "support@clirnet.example"),
    Variable("support_phone", EVERY, "Support's phone number", "+91 22 0000 0000"),
    # --- in several segments ---
    Variable("cpd_points", POINTS, "CPD points of the course or session", "4", "number"),
    Variable(
        "days_remaining",
        POINTS,
        "Days until access, recording or certificate expires",
        "6",
        "number",
    ),
    Variable(
        "expiry_date",
        EXPIRING,
        "Day on which the trial, access or certificate expires",
        "12 May 2026",
        "date",
    ),
    Variable("session_date", EVENT, "Day of the session", "28 April 2026", "date"),
    Variable("speaker_name", EVENT, "Speaker's name, without “Dr.”", "Meera Iyer"),
    Variable(
        "testimonial_author",
        COURSE + SESSION,
        "Who said it: a doctor who agreed to be named",
        "Vikram Shah",
    ),
    # --- AiDA users ---
    Variable("specialty_area", AIDA, "What the doctor asked AiDA about most", "Cardiology"),
    Variable(
        "peer_count",
        AIDA,
        "Doctors of the same specialty or place who use AI agents",
        "214",
        "number",
    ),
    *(
        Variable(
            f"suggested_agent_{n}", AIDA, f"AI agent that suits the doctor, number {n}", example
        )
        for n, example in enumerate(("Diagnostic Support", "Care Planner", "Case Analyst"), 1)
    ),
    *(
        Variable(f"peer_name_{n}", AIDA, f"Name of peer {n}, who agreed to be named", example)
        for n, example in enumerate(("Rahul Deshpande", "Sunita Nair", "Imran Khan"), 1)
    ),
    *(
        Variable(f"peer_specialty_{n}", AIDA, f"Specialty of peer {n}", example)
        for n, example in enumerate(("Cardiology", "Paediatrics", "General Medicine"), 1)
    ),
    # --- incomplete courses ---
    Variable("course_name", COURSE, "Name of the course", "Hypertension in Practice"),
    Variable(
        "course_topic",
        COURSE,
        "What the course teaches: “Practical skills in …”",
        "blood pressure control",
    ),
    Variable("clinical_area", COURSE, "Clinical area of the course", "resistant hypertension"),
    Variable(
        "completion_percentage",
        COURSE,
        "Percent of the course that is done, without %",
        "75",
        "number",
    ),
    Variable("completed_modules", COURSE, "Modules that are done", "6", "number"),
    Variable("total_modules", COURSE, "Modules of the course", "8", "number"),
    Variable(
        "remaining_modules",
        COURSE,
        "Modules that are left: their number, or a list to go through",
        "2",
        "list",
        items=(
            Variable("module_number", COURSE, "Place of the module in the course", "7", "number"),
            Variable("module_name", COURSE, "Name of the module", "Drug interactions"),
            Variable("duration", COURSE, "Minutes that the module takes", "18", "number"),
        ),
    ),
    Variable(
        "upcoming_content",
        COURSE,
        "Modules that are left, with what they teach",
        "2",
        "list",
        items=(
            Variable("module_number", COURSE, "Place of the module in the course", "7", "number"),
            Variable("module_name", COURSE, "Name of the module", "Drug interactions"),
            Variable("key_learning_1", COURSE, "First thing it teaches", "Choose the first drug"),
            Variable("key_learning_2", COURSE, "Second thing it teaches", "Know when to combine"),
            Variable("key_learning_3", COURSE, "Third thing it teaches", "Spot white-coat effect"),
        ),
    ),
    Variable("estimated_time", COURSE, "Minutes that the remaining modules take", "36", "number"),
    Variable("time_spent", COURSE, "Time that the doctor has given to it", "2 hours"),
    Variable(
        "last_access_date", COURSE, "Day on which the doctor last opened it", "3 April 2026", "date"
    ),
    Variable("popular_module", COURSE, "Module that doctors praise, by number or name", "3"),
    Variable("completed_count", COURSE, "Doctors who completed the course lately", "87", "number"),
    Variable(
        "course_completion_rate",
        COURSE,
        "Percent of those who start and complete it",
        "68",
        "number",
    ),
    Variable("course_rating", COURSE, "Average rating of the course, out of 5", "4.6", "number"),
    Variable("peer_name", COURSE, "Doctor who completed it and agreed to be named", "Sunita Nair"),
    Variable("peer_specialty", COURSE, "That doctor's specialty", "cardiologist"),
    Variable("peer_location", COURSE, "That doctor's city or region", "Kochi"),
    Variable("peer_testimonial", COURSE, "What that doctor said about it", "Clear and practical."),
    # --- no-shows ---
    Variable("session_title", SESSION, "Title of the session", "Heart Failure Update"),
    Variable("session_duration", SESSION, "Length of the session in minutes", "55", "number"),
    Variable("speaker_credentials", SESSION, "Speaker's credentials", "MD, DM (Cardiology)"),
    Variable("recording_expiry_days", SESSION, "Days until the recording expires", "10", "number"),
    Variable("view_count", SESSION, "Doctors who watched the recording", "342", "number"),
    Variable("topic", SESSION, "What the session is about", "heart failure"),
    Variable("topic_area", SESSION, "The wider area of the session", "cardiology"),
    Variable("testimonial_location", SESSION, "Where the author of the quotation works", "Nagpur"),
    Variable("rating", SESSION, "Average rating of the session, out of 5", "4.7", "number"),
    Variable("rating_count", SESSION, "Doctors who rated the session", "128", "number"),
    Variable(
        "certificate_issued_count", SESSION, "Certificates issued for the session", "96", "number"
    ),
    *(
        Variable(f"key_point_{n}", SESSION, f"Key point {n} of the session", example)
        for n, example in enumerate(
            ("New drug classes", "Dose titration", "When to refer", "Follow-up plan"), 1
        )
    ),
    *(
        Variable(f"insight_{n}_title", SESSION, f"Title of insight {n}", example)
        for n, example in enumerate(("Start early", "Four pillars", "Watch potassium"), 1)
    ),
    *(
        Variable(f"insight_{n}_description", SESSION, f"Insight {n} in a sentence", example)
        for n, example in enumerate(
            (
                "Begin treatment before discharge.",
                "Combine all four drug classes.",
                "Check levels after a week.",
            ),
            1,
        )
    ),
    *(
        Variable(
            f"popular_timestamp_{n}",
            SESSION,
            f"Place in the recording seen again most, {n}",
            example,
        )
        for n, example in enumerate(("12:40", "27:05", "41:30"), 1)
    ),
    *(
        Variable(f"popular_topic_{n}", SESSION, f"What is said at that place, {n}", example)
        for n, example in enumerate(("Choosing a drug", "Titration table", "Case discussion"), 1)
    ),
    *(
        Variable(
            f"related_session_{n}", SESSION, f"Session to come on the same topic, {n}", example
        )
        for n, example in enumerate(("Atrial Fibrillation Today", "Lipids in 2026"), 1)
    ),
    *(
        Variable(f"related_date_{n}", SESSION, f"Day of session to come {n}", example, "date")
        for n, example in enumerate(("20 May 2026", "27 May 2026"), 1)
    ),
    # --- unclaimed certificates ---
    Variable(
        "session_name",
        CERTIFICATE,
        "What the certificate is for: a session or course",
        "Diabetes Care 2026",
    ),
    Variable("certificate_id", CERTIFICATE, "Number of the certificate", "CERT-2026-00417"),
    Variable("issue_date", CERTIFICATE, "Day on which it was issued", "29 April 2026", "date"),
    Variable("certificate_expiry_days", CERTIFICATE, "Days until it expires", "30", "number"),
    Variable("download_count", CERTIFICATE, "Doctors who downloaded theirs", "153", "number"),
    Variable("total_participants", CERTIFICATE, "Doctors who took part", "240", "number"),
)

BY_NAME: dict[str, Variable] = {variable.name: variable for variable in CATALOGUE}


def of_segment(segment_type: str) -> list[Variable]:
    """The variables that a segment's templates can use, in the catalogue's order."""
    return [variable for variable in CATALOGUE if segment_type in variable.segments]


def examples(segment_type: str | None = None) -> dict[str, Any]:
    """An example value for each variable (of one segment): what a preview shows without data.

    Lists have as many entries as their example says.
    """
    variables = CATALOGUE if segment_type is None else of_segment(segment_type)
    return {variable.name: _example(variable) for variable in variables}


def _example(variable: Variable) -> Any:
    if variable.kind != "list":
        return variable.example
    entry = {item.name: item.example for item in variable.items}
    return [dict(entry) for _ in range(int(variable.example))]


def item_names(section: str) -> frozenset[str]:
    """Names that stand between {{#section}} and {{/section}} only; none when it is not a list."""
    variable = BY_NAME.get(section)
    return frozenset(item.name for item in variable.items) if variable else frozenset()


def lists_with(item_name: str) -> list[str]:
    """Names of the lists whose entries have this name."""
    return [variable.name for variable in CATALOGUE if item_name in item_names(variable.name)]


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that was probably meant, None when nothing is near."""
    found = get_close_matches(name.lower(), list(known), n=1, cutoff=0.6)
    return found[0] if found else None
