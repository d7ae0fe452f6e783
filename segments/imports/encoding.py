"""What a CSV file is written in, decided in one pass before anything is imported.

The pass also finds what would not fit into memory: a line without an end.
"""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from segments.imports.header import ImportFileError

CHUNK = 1 << 20
MAX_LINE = 1 << 20  # bytes

_foreign = {
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
    b"\xd0\xcf\x11\xe0": "the format of old or password-protected Excel files",
    b"%PDF": "the format of PDF",
    b"\x1f\x8b": "the format of gzip",
}
_undecodable = re.compile("[\udc80-\udcff]")
_decoded = re.compile("[\x80-\ud7ff\ue000-\U0010ffff]")
_not_in_cp1252 = re.compile(b"[\x81\x8d\x8f\x90\x9d]")


def detect_encoding(path: Path) -> str:
    """ "utf-8-sig" (with or without the mark) or "cp1252"; ImportFileError for all else.

    A file that is UTF-8 in some places and not in others would lose letters either way.
    """
    start = _first_bytes(path)
    for mark, name in _foreign.items():
        if start.startswith(mark):
            raise ImportFileError(f"The file is in {name}: save it as “CSV UTF-8” or as XLSX.")
    if start[:1] == b"\0" or start[1:2] == b"\0":
        raise ImportFileError("The file is in UTF-16: save it as “CSV UTF-8”.")
    utf8 = other = lost = False
    decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
    for chunk in _chunks(path):
        if chunk.isascii() and not decoder.getstate()[0]:
            continue
        lost = lost or _not_in_cp1252.search(chunk) is not None
        text = decoder.decode(chunk)
        if not text.isascii():
            utf8 = utf8 or _decoded.search(text) is not None
            other = other or _undecodable.search(text) is not None
    other = other or bool(decoder.getstate()[0])
    if not other:
        return "utf-8-sig"
    if utf8 or lost:
        raise ImportFileError(
            "The file is UTF-8 in some places and something else in others, or is damaged: "
            "save it again as “CSV UTF-8”."
            if utf8
            else "The file is neither in UTF-8 nor in Windows-1252: save it as “CSV UTF-8”."
        )
    return "cp1252"


def _first_bytes(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8)


def _chunks(path: Path) -> Iterator[bytes]:
    """The file in pieces; ImportFileError for a line longer than MAX_LINE.

    No line that lies within one piece is longer, as long as a piece is not.
    """
    line, open_bytes = 1, 0
    with path.open("rb") as file:
        while chunk := file.read(min(CHUNK, MAX_LINE)):
            end = b"\n" if b"\n" in chunk else b"\r"
            first = chunk.find(end)
            open_bytes += len(chunk) if first < 0 else first
            if open_bytes > MAX_LINE:
                raise ImportFileError(
                    f"Line {line} has more than {MAX_LINE:,} characters: this is no CSV file, "
                    "or its line breaks are lost."
                )
            if first >= 0:
                open_bytes = len(chunk) - 1 - chunk.rfind(end)
                line += chunk.count(end)
            yield chunk
