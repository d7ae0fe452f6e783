"""What a doctor follows in a message: the link, the open pixel, and who is a machine.

target.py    where a link leads, and what the platform learns of the message
remember.py  the same in the cache, for the time that the database is away
machine.py   who asks: a person, or a program that opens every link
timing.py    what only shows by the time of a hit and by the hits around it
hits.py      a hit becomes an event, in the database or, while that is away, on disk
throttle.py  whoever tries tokens is turned away
masked.py    no token stands in a log
views.py     /r/, /o/ and the form of SMS with the DLT header
"""
