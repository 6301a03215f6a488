"""Cohort tables judged row by row: the Batch section, and the same without a window."""
