"""What a doctor's words mean: out, back in, perhaps out, or something for a person to read.

Opting out is read generously: who writes STOP in whatever way is heeded at once. A message is such
a wish where every word of it is one of the words below and one of them says stop, where its first
line is, or where a short one begins with stop: `Please STOP!!`, `STOP\\nSent from my phone`, `Stop
this nonsense`. `Don't stop` and `stop by our booth` are none. What only speaks of stopping may be
one (`doubt`): a person decides, and sees it first. Coming back is read narrowly.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

Meaning = Literal["stop", "start", "doubt", ""]


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _any(text: str) -> str:
    """A pattern of any of the words."""
    return f"(?:{'|'.join(sorted(_words(text), reverse=True))})"


# Twilio's words (STOPALL, UNSUBSCRIBE, CANCEL, END, QUIT, REVOKE, OPTOUT) and what people in India
# write, in both scripts.
_STOP = _words(
    """
    stop stopall stopp stopped unsubscribe unsubscribed unsub cancel end quit revoke optout remove
    band bandh roko rok mat ruko rukiye
    रोको रोकें रोकिए रोकिये रोक रुको रुकें रुकिए रुकिये बंद बन्द मत स्टॉप स्टाप अनसब्सक्राइब हटाओ हटाएं हटाइए
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
# What may stand beside a word that says stop, but not beside one that comes back.
_BESIDE_STOP = _words(
    """
    i we want wanna would like wish need to you your youre im am be out off just immediately hi
    hello dear and or for receive get such kind emails email mail mails notifications anymore
    jao jaiye jaye bhai koi aur ab ji mere par
    जाओ जाइए जाएं जाइये कोई और मेरे पर नंबर हमें
    """
)
# These say stop only together: each alone is a common word.
_ONLY_WITH: dict[str, frozenset[str]] = {
    "mat": frozenset({"bhejo", "bhejna", "bhejiye", "send"}),
    "मत": frozenset({"भेजो", "भेजना", "भेजें", "भेजिए", "करो"}),
}
_SEND = _any("send sending text texting message msg sms contact disturb call whatsapp spam mail")
_NOT = "(?:do not|dont|donot|never)"
_NAHI = _any("nahi nahin nahee nai नहीं नही")
_CHAHIYE = _any("chahiye chaiye chahie चाहिए चाहिये")
_BHEJO = _any("bhejo bhejna bhejiye bheje bhejen भेजो भेजना भेजें भेजिए")
# Several words that are one, as patterns of whole words; what says no more in so many is a stop.
_JOINED = tuple(
    (re.compile(rf"(?<!\S)(?:{pattern})(?!\S)"), joined)
    for pattern, joined in (
        (r"\w(?: \w)+", ""),  # letters apart: S.T.O.P
        ("un subscribed?", ""),
        ("opt (?:me |us )?out", "optout"),
        ("opt in", "optin"),
        ("(?:stop|start) all", ""),
        (f"{_NOT} {_SEND}", "stop"),
        (f"(?:{_NOT}|no longer) (?:want|need|wish)(?: to (?:receive|get))?", "stop"),
        ("no more|leave me alone|take me off|not interested in (?:this|these)", "stop"),
        (f"{_NAHI} {_CHAHIYE}", "stop"),
        (f"(?:na|ना|न|{_NAHI}) {_BHEJO}", "stop"),
    )
)
_SAYS = _any("stop stopp unsubscribe unsub cancel quit end optout band roko रोको रोकें बंद बन्द")
# Somebody does not want it to stop, or speaks of something else.
_NO_STOP = re.compile(
    rf"(?<!\S)(?:{_NOT}|not|cant|cannot|wont|didnt|doesnt|without|non|bus|full|one|pit)"
    rf"(?: (?:want|wish|like|need) to)? {_SAYS}(?!\S)"
    r"|(?<!\S)(?:nonstop|unstoppable)(?!\S)"
    r"|(?<!\S)stop(?:ped|ping)? (?:by|over|watch|codon|loss|sign|light)(?!\S)"
    rf"|(?<!\S){_SAYS} (?:mat|na|मत|ना|न|{_NAHI}) (?:karo|karna|kare|kijiye|करो|करना|करें|कीजिए)"
)
# A short message that begins so is a wish, whatever follows.
_BEGINS = _words("stop stopp stopall unsubscribe unsub optout स्टॉप")
# Somebody who writes one of these may want to opt out.
_HINTS = _BEGINS | _words(
    """
    stopped stopping unsubscribed unsubscribing remove block blocked spam spamming dnd complaint
    harassment annoying roko band rukiye
    रोको रोकें रोकिए बंद बन्द हटाओ हटाएं हटाइए स्पैम
    """
)
_HINT = re.compile(
    rf"(?<!\S)(?:not interested|wrong number|{_NAHI} {_CHAHIYE}|opt(?: me)? out)(?!\S)"
)
_SIGN = "\U0001f6d1"  # the stop sign
MOST_WORDS = 8  # a longer message is read by a person
_MOST = 2_000  # characters that are looked at


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
    """Whether a message opts out (`stop`), comes back (`start`), may opt out (`doubt`) or none."""
    lines = [line for line in text[:_MOST].splitlines() if line.strip()]
    whole = _meaning(" ".join(lines))
    first = _meaning(lines[0]) if len(lines) > 1 else ""
    return first if whole in ("", "doubt") and first in ("stop", "start") else whole


def _meaning(text: str) -> Meaning:
    said = plain(text.replace(_SIGN, " stop "))
    if _NO_STOP.search(said):
        return ""
    words = _joined(said).split()
    if 0 < len(words) <= MOST_WORDS:
        if _is_stop(words) or (words[0] in _BEGINS and "?" not in text):
            return "stop"
        if set(words) <= _START | _BESIDE and _START & set(words):
            return "start"
    return "doubt" if _HINTS & set(words) or _HINT.search(said) else ""


def _joined(said: str) -> str:
    """The words, where several that are one stand as that one."""
    for pattern, joined in _JOINED:
        said = pattern.sub(joined or _closed_up, said)
    return said


def _closed_up(found: re.Match[str]) -> str:
    return found[0].replace(" ", "")


def _is_stop(words: list[str]) -> bool:
    """Whether it is nothing but the wish."""
    known = _STOP | _START | _BESIDE | _BESIDE_STOP
    return set(words) <= known and any(_says_stop(word, words) for word in words)


def _says_stop(word: str, words: list[str]) -> bool:
    company = _ONLY_WITH.get(word)
    return word in _STOP and (company is None or bool(company & set(words)))
