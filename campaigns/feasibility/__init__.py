"""Can a campaign's messages go out at all? Caps, hours, days and channel order, reckoned ahead.

sequence.py  a campaign as the reckoning sees it: steps, hours, order of channels
simulate.py  one doctor's run through any campaigns, decided by the sender's own policy
verdict.py   what goes, what never goes, and what uses up its room, in words
mends.py     changes that would help, each with what it would do
typical.py   the run that pages are about, kept once it is reckoned
audience.py  the other campaigns on the same doctors
"""

from campaigns.feasibility.audience import Crowd, crowd
from campaigns.feasibility.mends import Mend, effect_of, mend_all, mend_of, mends
from campaigns.feasibility.sequence import PlannedStep, Sequence, sequence_of
from campaigns.feasibility.simulate import Outcome, simulate
from campaigns.feasibility.typical import Tried, reaches_others, tried, typical
from campaigns.feasibility.verdict import Feasibility, Lost, assess

__all__ = [
    "Crowd",
    "Feasibility",
    "Lost",
    "Mend",
    "Outcome",
    "PlannedStep",
    "Sequence",
    "Tried",
    "assess",
    "crowd",
    "effect_of",
    "mend_all",
    "mend_of",
    "mends",
    "reaches_others",
    "sequence_of",
    "simulate",
    "tried",
    "typical",
]
