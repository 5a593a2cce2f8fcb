"""A real one-node Kubernetes on Linux without a container engine.

Everything runs in process, mount and network namespaces of its own, under one process (`node.py`). The machine sees
one network interface and three routes; when that process ends, the kernel takes all the rest with it.
"""
