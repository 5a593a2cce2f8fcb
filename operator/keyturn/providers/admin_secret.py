"""What the Secret with a rotator's own credential says: who it is, and to which hosts it may be sent.

A credential names where it may go; a provider can only repeat those hosts. Touches no server.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keyturn.core.sealed import Sealed, Unsuitable
from keyturn.ports import Endpoint, Misconfigured, SecretRecord


@dataclass(frozen=True, slots=True)
class AdminSecret:
    """Reads keys as text. All raise Misconfigured with the key and the way out."""

    record: SecretRecord

    def text(self, key: str, *, needed: bool = True) -> str:
        """A key's value without blanks around it; "" if it is not there and not needed."""
        value = self.record.data.get(key)
        if value is None or not value.reveal().strip():
            if not needed:
                return ""
            raise self._incomplete(key)
        try:
            return value.reveal_text().strip()
        except Unsuitable:
            raise self.unreadable(key, "UTF-8") from None

    def sealed(self, key: str) -> Sealed:
        """A key's value as it is, unseen."""
        value = self.record.data.get(key)
        if value is None or not value.reveal().strip():
            raise self._incomplete(key)
        return value

    def endpoint(self, default_port: int) -> Endpoint:
        """Where the rotator itself logs in."""
        port = self.text("port", needed=False) or str(default_port)
        if not port.isdigit() or not 0 < int(port) < 65536:
            raise self.unreadable("port", "a port number")
        host = self.text("host")
        if "," in host or host.startswith(("/", "@")):
            raise Misconfigured(
                "AdminSecretUnreadable", f"'host' of the admin Secret {self.record.key} must be one host name."
            )
        return Endpoint("admin", host, int(port))

    def admitted(self, path: str, endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
        """These endpoints of a provider, if the Secret names each of their hosts in ``host`` or ``hosts``."""
        for index, endpoint in enumerate(endpoints):
            self.require_host(f"{path}[{index}].host", endpoint.host)
        return tuple(endpoints)

    def require_host(self, path: str, host: str) -> None:
        """Of this field of a provider, which must be named in ``host`` or ``hosts``."""
        listed = (self.text("host"), *self.text("hosts", needed=False).split(","))
        if host.lower() not in {one.strip().lower() for one in listed if one.strip()}:
            raise Misconfigured(
                "HostNotAllowed",
                f"spec.{path} is not a host that the admin Secret {self.record.key} names: credentials go only where "
                "the Secret says. Add it to 'hosts' of that Secret, or correct the endpoint.",
            )

    def _incomplete(self, key: str) -> Misconfigured:
        return Misconfigured(
            "AdminSecretIncomplete", f"The admin Secret {self.record.key} has no {key!r}: add that key."
        )

    def unreadable(self, key: str, wanted: str) -> Misconfigured:
        """A key that does not hold what it should."""
        return Misconfigured("AdminSecretUnreadable", f"{key!r} of the admin Secret {self.record.key} is not {wanted}.")
