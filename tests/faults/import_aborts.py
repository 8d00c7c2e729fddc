"""Aborts when it is imported."""

import os

os.abort()
