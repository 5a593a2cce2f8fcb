"""Values of credentials that Keyturn makes itself, whatever the backend: made fresh, and fit to be written."""

from __future__ import annotations

import secrets
import string
from typing import Final

from keyturn.core.sealed import Sealed, Unsuitable, require_suitable
from keyturn.ports import Denied

_ALPHABET: Final = string.ascii_letters + string.digits  # needs no escaping in any URL, shell or file
_LENGTH: Final = 40  # 238 bits: even where a server keeps unsalted hashes, such a value does not fear it


def minted() -> Sealed:
    """40 letters and digits behind a mark that secret scanners can be told."""
    return Sealed("kt" + "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH)))


def require_fit(value: Sealed) -> None:
    """Raises Denied for a value that may not become anybody's: empty, blank, redacted-looking or weak."""
    try:
        require_suitable(value)
    except Unsuitable as unfit:
        raise Denied("UnsuitableValue", f"{unfit}: nothing was changed.") from None


def require_escrowed(value: Sealed) -> None:
    """Raises Denied for a value that cannot be anybody's former one; an adopted one may be weak."""
    if not value.reveal().strip():
        raise Denied("UnsuitableValue", "The escrowed value is empty: nothing was changed.")
