"""What counts as opting out, as coming back, and as something to be read."""

import time

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
I want to unsubscribe|Opt me out|Un-subscribe|un subscribe|STOPPED|Stop!!! I am busy
stop pls dont send again|Stop this nonsense|S.T.O.P|s t o p
🛑|🛑🛑 please|I don't want these messages
Please do not send me messages|no more messages|do not disturb|Hi, please unsubscribe me
nahi chahiye|message nahi chahiye|रुकें|रुकिए|मैसेज नहीं चाहिए|संदेश ना भेजें
बंद करो|बंद|कृपया बंद करें|मैसेज बंद कर दो|रोकें|रोको!|मत भेजो|संदेश मत भेजिए|स्टॉप|बन्द करो
"""
START = "START|start!|Unstop|resume|subscribe|start again please|शुरू|शुरू करो|चालू करें|चालू"
OTHER = """
|?|👍|hello|DEMO|don't stop|Don’t stop sending|non-stop|bus stop|I do not want to stop
stop by my clinic|Stop by our booth!|stop mat karo|बंद मत करो
I will not stop using it|the end of the course|cancel my appointment
मत|what is this|yes|no
Dr A K Rao|I want to start|start date?|when does the course start
"""

DOUBT = """
when does it stop|can you stop?|Stop at 5 pm?|not interested|wrong number|this is spam
please do not send me the wrong link|stop words in a search engine are not what I meant at all
demo nahi chahiye
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


@pytest.mark.parametrize("text", cases(DOUBT))
def test_words_that_may_opt_out(text):
    assert meaning(text) == "doubt"


@pytest.mark.parametrize(
    ("text", "wish"),
    [
        ("STOP\nSent from my phone", "stop"),
        ("\nStop.\n\nDr Rao\nCardiology, City Hospital, Pune, Maharashtra", "stop"),
        ("START\nDr Rao", "start"),
        ("Dear team,\nwhen is the next session?", ""),
    ],
)
def test_the_first_line_counts_where_a_signature_follows(text, wish):
    assert meaning(text) == wish


def test_the_longest_text_is_read_quickly():
    began = time.perf_counter()
    for text in ("a " * 400_000, "stop dont " * 90_000, "na " * 300_000 + "bhejo"):
        meaning(text)
    assert time.perf_counter() - began < 10


def test_stop_outweighs_start():
    assert meaning("stop start") == "stop"


@pytest.mark.parametrize(
    ("text", "words"), [(" De-Mo!! ", "de mo"), ("DON’T", "dont"), ("रोकें।", "रोकें"), ("", "")]
)
def test_plain_words(text, words):
    assert plain(text) == words
