"""Validation: figures of merit, end-point verdicts against the truth, and the acceptance gate."""
