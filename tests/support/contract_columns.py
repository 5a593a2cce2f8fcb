"""The columns of the contract: each is a backend, or a form of one, that every item of the suite runs on."""

from __future__ import annotations

from typing import Final

from support import ring_rig

FORMS: Final = ("Functions", "CreateRole")
COLUMNS: Final[dict[str, str]] = {  # a fixture's name, and after "-" its form: the backend's field
    "memory": "",
    "memory_issuer": "",
    "keyring_counters": "keyring",
    **{f"ring-{kind}": field for kind, (field, *_) in ring_rig.KINDS.items()},
    "awsiam": "awsIam",
    "cloudflareaccess": "cloudflareAccess",
    "cloudflarer2": "cloudflareR2",
    "manual": "manual",
    "mariadb": "mariadb",
    "mysql": "mysql",
    "rabbitmq": "rabbitmq",
    "redis": "redis",
    "tls": "tls",
    "webhook": "webhook",
    **{f"postgres-{flavour}-{form}": "postgres" for flavour in ("15", "18") for form in FORMS},
}
