"""The bench: what a verified rotation costs, side by side with the two scripts that people use instead.

`hack/bench` is the command. It measures on a real cluster, prints what it measured, and never fails for being slow.
"""
