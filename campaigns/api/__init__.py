"""The API under /api/v1/: the admin's step functions and permissions, for programs.

keys.py and auth.py say who asks and what the key may do; errors.py how a refusal reads; then a
router a file. openapi.py describes it all, docs.py shows it.
"""
