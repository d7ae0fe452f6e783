"""`manage.py setup`: make or bring up to date everything that production needs."""

from typing import Any

from django.core.management import BaseCommand, call_command

from reengage import initial
from reengage.roles import Given


class Command(BaseCommand):
    """Migrates, then creates templates, campaigns, schedules and groups where they are absent."""

    help = "Migrate the database and create what is absent; never overwrites what you edited."

    def handle(self, *_args: Any, **options: Any) -> None:
        """Run both and say what was created."""
        call_command("migrate", verbosity=0, interactive=False)
        created = initial.create_missing()
        if options["verbosity"]:
            self.stdout.write(
                f"Database is up to date. Created: {created.templates} templates, "
                f"{created.campaigns} campaigns, {created.schedules} schedules, "
                f"{created.accounts} provider accounts, {created.groups} groups, "
                f"{created.replies} keyword replies."
            )
            for one in created.given:
                self._tell(one)

    def _tell(self, one: Given) -> None:
        if one.permissions:
            self.stdout.write(
                f"The group {one.group} was given what is new: {', '.join(one.permissions)}. "
                "Take away what it is not to have: it is not given again."
            )
        if one.taken:
            self.stdout.write(
                f"FOUR_EYES is on, so the group {one.group} lost {', '.join(one.taken)}: whoever "
                "makes campaigns does not launch them."
            )
