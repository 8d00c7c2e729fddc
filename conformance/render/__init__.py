"""Renderings of cases and reports: pure functions of their argument."""
