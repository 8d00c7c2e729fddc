"""A second reference, written from the specification alone: a case in exact arithmetic, one number at a time.

It shares no code with the first (`conformance/reference.py`). Both are held against each other, and literals of cases
are filled in from this one. What a single layer computes without a root is a `Fraction`; from the first root on, in
networks and in fits it is a `Decimal` of 50 digits. Arrays are rows of channels: every axis but the last is one list
of positions.
"""

from conformance.exact.machine import trace

__all__ = ["trace"]
