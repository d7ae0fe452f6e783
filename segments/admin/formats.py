"""Files uploaded to the admin are read as `import_csv` reads them, with its words and lines."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from tablib import Dataset

from reengage.admin_base import CSV, XLSX
from segments.imports.header import ImportFileError
from segments.imports.kinds import Kind
from segments.imports.reader import read_table


class FileDataset(Dataset):  # type: ignore[misc]  # untyped
    """The rows of a file, and at which line of it each stands: `lines` is as long as the rows."""

    lines: list[int]


class KindFile:
    """Reads a file of `kind`: encoding, delimiter, header and formulas are the reader's matter."""

    kind: ClassVar[Kind]

    def is_binary(self) -> bool:
        """Yes: what the bytes mean is for the reader to find out."""
        return True

    def get_read_mode(self) -> str:
        """As bytes, then."""
        return "rb"

    def create_dataset(self, in_stream: bytes, **_kwargs: Any) -> Dataset:
        """The file's rows as texts. ImportFileError: it can't be read, in words."""
        with TemporaryDirectory() as place:
            path = Path(place) / "upload"
            path.write_bytes(in_stream)
            table = read_table(path, self.kind)
            dataset = FileDataset(headers=table.columns)
            dataset.lines = []
            for block in table.blocks:
                for line, problem in block.broken:
                    raise ImportFileError(f"Line {line}: {problem}")
                for line, row in zip(block.lines, block.rows, strict=True):
                    self._append(dataset, line, row)
        return dataset

    def _append(self, dataset: FileDataset, line: int, row: list[str]) -> None:
        width = len(dataset.headers)
        if not any(map(str.strip, row)):
            return
        if len(row) != width:
            raise ImportFileError(
                f"Line {line} has {len(row)} cells, the header has {width}: mend that line."
            )
        dataset.append(row)
        dataset.lines.append(line)


class LinedMixin:
    """For a resource: rows are numbered as the file's lines are, its header being the first."""

    lines: Sequence[int] = ()

    def before_import(self, dataset: Dataset, **kwargs: Any) -> None:
        """Keep where each row stands, before the rows are made anew."""
        self.lines = getattr(dataset, "lines", ())
        super().before_import(dataset, **kwargs)  # type: ignore[misc]  # KindResource

    def before_import_row(self, row: dict[str, Any], **kwargs: Any) -> None:
        """What is told of an earlier row names its line."""
        kwargs["row_number"] = self._line(kwargs.get("row_number", 0))
        super().before_import_row(row, **kwargs)  # type: ignore[misc]  # KindResource

    def after_import(self, dataset: Dataset, result: Any, **kwargs: Any) -> None:
        """Number the rows that are shown."""
        super().after_import(dataset, result, **kwargs)  # type: ignore[misc]  # KindResource
        for row in result.invalid_rows:
            row.number = self._line(row.number)

    def _line(self, number: int) -> int:
        """Of the row of this number, the first being 1; as it is, where there is no file."""
        return self.lines[number - 1] if 0 < number <= len(self.lines) else number


def import_formats(kind: Kind) -> list[type[Any]]:
    """CSV and XLSX of this kind, to choose from; each reads what the file really is."""
    return [
        type(base.__name__, (KindFile, base), {"kind": kind, "__module__": __name__})
        for base in (CSV, XLSX)
    ]
