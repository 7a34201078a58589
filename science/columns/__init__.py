"""Many sessions at once, over columns of integers: the same figures to the last bit, in a fraction of the time.

What is decided one session at a time in ``science`` decides here too: a session goes by columns only while everything in it is as
it should be, and one by one as soon as anything is not. So no finding is ever worded twice, and equal results are a test away
(tests/science/columns).
"""
