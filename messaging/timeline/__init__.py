"""Everything that is known of one doctor, in one order of time.

`sources` are the tables that have something to say, each in a module by its theme; `page` reads
one page of them. Nothing is copied: every line is made from the row that it links to.
"""
