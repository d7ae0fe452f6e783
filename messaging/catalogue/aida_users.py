"""Variables of doctors who use AiDA and no AI agent."""

from messaging.catalogue.variable import AIDA, Variable, numbered

USAGE = "counted each hour over the use of agents by all doctors"
PEER = "doctors of the same specialty or place who use agents and agreed to be named"

VARIABLES: tuple[Variable, ...] = (
    Variable(
        "specialty_area",
        AIDA,
        "What the doctor asked AiDA about most",
        "Cardiology",
        source="the doctor's own use of AiDA, else the doctor's specialty",
    ),
    Variable(
        "peer_count",
        AIDA,
        "Doctors of the same specialty or place who use AI agents",
        "214",
        "number",
        "counted each hour over all doctors",
        counts_people=True,
    ),
    *numbered(
        "suggested_agent_{}",
        AIDA,
        "AI agent that suits the doctor, number {}",
        ("Diagnostic Support", "Care Planner", "Case Analyst"),
        USAGE,
    ),
    *numbered(
        "peer_name_{}",
        AIDA,
        "Name of peer {}, who agreed to be named",
        ("Rahul Deshpande", "Sunita Nair", "Imran Khan"),
        PEER,
    ),
    *numbered(
        "peer_specialty_{}",
        AIDA,
        "Specialty of peer {}",
        ("Cardiology", "Paediatrics", "General Medicine"),
        PEER,
    ),
)
