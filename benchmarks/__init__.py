"""Figures side by side with peers, and studies too long for the tests: `make bench`."""
