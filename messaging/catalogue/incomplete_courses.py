"""Variables of doctors with a started, unfinished course."""

from messaging.catalogue.variable import COURSE, Kind, Variable

RECORD = "the course's own record"
PROGRESS = "the doctor's own progress in the course"
MODULES = "the course's modules and the doctor's own progress"
COUNTED = "counted each hour over all doctors of the course"
PEER = "a doctor who completed the course in the last 30 days and agreed to be named"


def _item(name: str, description: str, example: str, kind: Kind = "text") -> Variable:
    return Variable(name, COURSE, description, example, kind, "the module's own record")


MODULE = (
    _item("module_number", "Place of the module in the course", "7", "number"),
    _item("module_name", "Name of the module", "Drug interactions"),
)

VARIABLES: tuple[Variable, ...] = (
    Variable(
        "course_name", COURSE, "Name of the course", "Hypertension in Practice", source=RECORD
    ),
    Variable(
        "course_topic",
        COURSE,
        "What the course teaches: “Practical skills in …”",
        "blood pressure control",
        source=RECORD,
    ),
    Variable(
        "clinical_area",
        COURSE,
        "Clinical area of the course",
        "resistant hypertension",
        source=RECORD,
    ),
    Variable(
        "completion_percentage",
        COURSE,
        "Percent of the course that is done, without %",
        "75",
        "number",
        MODULES,
    ),
    Variable("completed_modules", COURSE, "Modules that are done", "6", "number", PROGRESS),
    Variable("total_modules", COURSE, "Modules of the course", "8", "number", RECORD),
    Variable(
        "remaining_modules",
        COURSE,
        "Modules that are left: their number, or a list to go through",
        "2",
        "list",
        MODULES,
        items=(*MODULE, _item("duration", "Minutes that the module takes", "18", "number")),
        has_length=True,
    ),
    Variable(
        "upcoming_content",
        COURSE,
        "Up to three of the modules that are left, with what they teach",
        "2",
        "list",
        MODULES,
        items=(
            *MODULE,
            _item("key_learning_1", "First thing it teaches", "Choose the first drug"),
            _item("key_learning_2", "Second thing it teaches", "Know when to combine"),
            _item("key_learning_3", "Third thing it teaches", "Spot white-coat effect"),
        ),
    ),
    Variable(
        "estimated_time", COURSE, "Minutes that the remaining modules take", "36", "number", MODULES
    ),
    Variable(
        "time_spent", COURSE, "Time that the doctor has given to it", "2 hours", source=PROGRESS
    ),
    Variable(
        "last_access_date",
        COURSE,
        "Day on which the doctor last opened it",
        "3 April 2026",
        "date",
        PROGRESS,
    ),
    Variable(
        "popular_module",
        COURSE,
        "Module that doctors praise, by number or name",
        "3",
        source=RECORD,
    ),
    Variable(
        "course_completion_rate",
        COURSE,
        "Percent of those who start and complete it",
        "68",
        "number",
        COUNTED,
    ),
    Variable(
        "course_rating",
        COURSE,
        "Average rating of the course, out of 5",
        "4.6",
        "number",
        COUNTED,
    ),
    Variable(
        "peer_name",
        COURSE,
        "Doctor who completed it and agreed to be named",
        "Sunita Nair",
        source=PEER,
    ),
    Variable("peer_specialty", COURSE, "That doctor's specialty", "cardiologist", source=PEER),
    Variable("peer_location", COURSE, "That doctor's city or region", "Kochi", source=PEER),
    Variable(
        "peer_testimonial",
        COURSE,
        "What that doctor said about it",
        "Clear and practical.",
        source=PEER,
    ),
)
