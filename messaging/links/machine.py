"""Programs that fetch links on their own: their hits are kept and flagged, not counted."""

from __future__ import annotations

import re

from django.http import HttpRequest

# Words by which programs call themselves. "CUBOT" is a maker of phones.
_AGENT = re.compile(
    r"(?<!cu)bot\b|crawl|spider|preview|scan|slurp|snippet|facebookexternal|facebot|"
    r"^whatsapp/|telegram|skype|slack|vkshare|pinterest|embed|"
    r"curl|wget|python|java/|okhttp|go-http|libwww|httpclient|axios|node-fetch|guzzle|ruby|perl|"
    r"headless|phantom|selenium|puppeteer|playwright|"
    r"proofpoint|mimecast|barracuda|safelinks|urldefense|forcepoint|trendmicro|symantec|"
    r"microsoft office|ms-office|thunderbird-link|feedfetcher|monitor|uptime",
    re.IGNORECASE,
)
# Apple Mail loads every picture as soon as the mail is there, and says no more than this.
_PRELOADS = "Mozilla/5.0"
_PREFETCH = ("Sec-Purpose", "Purpose", "X-Purpose", "X-Moz")
LONGEST_AGENT = 300  # characters kept


def agent(request: HttpRequest) -> str:
    """What the program says it is, as much as is kept."""
    return request.headers.get("User-Agent", "")[:LONGEST_AGENT]


def why_machine(request: HttpRequest) -> str:
    """By what the request gives itself away: head, agent or prefetch; '': a person, it seems."""
    if request.method == "HEAD":
        return "head"
    said = agent(request).strip()
    if not said or said == _PRELOADS or _AGENT.search(said):
        return "agent"
    hints = " ".join(request.headers.get(name, "") for name in _PREFETCH).lower()
    return "prefetch" if "prefetch" in hints or "preview" in hints else ""
