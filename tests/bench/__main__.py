"""`uv run python -m tests.bench [ROWS] [NAME ...]`: run benchmarks on servers of their own.

All of them where none is named. Exit code 1 where an aim that has to be reached was missed.
"""

import os
import sys

from reengage import embedded


def main(rows: int, names: list[str]) -> int:
    """Print each benchmark's figures, each on an empty database; returns the exit code."""
    missed = 0
    with embedded.temporary():
        os.environ["LOG_LEVEL"] = "WARNING"
        os.environ.setdefault("DJANGO_SETTINGS_MODULE", "reengage.settings")
        import django

        django.setup()
        from django.core.management import call_command
        from django.db import connections

        from reengage import initial
        from tests.bench import (
            audience,
            broker,
            engine,
            idle,
            imports,
            links,
            pages,
            providers,
            render,
            sending,
            variables,
            webhooks,
        )

        call_command("migrate", verbosity=0)
        for module in (
            imports,
            engine,
            render,
            variables,
            audience,
            providers,
            sending,
            broker,
            idle,
            links,
            webhooks,
            pages,
        ):
            if names and module.__name__.rpartition(".")[2] not in names:
                continue
            call_command("flush", verbosity=0, interactive=False)
            initial.create_missing()
            print(f"\n{module.__doc__.splitlines()[0]}")
            # The admin has to be quick with ten times of what the engine is measured with.
            for figure in module.run(10 * rows if module is pages else rows):
                aim = f"   aim: {figure.aim}" if figure.aim else ""
                missed += figure.is_missed
                print(f"  {figure.name}: {figure.value}{aim}", flush=True)
        connections.close_all()
    return 1 if missed else 0


if __name__ == "__main__":
    chosen = sys.argv[1:]
    count = int(chosen.pop(0)) if chosen and chosen[0].isdecimal() else 100_000
    sys.exit(main(count, chosen))
