"""The sample: fictional doctors, 30 days replayed through the real engine, and what came of it.

generate.py writes CSV files, load.py imports them, replay.py lets the time go by, money.py makes up
prices, summary.py tells.
"""
