"""Rotations in a row on a real cluster while the operator that leads is killed, frozen or stopped again and again.

`hack/test endurance` is the command. It plays the demo's shop, installed by the chart. Nothing here is part of the
operator.
"""
