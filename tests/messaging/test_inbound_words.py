"""What counts as opting out, as coming back, and as something to be read."""

import pytest

from messaging.inbound_words import meaning, plain

STOP = """
STOP|stop|Stop.|  sToP!!! |"STOP"|stop 🙏|*STOP*|STOP\u200b|ＳＴＯＰ|stop |S‌TOP
STOPALL|stop all|Stop-All
UNSUBSCRIBE|unsubscribe me|cancel|END|quit
REVOKE|opt out|Opt-Out|OPTOUT|remove me|remove my number
please stop|Stop, please|stop sending me messages|stop sending these
Stop these promotional messages|stop it now|kindly stop sms|stop whatsapp messages
band karo|messages band karo|mat bhejo|ye message mat bhejo
बंद करो|बंद|कृपया बंद करें|मैसेज बंद कर दो|रोकें|रोको!|मत भेजो|संदेश मत भेजिए|स्टॉप|बन्द करो
"""
START = "START|start!|Unstop|resume|subscribe|start again please|शुरू|शुरू करो|चालू करें|चालू"
OTHER = """
|?|👍|hello|DEMO|don't stop|Don’t stop sending|when does it stop|stopped|non-stop|bus stop
stop by my clinic|I will not stop using it|the end of the course|cancel my appointment
मत|what is this|yes|no
stop words in a search engine are not what I meant at all|start date?|when does the course start
"""


def cases(text):
    return [case for line in text.strip("\n").split("\n") for case in line.split("|")]


@pytest.mark.parametrize("text", cases(STOP))
def test_words_that_opt_out(text):
    assert meaning(text) == "stop"


@pytest.mark.parametrize("text", cases(START))
def test_words_that_come_back(text):
    assert meaning(text) == "start"


@pytest.mark.parametrize("text", cases(OTHER))
def test_words_that_somebody_has_to_read(text):
    assert meaning(text) == ""


def test_stop_outweighs_start():
    assert meaning("stop start") == "stop"


@pytest.mark.parametrize(
    ("text", "words"), [(" De-Mo!! ", "de mo"), ("DON’T", "dont"), ("रोकें।", "रोकें"), ("", "")]
)
def test_plain_words(text, words):
    assert plain(text) == words
