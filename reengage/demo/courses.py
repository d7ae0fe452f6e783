"""The sample's courses. Everything and everybody in it is made up."""

from __future__ import annotations

from dataclasses import dataclass

Module = tuple[str, int, tuple[str, str, str]]  # name, minutes, what it teaches


@dataclass(frozen=True, slots=True)
class CourseText:
    """A course as the file of courses and the file of modules tell it."""

    name: str
    topic: str
    clinical_area: str
    popular_module: int
    instructor: str
    cpd_points: str
    modules: tuple[Module, ...]

    def minutes(self, done: int) -> int:
        """How long the first `done` modules take."""
        return sum(minutes for _, minutes, _ in self.modules[:done])


COURSES = (
    CourseText(
        name="Hypertension in Practice",
        topic="blood pressure control",
        clinical_area="resistant hypertension",
        popular_module=3,
        instructor="Meera Iyer",
        cpd_points="4",
        modules=(
            (
                "Measuring right",
                16,
                ("Choose the cuff", "Use home readings", "Spot white-coat effect"),
            ),
            ("The first drug", 20, ("Choose the first drug", "Start low", "Plan the first review")),
            (
                "When one drug is not enough",
                24,
                ("Know when to combine", "Prefer one pill", "Simplify the day"),
            ),
            (
                "Resistant hypertension",
                22,
                ("Rule out non-adherence", "Look for a cause", "Add the fourth drug"),
            ),
            (
                "Older patients",
                18,
                ("Check standing pressure", "Set a fair target", "Review the other drugs"),
            ),
            (
                "Follow-up that lasts",
                14,
                ("Share the plan", "Use reminders", "Know when to refer"),
            ),
        ),
    ),
    CourseText(
        name="Type 2 Diabetes: Beyond Metformin",
        topic="choosing glucose-lowering therapy",
        clinical_area="type 2 diabetes with kidney disease",
        popular_module=2,
        instructor="Arvind Kulkarni",
        cpd_points="5",
        modules=(
            ("Where the patient stands", 15, ("Read the HbA1c", "Ask about hypos", "Set a target")),
            (
                "The second drug",
                25,
                ("Match drug to patient", "Weigh benefit and cost", "Avoid double risks"),
            ),
            (
                "Kidney and heart first",
                22,
                ("Screen every year", "Protect the kidney", "Talk to the cardiologist"),
            ),
            ("Starting insulin", 28, ("Begin at night", "Titrate by three days", "Teach the pen")),
            (
                "Hypoglycaemia",
                16,
                ("Recognise it early", "Treat it by the rule of 15", "Find out why"),
            ),
            (
                "Fasting and festivals",
                14,
                ("Plan before the fast", "Adjust the doses", "Know who should not fast"),
            ),
            ("Living with diabetes", 18, ("Coach in five minutes", "Check the feet", "Use groups")),
        ),
    ),
    CourseText(
        name="Antibiotic Stewardship for Clinics",
        topic="rational antibiotic prescribing",
        clinical_area="respiratory infections",
        popular_module=4,
        instructor="Shalini Bose",
        cpd_points="3.5",
        modules=(
            (
                "Viral or bacterial",
                18,
                ("Use a simple score", "Wait with a plan", "Explain without a drug"),
            ),
            ("Reading the antibiogram", 20, ("Find your local data", "Read trends", "Act on them")),
            (
                "Short courses",
                16,
                ("Know the five-day evidence", "Stop with reason", "Review at 48 hours"),
            ),
            (
                "Talking about antibiotics",
                15,
                ("Ask what is feared", "Give the delayed script", "Agree on a return date"),
            ),
            (
                "Auditing your own clinic",
                21,
                ("Count a week", "Compare with peers", "Change one habit"),
            ),
        ),
    ),
    CourseText(
        name="Asthma and COPD Update",
        topic="inhaler therapy",
        clinical_area="difficult-to-control asthma",
        popular_module=2,
        instructor="Thomas Kurian",
        cpd_points="4",
        modules=(
            ("Telling them apart", 17, ("Take the right history", "Read spirometry", "Test again")),
            (
                "Inhalers in five steps",
                22,
                ("Watch the technique", "Choose the device", "Teach back"),
            ),
            ("Stepping up and down", 20, ("Measure control", "Step up once", "Step down safely")),
            (
                "Exacerbations",
                19,
                ("Grade severity", "Start steroids in time", "Decide on admission"),
            ),
            (
                "Smoking and indoor smoke",
                14,
                ("Ask every time", "Offer help that works", "Look at the kitchen"),
            ),
            ("Written action plans", 13, ("Write it together", "Use three colours", "Review it")),
        ),
    ),
    CourseText(
        name="Antenatal Care Essentials",
        topic="risk assessment in pregnancy",
        clinical_area="hypertension in pregnancy",
        popular_module=3,
        instructor="Lakshmi Narayanan",
        cpd_points="5",
        modules=(
            ("The first visit", 20, ("Date the pregnancy", "Screen for risk", "Plan the visits")),
            ("Anaemia", 18, ("Find it early", "Treat by degree", "Follow the response")),
            (
                "Blood pressure in pregnancy",
                24,
                ("Define it right", "Give low-dose aspirin", "Know the red flags"),
            ),
            (
                "Gestational diabetes",
                22,
                ("Test everybody", "Start with food", "Test again after birth"),
            ),
            ("When to refer", 15, ("Use a checklist", "Write the letter", "Call ahead")),
        ),
    ),
    CourseText(
        name="Paediatric Fever: A Structured Approach",
        topic="assessment of the febrile child",
        clinical_area="fever without a source",
        popular_module=2,
        instructor="Farah Siddiqui",
        cpd_points="3",
        modules=(
            ("The first five minutes", 14, ("Look before touching", "Count", "Sort by colours")),
            (
                "Fever without a source",
                23,
                ("Use age bands", "Test with a reason", "Plan the recheck"),
            ),
            ("Dengue and malaria", 21, ("Know the season", "Read the platelets", "Give fluids")),
            ("Safety-netting", 12, ("Say what to watch", "Write it down", "Agree on a time")),
            ("Vaccination catch-up", 16, ("Check the card", "Combine visits", "Answer worries")),
        ),
    ),
    CourseText(
        name="Managing Depression in General Practice",
        topic="brief interventions",
        clinical_area="depression with physical complaints",
        popular_module=1,
        instructor="Nandini Rao",
        cpd_points="4.5",
        modules=(
            ("Asking the question", 17, ("Use two questions", "Hear the body", "Ask about risk")),
            ("Making the diagnosis", 19, ("Use a scale", "Rule out causes", "Share the result")),
            ("Brief interventions", 25, ("Activate by steps", "Solve one problem", "Involve kin")),
            (
                "Drugs that help",
                22,
                ("Choose by side effects", "Wait four weeks", "Stop slowly"),
            ),
            ("Follow-up", 13, ("Call in a week", "Measure again", "Prevent relapse")),
            ("Your own well-being", 11, ("Notice strain", "Debrief", "Ask for help")),
        ),
    ),
    CourseText(
        name="ECG Reading for Physicians",
        topic="structured ECG interpretation",
        clinical_area="chest pain",
        popular_module=4,
        instructor="Sanjay Bhattacharya",
        cpd_points="6",
        modules=(
            ("A method for every tracing", 18, ("Follow seven steps", "Calibrate", "Compare")),
            ("Rate and rhythm", 20, ("Count it two ways", "Find the P wave", "Name the rhythm")),
            ("Axis and hypertrophy", 19, ("Use two leads", "Know the limits", "Check the voltage")),
            ("Ischaemia", 27, ("See the territories", "Spot the mimics", "Act within minutes")),
            ("Conduction blocks", 21, ("Measure the PR", "Tell left from right", "Know who paces")),
            ("Drugs and electrolytes", 16, ("Watch the QT", "Read potassium", "Review the list")),
            ("Twenty tracings", 30, ("Read under time", "Explain aloud", "Learn from misses")),
        ),
    ),
)

# What doctors say who completed a course.
TESTIMONIALS = (
    "Clear and practical. I changed my follow-up the next day.",
    "Short modules that fit between two patients.",
    "The case discussions alone were worth the time.",
    "I now use the checklist with every new patient.",
    "Well structured, and close to what we see in our clinics.",
    "My residents and I went through it together.",
    "It answered the questions that I had stopped asking.",
    "Exactly the depth that a busy practice needs.",
)
