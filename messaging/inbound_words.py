"""What a doctor's words mean: out, back in, or something for a person to read.

A message is a wish to opt out only as a whole: every word of it is one of the words below, and
one of them says stop. So `Please STOP!!` is one, and `Don't stop, when is the next one?` is not.
"""

from __future__ import annotations

import unicodedata
from typing import Literal

Meaning = Literal["stop", "start", ""]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# Twilio's words (STOPALL, UNSUBSCRIBE, CANCEL, END, QUIT, REVOKE, OPTOUT) and what people in India
# write, in both scripts.
_STOP = _words(
    """
    stop stopall stopp unsubscribe unsubscribed unsub cancel end quit revoke optout remove
    band bandh roko rok mat
    रोको रोकें रोकिए रोक रुको बंद बन्द मत स्टॉप स्टाप अनसब्सक्राइब हटाओ हटाएं हटाइए
    """
)
_START = _words(
    """
    start startall unstop resume subscribe resubscribe optin chalu shuru
    शुरू शुरु चालू स्टार्ट सब्सक्राइब
    """
)
# What may stand beside such a word without making it something else.
_BESIDE = _words(
    """
    please pls plz kindly now it me us this these that all any more the from to of on my at
    send sending message messages messaging msg msgs sms whatsapp text texts texting promotion
    promotions promotional marketing ads updates number list clirnet
    team sir madam thanks thank you ok again
    receiving getting contact contacting
    karo kare karen kardo kar do dijiye bhejo bhejna bhejiye ko mujhe ye yeh
    करो करें करे करिए कीजिए कर दो दीजिए दें कृपया प्लीज़ प्लीज संदेश सन्देश मैसेज मेसेज भेजो भेजना भेजें
    भेजिए को मुझे यह ये सब सभी अब फिर से जी
    """
)
# These say stop only together: each alone is a common word.
_ONLY_WITH: dict[str, frozenset[str]] = {
    "mat": frozenset({"bhejo", "bhejna", "bhejiye", "send"}),
    "मत": frozenset({"भेजो", "भेजना", "भेजें", "भेजिए", "करो"}),
}
_JOINED = {"opt out": "optout", "opt in": "optin", "stop all": "stopall", "start all": "startall"}
MOST_WORDS = 8  # a longer message is read by a person


def plain(text: str) -> str:
    """The words alone: no case, punctuation, emoji, or invisible characters; one space between."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    # Hindi vowels are marks (M), written onto their letters; apostrophes join a word.
    kept = (
        c if unicodedata.category(c)[0] in "LMN" else "" if c in "'’\u200b\u200c\u200d" else " "
        for c in folded
        if unicodedata.category(c) != "Mn" or not "\ufe00" <= c <= "\ufe0f"
    )
    return " ".join("".join(kept).split())


def meaning(text: str) -> Meaning:
    """Whether a message opts out (`stop`), comes back (`start`) or neither."""
    words_of = plain(text)
    for apart, joined in _JOINED.items():
        words_of = words_of.replace(apart, joined)
    words = words_of.split()
    if not 0 < len(words) <= MOST_WORDS or not set(words) <= _STOP | _START | _BESIDE:
        return ""
    if any(_says_stop(word, words) for word in words):
        return "stop"
    return "start" if _START & set(words) else ""


def _says_stop(word: str, words: list[str]) -> bool:
    company = _ONLY_WITH.get(word)
    return word in _STOP and (company is None or bool(company & set(words)))
