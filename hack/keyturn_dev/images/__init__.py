"""The images of the operator, the probe and the demo, from ordinary Dockerfiles.

`hack/images` is the command. What comes out are docker-archives in the user's cache, which `hack/cluster load` hands
to a cluster's node.
"""
