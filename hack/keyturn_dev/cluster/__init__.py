"""A Kubernetes cluster in one command, for trying Keyturn and for its end-to-end tests.

`hack/cluster` is the command, `keyturn_dev.cluster.api` the same for Python. Nothing here is part of the operator.
"""
