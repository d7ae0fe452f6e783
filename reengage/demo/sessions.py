"""The sample's live sessions. Everything and everybody in it is made up."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SessionText:
    """A session as the file of sessions tells it; every tuple goes into one cell."""

    title: str
    topic: str
    topic_area: str
    speaker: str
    credentials: str
    cpd_points: str
    minutes: int
    key_points: tuple[str, str, str, str]
    insights: tuple[tuple[str, str], tuple[str, str], tuple[str, str]]
    replayed: tuple[tuple[str, str], tuple[str, str], tuple[str, str]]  # place, what is said there


SESSIONS = (
    SessionText(
        title="Heart Failure Update",
        topic="heart failure",
        topic_area="cardiology",
        speaker="Meera Iyer",
        credentials="MD, DM (Cardiology)",
        cpd_points="2",
        minutes=55,
        key_points=("New drug classes", "Dose titration", "When to refer", "Follow-up plan"),
        insights=(
            ("Start early", "Begin treatment before discharge."),
            ("Four pillars", "Combine all four drug classes, each at a low dose first."),
            ("Watch potassium", "Check levels one week after every change."),
        ),
        replayed=(
            ("12:40", "Choosing a drug"),
            ("27:05", "Titration table"),
            ("41:30", "Case discussion"),
        ),
    ),
    SessionText(
        title="Insulin Without Fear",
        topic="starting insulin",
        topic_area="diabetes care",
        speaker="Arvind Kulkarni",
        credentials="MD, FRCP",
        cpd_points="1.5",
        minutes=50,
        key_points=("Whom to start", "The first dose", "Titration at home", "Avoiding hypos"),
        insights=(
            ("One injection first", "A basal dose at night is enough for most patients."),
            ("Let patients titrate", "A rule of three days works in their hands."),
            ("Name the fear", "Asking what worries them halves the refusals."),
        ),
        replayed=(
            ("08:15", "Working out the first dose"),
            ("22:40", "Pen demonstration"),
            ("37:55", "Questions on fasting"),
        ),
    ),
    SessionText(
        title="Dengue: The Critical Days",
        topic="fluid management in dengue",
        topic_area="infectious disease",
        speaker="Shalini Bose",
        credentials="MD (Medicine), DNB",
        cpd_points="2",
        minutes=60,
        key_points=("Warning signs", "Fluid charts", "Platelets in context", "Safe discharge"),
        insights=(
            ("Day five matters", "Leakage peaks when the fever falls."),
            ("Chart the fluids", "An hourly chart prevents both shock and overload."),
            ("Platelets alone mislead", "Treat the bleeding, not the number."),
        ),
        replayed=(
            ("10:05", "Warning signs by day"),
            ("29:30", "Fluid chart example"),
            ("48:20", "When to discharge"),
        ),
    ),
    SessionText(
        title="Inhalers: What Goes Wrong",
        topic="inhaler technique",
        topic_area="respiratory medicine",
        speaker="Thomas Kurian",
        credentials="MD (Pulmonology)",
        cpd_points="1",
        minutes=45,
        key_points=("Common mistakes", "Device choice", "Teach-back", "Review at each visit"),
        insights=(
            ("Seven in ten misuse it", "Watch the technique at every visit."),
            ("Fewer devices", "One kind of device for all drugs."),
            ("Teach back", "Let the patient show it to you."),
        ),
        replayed=(
            ("06:30", "The five mistakes"),
            ("18:10", "Spacer demonstration"),
            ("33:45", "Choosing a device"),
        ),
    ),
    SessionText(
        title="Atrial Fibrillation Today",
        topic="stroke prevention in atrial fibrillation",
        topic_area="cardiology",
        speaker="Sanjay Bhattacharya",
        credentials="MD, DM, FACC",
        cpd_points="2",
        minutes=55,
        key_points=("Finding it", "Stroke risk", "Anticoagulants", "Rate or rhythm"),
        insights=(
            ("Feel the pulse", "A thirty-second pulse finds most silent cases."),
            ("Dose by rule", "Reduce the dose only by the label's criteria."),
            ("Rhythm early", "Early rhythm control helps in the first year."),
        ),
        replayed=(
            ("09:50", "Score by example"),
            ("24:35", "Dose table"),
            ("43:10", "Before surgery"),
        ),
    ),
    SessionText(
        title="Diabetes and the Kidney",
        topic="kidney protection in diabetes",
        topic_area="diabetes care",
        speaker="Rukmini Pillai",
        credentials="MD, DM (Nephrology)",
        cpd_points="2",
        minutes=55,
        key_points=("Yearly screening", "Which drugs protect", "Stopping safely", "Referral"),
        insights=(
            ("Screen with both tests", "Albumin and eGFR together, every year."),
            ("Accept the dip", "A small early fall of eGFR is no reason to stop."),
            ("Sick-day rules", "Teach which drugs to pause in fever and vomiting."),
        ),
        replayed=(
            ("11:20", "Reading the albumin ratio"),
            ("26:00", "Drug by stage"),
            ("44:40", "Sick-day rules"),
        ),
    ),
    SessionText(
        title="Fever of Unknown Origin: A Case Series",
        topic="prolonged fever",
        topic_area="infectious disease",
        speaker="Joseph D'Souza",
        credentials="MD, FIDSA",
        cpd_points="1.5",
        minutes=50,
        key_points=("History again", "Tests in steps", "Tuberculosis", "When to wait"),
        insights=(
            ("Go back to the history", "Travel, animals and drugs solve one case in four."),
            ("Test in steps", "Each step is read before the next is ordered."),
            ("No blind steroids", "They hide the answer and delay it."),
        ),
        replayed=(
            ("07:40", "The first list"),
            ("21:15", "Imaging by yield"),
            ("39:30", "Three cases"),
        ),
    ),
    SessionText(
        title="Severe Asthma in the Clinic",
        topic="difficult asthma",
        topic_area="respiratory medicine",
        speaker="Anjali Deshmukh",
        credentials="MD (Chest Medicine)",
        cpd_points="1.5",
        minutes=50,
        key_points=("Is it asthma", "Is it taken", "What else", "Biologics"),
        insights=(
            ("Check before stepping up", "Technique and adherence come first."),
            ("Treat the nose", "Rhinitis is missed in half of the patients."),
            ("Count the courses", "Two steroid courses a year call for referral."),
        ),
        replayed=(
            ("13:00", "Ruling out mimics"),
            ("28:25", "Adherence talk"),
            ("40:50", "Who gets biologics"),
        ),
    ),
    SessionText(
        title="Lipids: Lower for Longer",
        topic="lipid lowering",
        topic_area="cardiology",
        speaker="Meera Iyer",
        credentials="MD, DM (Cardiology)",
        cpd_points="1.5",
        minutes=50,
        key_points=("Targets by risk", "Statin intolerance", "Adding a second drug", "Adherence"),
        insights=(
            ("Repeat after six weeks", "One early test shows who takes the tablets."),
            ("Try again", "Most of the intolerant tolerate another statin."),
            ("Combine early", "Two drugs at once reach targets sooner."),
        ),
        replayed=(
            ("09:05", "Risk by example"),
            ("23:50", "Rechallenge plan"),
            ("36:15", "Which second drug"),
        ),
    ),
    SessionText(
        title="Gestational Diabetes in Primary Care",
        topic="gestational diabetes",
        topic_area="diabetes care",
        speaker="Lakshmi Narayanan",
        credentials="MS (Obstetrics), FRCOG",
        cpd_points="1.5",
        minutes=50,
        key_points=("Universal testing", "Food first", "Metformin or insulin", "After birth"),
        insights=(
            ("One test fits", "A non-fasting test reaches those who travel far."),
            ("Two weeks of food", "Give diet a fair trial before drugs."),
            ("Do not lose her", "Book the six-week test before the birth."),
        ),
        replayed=(
            ("10:45", "The single-step test"),
            ("25:30", "A day's menu"),
            ("38:05", "Dose in pregnancy"),
        ),
    ),
    SessionText(
        title="Antibiotics in the Outpatient Clinic",
        topic="antibiotic choice",
        topic_area="infectious disease",
        speaker="Shalini Bose",
        credentials="MD (Medicine), DNB",
        cpd_points="1.5",
        minutes=50,
        key_points=("Access first", "Five days", "Delayed scripts", "Local data"),
        insights=(
            ("Narrow first", "The narrowest drug that works is the best one."),
            ("Shorter is as good", "Five days suffice for most pneumonias."),
            ("Explain the delay", "A script for later satisfies most patients."),
        ),
        replayed=(
            ("08:35", "Table of first choices"),
            ("20:10", "Duration by disease"),
            ("35:25", "Role play"),
        ),
    ),
    SessionText(
        title="COPD: Early Finding, Early Gain",
        topic="early COPD",
        topic_area="respiratory medicine",
        speaker="Thomas Kurian",
        credentials="MD (Pulmonology)",
        cpd_points="1.5",
        minutes=50,
        key_points=("Case finding", "Spirometry", "Dual therapy", "Rehabilitation"),
        insights=(
            ("Ask about the kitchen", "Biomass smoke counts like tobacco."),
            ("Test the breathless", "Spirometry for everybody who stops on the stairs."),
            ("Move", "Six weeks of exercise beat a third inhaler."),
        ),
        replayed=(
            ("12:10", "Five questions"),
            ("26:45", "Reading the loop"),
            ("42:00", "Exercises to teach"),
        ),
    ),
)
