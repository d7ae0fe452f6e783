"""Whether what is promised of messages holds: never twice, never after an opt-out, never outside
the caps, never lost. run.py names the invariants; each is one function that returns the rows that
break it, found by set-based SQL that changes nothing.
"""
