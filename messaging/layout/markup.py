"""A template read as markdown: a tree whose texts hold a mark where the template has a tag.

markdown-it-py parses, with few rules: paragraphs whose lines stay lines, **bold**, *emphasis*,
# headings, numbered lists, lists with • - *, [words](https://...). Added here: sections, on lines
of their own or within a line, {{shortlink}} as a link, and `[Label →] {{shortlink}}` as a button.
"""

import re
from collections.abc import Iterator, Sequence

from markdown_it import MarkdownIt
from markdown_it.common.normalize_url import normalizeLink
from markdown_it.renderer import RendererHTML
from markdown_it.rules_block import StateBlock
from markdown_it.rules_inline import StateInline, emphasis
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode
from markdown_it.utils import EnvType, OptionsDict

# A mark is the kind of the tag and its number: two characters that no font has and that pass
# through markdown and HTML as letters do.
OPEN, CLOSE, SHORTLINK, OURS, VALUE = "\ue000", "\ue001", "\ue002", "\ue003", "\ue004"
FIRST = 0xF0000
MARK = re.compile("[\ue000-\ue004][\U000f0000-\U000ffffd]")
_TAKEN = re.compile("[\ue000-\ue005\U000f0000-\U000ffffd]")

_LINE_END = re.compile(r"\r\n?")
_COMMENT = re.compile(
    r"^[ \t]*\{\{!(?:(?!\}\}).)*\}\}[ \t]*\n|\{\{!.*?\}\}", re.DOTALL | re.MULTILINE
)
_TAG = re.compile(r"\{\{([#^/]?)\s*(\w+)\s*\}\}")
# Stands for a line end that was in a comment or a tag, so that lines can still be counted.
GONE = "\ue005"
_KINDS = {"#": OPEN, "^": OPEN, "/": CLOSE}
_OF_SETTINGS = {"shortlink": SHORTLINK, "support_email": OURS, "support_phone": OURS}
_SECTION_LINE = re.compile("[ \t]*(?:[\ue000\ue001].[ \t]*)+")
_BLANK = " \t"
_SECTION = re.compile("[\ue000\ue001].")
_BUTTON = re.compile("\\[(.+)\\]\\s*(\ue002.)")
_BULLET = re.compile(r"^([ \t]*)[•‣▪●◦][ \t]*", re.MULTILINE)
_LINK = re.compile(
    "https?://[^\ue000-\ue004]+|(?:mailto|tel):(?:\ue003.|[^\ue000-\ue004]+)|\ue002.", re.IGNORECASE
)


class Markup:
    """A template's tree of blocks, its lines and its tags.

    The types of blocks: paragraph, heading, bullet_list, ordered_list (both of list_item), button,
    and section, which holds blocks. The tags must be right and the text without problems().
    """

    def __init__(self, template: str) -> None:
        self._tags: list[str] = []
        text = _TAG.sub(self._mark, tidied(template).replace(GONE, ""))
        # Another mark than the author's, so that the text part can show the author's.
        text = _BULLET.sub(r"\1+ ", text)
        self.lines = [line for typed in text.split("\n") for line in _one_tag_a_line(typed)]
        self.root = SyntaxTreeNode(_PARSER.parse("\n".join(self.lines)))

    def _mark(self, tag: re.Match[str]) -> str:
        kind = _KINDS.get(tag[1]) or _OF_SETTINGS.get(tag[2], VALUE)
        self._tags.append(tag[0])
        return kind + chr(FIRST + len(self._tags) - 1)

    def restored(self, text: str) -> str:
        """The text with the template's tags in place of the marks."""
        return MARK.sub(lambda mark: self._tags[ord(mark[0][1]) - FIRST], text)

    def follows(self, node: SyntaxTreeNode) -> bool:
        """Whether the block stands close to what is before it, with no blank line between."""
        line = _first_line(node)
        return line > 0 and bool(self.lines[line - 1].strip(_BLANK))

    def ends_close(self, section: SyntaxTreeNode) -> bool:
        """Whether there is no blank line before the section's closing tag."""
        return bool(section.map and self.lines[section.map[1] - 2].strip(_BLANK))


def tidied(template: str) -> str:
    """The template without comments, with each tag on one line, and GONE for lost line ends."""
    text = _TAKEN.sub("\ufffd", _LINE_END.sub("\n", template))
    text = _COMMENT.sub(lambda comment: GONE * comment[0].count("\n"), text)
    return _TAG.sub(
        lambda tag: f"{{{{{tag[1]}{tag[2]}}}}}" + GONE * tag[0].count("\n"),
        text,
    )


def _one_tag_a_line(line: str) -> Iterator[str]:
    """A line of nothing but section tags as a line for each; any other line as it is."""
    if not _SECTION_LINE.fullmatch(line):
        yield line
        return
    indent = line[: len(line) - len(line.lstrip())]
    for tag in _SECTION.findall(line):
        yield indent + tag


def words(node: SyntaxTreeNode) -> Sequence[Token]:
    """What stands in a paragraph, heading or button, as inline tokens."""
    inline = node.children[0].token if node.children else None
    return (inline.children or []) if inline else []


def as_html(node: SyntaxTreeNode) -> str:
    """The words of a paragraph, heading or button, escaped, with their elements and marks."""
    return _PARSER.renderer.renderInline(words(node), _PARSER.options, {})  # type: ignore[attr-defined, no-any-return]


def tags_of(section: SyntaxTreeNode) -> tuple[str, str]:
    """The marks that open and close a section."""
    pair = section.nester_tokens
    return (pair.opening.markup, pair.closing.markup) if pair else ("", "")


def _first_line(node: SyntaxTreeNode) -> int:
    return node.map[0] if node.map else 0


# --- markdown-it's rules, and ours ---------------------------------------------------------


class _Parser(MarkdownIt):
    def validateLink(self, url: str) -> bool:  # noqa: N802  markdown-it's name
        """An address typed by the marketer or made from our own settings, never from data."""
        return bool(_LINK.fullmatch(url))

    def normalizeLink(self, url: str) -> str:  # noqa: N802  markdown-it's name
        return url if MARK.search(url) else normalizeLink(url)


class _Renderer(RendererHTML):
    def section_open(
        self, tokens: Sequence[Token], index: int, _options: OptionsDict, _env: EnvType
    ) -> str:
        return tokens[index].markup

    section_close = section_open


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip(_BLANK)


def _section_block(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    opening = _line(state, start)
    if not _SECTION.fullmatch(opening):
        return False
    if silent:
        return True
    close = _closing_line(state, start, end)
    if close is None:
        return False
    token = state.push("section_open", "", 1)
    token.markup, token.map = opening, [start, close + 1]
    indents = state.blkIndent, state.listIndent
    state.blkIndent, state.listIndent = 0, -1
    state.md.block.tokenize(state, start + 1, close)
    state.blkIndent, state.listIndent = indents
    state.push("section_close", "", -1).markup = _line(state, close)
    state.line = close + 1
    return True


def _closing_line(state: StateBlock, start: int, end: int) -> int | None:
    depth = 0
    for line in range(start, end):
        if _SECTION.fullmatch(tag := _line(state, line)):
            depth += 1 if tag[0] == OPEN else -1
            if depth <= 0:
                return line if tag[0] == CLOSE else None
    return None


def _button_block(state: StateBlock, start: int, _end: int, silent: bool) -> bool:
    button = _BUTTON.fullmatch(_line(state, start))
    if button is None:
        return False
    if not silent:
        token = state.push("button_open", "", 1)
        token.markup, token.map = button[2], [start, start + 1]
        label = state.push("inline", "", 0)
        label.content, label.map, label.children = button[1].strip(), [start, start + 1], []
        state.push("button_close", "", -1)
        state.line = start + 1
    return True


def _paragraph(state: StateBlock, start: int, end: int, _silent: bool) -> bool:
    """As markdown-it's own, but lines that are not indented are no part of a list before them."""
    enders = state.md.block.ruler.getRules("paragraph")
    parent, state.parentType = state.parentType, "paragraph"
    line = start + 1
    while line < end and not state.isEmpty(line) and state.sCount[line] >= state.blkIndent:
        if any(ends(state, line, end, True) for ends in enders):
            break
        line += 1
    state.parentType = parent
    state.push("paragraph_open", "p", 1).map = [start, line]
    inline = state.push("inline", "", 0)
    inline.content = state.getLines(start, line, state.blkIndent, False).strip()
    inline.map, inline.children = [start, line], []
    state.push("paragraph_close", "p", -1)
    state.line = line
    return True


def _section_inline(state: StateInline, silent: bool) -> bool:
    start, end = state.pos, state.posMax
    if state.src[start] != OPEN or (close := _closing_mark(state.src, start, end)) is None:
        return False
    if not silent:
        state.push("section_open", "", 1).markup = state.src[start : start + 2]
        state.pos, state.posMax = start + 2, close
        state.md.inline.tokenize(state)
        state.push("section_close", "", -1).markup = state.src[close : close + 2]
    state.pos, state.posMax = close + 2, end
    return True


def _closing_mark(text: str, start: int, end: int) -> int | None:
    depth = 0
    for tag in _SECTION.finditer(text, start, end):
        depth += 1 if tag[0][0] == OPEN else -1
        if not depth:
            return tag.start()
    return None


def _shortlink(state: StateInline, silent: bool) -> bool:
    mark = state.src[state.pos : state.pos + 2]
    if mark[0] != SHORTLINK or state.linkLevel:
        return False
    if not silent:
        state.push("link_open", "a", 1).attrs = {"href": mark}
        state.push("text", "", 0).content = mark
        state.push("link_close", "a", -1)
    state.pos += 2
    return True


def _stars(state: StateInline, silent: bool) -> bool:
    return state.src[state.pos] == "*" and emphasis.tokenize(state, silent)


def _parser() -> _Parser:
    parser = _Parser("zero", {"breaks": True, "maxNesting": 100}, renderer_cls=_Renderer)
    parser.enable(["heading", "list", "newline", "emphasis", "link"])
    parser.block.ruler.before("list", "section", _section_block, {"alt": ["paragraph", "list"]})
    parser.block.ruler.before("list", "button", _button_block, {"alt": ["paragraph", "list"]})
    parser.block.ruler.at("paragraph", _paragraph)
    parser.inline.ruler.after("newline", "section", _section_inline)
    parser.inline.ruler.after("newline", "shortlink", _shortlink)
    parser.inline.ruler.at("emphasis", _stars)
    for kind in (OPEN, CLOSE, SHORTLINK):
        parser.inline.add_terminator_char(kind)
    return parser


_PARSER = _parser()
