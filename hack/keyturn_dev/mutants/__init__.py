"""Seeded bugs of the operator, and the run that asks whether the simulated world notices each of them."""
