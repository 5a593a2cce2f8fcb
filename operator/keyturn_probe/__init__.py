"""The sidecar that answers which credential the processes of its pod hold. Standard library only, nine megabytes."""
