"""Files of doctors and their activity -> rows, for the admin and for `import_csv`."""

from segments.imports import catalogue as catalogue  # makes its kinds known
