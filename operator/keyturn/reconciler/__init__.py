"""The only loop: observe, decide, save, carry out, come round again. It knows ports, never adapters."""

from keyturn.reconciler.loop import Reconciler

__all__ = ["Reconciler"]
