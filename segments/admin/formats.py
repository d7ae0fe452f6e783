"""Files uploaded to the admin are read as `import_csv` reads them, with the same words."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from tablib import Dataset

from reengage.admin_base import CSV, XLSX
from segments.imports.header import ImportFileError
from segments.imports.kinds import Kind
from segments.imports.reader import read_table


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
            dataset = Dataset(headers=table.columns)
            for block in table.blocks:
                for line, problem in block.broken:
                    raise ImportFileError(f"Line {line}: {problem}")
                for line, row in zip(block.lines, block.rows, strict=True):
                    self._append(dataset, line, row)
        return dataset

    def _append(self, dataset: Dataset, line: int, row: list[str]) -> None:
        width = len(dataset.headers)
        if not any(map(str.strip, row)):
            return
        if len(row) != width:
            raise ImportFileError(
                f"Line {line} has {len(row)} cells, the header has {width}: mend that line."
            )
        dataset.append(row)


def import_formats(kind: Kind) -> list[type[Any]]:
    """CSV and XLSX of this kind, to choose from; each reads what the file really is."""
    return [
        type(base.__name__, (KindFile, base), {"kind": kind, "__module__": __name__})
        for base in (CSV, XLSX)
    ]
