"""`uv run python -m tests.bench [ROWS]`: run every benchmark on servers of their own."""

import os
import sys

from reengage import embedded


def main(rows: int) -> None:
    """Print each benchmark's figures, each on an empty database."""
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
        ):
            call_command("flush", verbosity=0, interactive=False)
            initial.create_missing()
            print(f"\n{module.__doc__.splitlines()[0]}")
            for figure in module.run(rows):
                aim = f"   aim: {figure.aim}" if figure.aim else ""
                print(f"  {figure.name}: {figure.value}{aim}", flush=True)
        connections.close_all()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
