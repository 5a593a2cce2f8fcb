"""The demo: a shop on a real cluster whose database credential is rotated while clients never stop logging in.

`hack/demo` is the command. The end-to-end tests and the bench play the same scenes. Nothing here is part
of the operator.
"""
