"""Tools of the project: the cluster, images, demo, tests and benchmarks behind the commands in hack/."""
