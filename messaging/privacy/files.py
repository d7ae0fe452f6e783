"""Files of ours that hold what doctors gave us: uploads that wait, and what no handler could take.

Files that a person keeps elsewhere (what was imported, and the reports beside it) are theirs.
"""

from __future__ import annotations

import fcntl
import re
import time
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

from django.conf import settings

UPLOADS = "django-import-export"  # import_export.tmp_storages.MediaStorage
FORGOTTEN_AFTER = timedelta(days=1)
REFUSED = "refused.lines"  # messaging/spool.py


def uploads() -> list[Path]:
    """Files uploaded to the admin whose preview nobody has confirmed so far."""
    folder = Path(settings.MEDIA_ROOT) / UPLOADS
    return sorted(path for path in folder.glob("*") if path.is_file())


def drop_uploads(older_than: timedelta = timedelta(0)) -> int:
    """Delete such files; whoever still wants theirs uploads it again. Returns how many."""
    limit, dropped = time.time() - older_than.total_seconds(), 0
    for path in uploads():
        with suppress(FileNotFoundError):  # confirmed meanwhile
            if path.stat().st_mtime <= limit:
                path.unlink()
                dropped += 1
    return dropped


def drop_spooled(pattern: str) -> int:
    """Take lines that the pattern finds out of the file of refused ones. Returns how many."""
    path = Path(settings.SPOOL_DIR) / REFUSED
    try:
        file = path.open("r+", encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return 0
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)  # as spool.py does before it writes
        lines = file.readlines()
        kept = [line for line in lines if not re.search(pattern, line, re.IGNORECASE)]
        file.seek(0)
        file.writelines(kept)
        file.truncate()
    return len(lines) - len(kept)
