"""A server of somebody's own, spoken to over HTTPS: any backend at all, without a line of Python for Keyturn.

The package knows the protocol (docs/providers/webhook/openapi.yaml) and HTTP; nothing outside it does.
"""

from __future__ import annotations

from keyturn.providers.opening import Opener
from keyturn.providers.webhook.kinds import LEAST, WEBHOOK

OPENER = Opener(
    WEBHOOK,
    "keyturn.providers.webhook.provider",
    LEAST,
    "what the server says, signed; a list of sessions counts only with a session in it that Keyturn asked for. The "
    "table shows a server that says nothing: each tells at `GET /v1/capabilities` what it can do.",
)
