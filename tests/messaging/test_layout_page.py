"""The page of an e-mail: its head, its styles, its footer, and what everybody can read."""

import re
from html.parser import HTMLParser

import pytest

from messaging import layout
from messaging.layout import _HERE

TEXT = """\
Dear Dr. {{first_name}},

# About *{{course_name}}*
Words & [terms](https://x.example/terms).
- one
1. two

[Go on →] {{shortlink}}"""
CSS = (_HERE / "page.css").read_text()
HEAD = (_HERE / "page.html").read_text()
RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")


class Elements(HTMLParser):
    """Every element with its attributes, the text of each link, and all text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.links: list[str] = []
        self.text = ""
        self._is_link = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.all.append((tag, dict(attrs)))
        if tag == "a":
            self._is_link = True
            self.links.append("")

    def handle_endtag(self, tag: str) -> None:
        self._is_link = self._is_link and tag != "a"

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._is_link:
            self.links[-1] += data

    def named(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.all if name == tag]


def test_head_says_language_title_and_that_it_can_be_dark() -> None:
    page = layout.page(TEXT)
    assert page.startswith('<!DOCTYPE html><html lang="en"><head>\n<meta charset="utf-8">\n')
    assert "<title>{{@subject}}</title>" in page
    metas = {meta.get("name"): meta.get("content") for meta in Elements(page).named("meta")}
    assert metas["viewport"] == "width=device-width, initial-scale=1"
    assert metas["color-scheme"] == metas["supported-color-schemes"] == "light dark"


def test_styles_are_on_the_elements_and_only_conditions_stay_in_the_head() -> None:
    page = layout.page(TEXT)
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    assert re.findall(r"@media [^{]+", style) == [
        "@media (prefers-color-scheme: dark) ",
        "@media (max-width: 480px) ",
    ]
    elements = Elements(page)
    for tag in ("body", "td", "p", "h1", "ul", "ol", "li", "a"):
        assert elements.named(tag), tag
        assert all(attributes.get("style") for attributes in elements.named(tag)), tag
    button = next(a for a in elements.named("a") if a.get("class") == "button")
    assert "background-color: #0b5cad" in str(elements.named("td"))
    assert "padding: 12px 24px" in str(button["style"])
    assert "line-height: 24px" in str(button["style"])  # with its padding and border 50 px high


def test_every_rule_of_the_head_wins_over_what_is_on_the_element() -> None:
    style = HEAD.partition("<style>")[2].partition("</style>")[0]
    conditions = style[style.index("@media") :]
    declared = [line for _, body in RULE.findall(conditions) for line in body.split(";")]
    declarations = [line.strip() for line in declared if ":" in line]
    assert len(declarations) > 12
    assert all(line.endswith("!important") for line in declarations)


def test_columns_are_tables_only_for_layout_and_600_pixels_wide() -> None:
    elements = Elements(layout.page(TEXT))
    tables = elements.named("table")
    assert len(tables) == 3  # page, column, button
    assert {table["role"] for table in tables} == {"presentation"}
    column = tables[1]
    assert column["width"] == "600"
    assert "max-width: 600px" in str(column["style"])


def test_only_image_is_the_open_pixel_and_every_link_says_something() -> None:
    elements = Elements(layout.page(TEXT))
    assert elements.named("img") == [
        {
            "src": "{{@pixel}}",
            "width": "1",
            "height": "1",
            "alt": "",
            "style": "display:block;border:0",
        }
    ]
    assert elements.links == ["terms", "Go on →", "Unsubscribe", "Choose what you get", ""]
    assert [a["href"] for a in elements.named("a")] == [
        "https://x.example/terms",
        "{{shortlink}}",
        "{{@unsubscribe}}",
        "{{@unsubscribe}}",
        "{{@hidden}}",
    ]


def test_footer_says_why_who_and_the_ways_out() -> None:
    page = layout.page(TEXT)
    footer = page[page.index('<td class="footer"') :]
    assert Elements(footer).text.split("\n")[1:5] == [
        "{{@reason}}",
        "{{@sender}}",
        "Unsubscribe \u00a0·\u00a0",
        "Choose what you get",
    ]


@pytest.mark.parametrize(
    ("preheader", "shown"),
    [
        ("", "Words &amp; terms."),
        ("For {{first_name}} <b> & co", "For {{first_name}} &lt;b&gt; &amp; co"),
    ],
)
def test_preview_comes_first_and_is_hidden(preheader: str, shown: str) -> None:
    page = layout.page(TEXT, preheader)
    body = page.partition("<body")[2].partition(">\n")[2]
    assert body.startswith('<div class="preheader" style="display: none;')
    assert body.partition(">\n")[2].startswith(shown + "\n")


def test_page_without_a_sentence_has_an_empty_preview() -> None:
    assert re.search(r'<div class="preheader"[^>]*></div>', layout.page("[Go →] {{shortlink}}"))


def test_template_cannot_fill_in_the_places_of_the_page() -> None:
    page = layout.page("Say {body} or {preheader}, {{first_name}}")
    assert page.count("Say {body} or {preheader}, {{first_name}}") == 2  # preheader and body


def test_page_size_is_in_bytes() -> None:
    assert layout.page_size("₹5") == 4
    assert layout.page_size(layout.page(TEXT)) < 10_000 < layout.LARGEST_PAGE


# --- contrast ----------------------------------------------------------------------------


def rules(css: str) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for selectors, body in RULE.findall(re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)):
        properties = dict(part.split(":", 1) for part in body.split(";") if ":" in part)
        for selector in selectors.split(","):
            values = {
                key.strip(): value.replace("!important", "").strip()
                for key, value in properties.items()
            }
            found.setdefault(selector.strip(), {}).update(values)
    return found


def luminance(colour: str) -> float:
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """By WCAG 2: from 1 to 21; text needs 4.5."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


LIGHT = rules(CSS)
DARK = rules(HEAD.partition("(prefers-color-scheme: dark) {")[2].partition("@media")[0])


@pytest.mark.parametrize(
    ("scheme", "text", "ground"),
    [
        (LIGHT, "td.body", "td.body"),
        (LIGHT, "a", "td.body"),
        (LIGHT, "a.button", "td.button"),
        (LIGHT, "td.footer", "td.footer"),
        (LIGHT, "a.small", "td.footer"),
        (DARK, "td.body", "td.body"),
        (DARK, "td.body a", "td.body"),
        (DARK, "td.body a.button", "td.button"),
        (DARK, "td.footer", "td.footer"),
        (DARK, "td.footer a", "td.footer"),
    ],
)
def test_text_can_be_told_from_its_ground(
    scheme: dict[str, dict[str, str]], text: str, ground: str
) -> None:
    assert contrast(scheme[text]["color"], scheme[ground]["background-color"]) >= 4.5


def test_contrast_is_measured_by_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == 21
    assert round(contrast("#767676", "#ffffff"), 2) == 4.54
