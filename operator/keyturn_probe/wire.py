r"""What the operator and a probe say to each other: one challenge line, one sealed answer, and how values are marked.

Both ends use this file, so it imports only what a process of nine megabytes can afford: ``_blake2`` and ``_operator``
are the C halves of ``hashlib`` and ``operator``; ``hashlib`` alone would bring OpenSSL along (3.5 MB resident).
A mark is a keyed BLAKE2s of a value: it tells equal from unequal to who holds the key, and nothing else to anybody.

    operator                                                   probe
      KT1 plan nonce generation pod expires
          [errand] MAC\n                        ------->   key of that plan? MAC right? then look, or run the errand
                                                    <-------   KT1 length MAC\n  + lines:
                                                                 val|gap|none container key way kind ...
                                                                 user container uid gid
                                                                 conn local port remote port
                                                                 note code detail: how the last reload went
                                                                 no reason

An errand is three words: ``report PORT PATH`` asks the app too which credential it uses; ``http PORT PATH`` and
``signal NAME CONTAINER`` tell it to read its files again (see ``errands``).
"""

from __future__ import annotations

from _blake2 import blake2s
from _operator import _compare_digest as same  # pyright: ignore[reportPrivateUsage]  # = hmac.compare_digest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAGIC = "KT1"
LONGEST_LINE = 512  # bytes of a challenge
LONGEST_BODY = 256 * 1024  # bytes of an answer
KEY_BYTES = 32

# Kinds of evidence on the wire, and the ways a value was found.
PROCESS, MOUNTED, REPORTED = "P", "M", "R"
ENV, FILE, STRAY, APP = "Env", "File", "Stray", "App"

# What an errand may be, and how it went (``note``, or a ``gap`` of kind REPORTED).
REPORT, HTTP, SIGNAL = "report", "http", "signal"
DONE, WAITING, REFUSED, SILENT, GARBLED = "done", "waiting", "refused", "silent", "garbled"

# Why nothing could be read (``gap``) or why the probe does not answer (``no``).
DENIED, OVERWRITTEN, TOO_LARGE, OLDER, MISSING, NO_PROCESS = (
    "denied",
    "overwritten",
    "too-large",
    "older-than-file",
    "missing",
    "no-process",
)
CLOCK, OTHER_POD, REPLAY, BUSY = "clock", "other-pod", "replay", "busy"


class Malformed(ValueError):
    """Not our language, or not sealed with our key."""


class Challenge:
    """One question to one pod, good for one answer."""

    __slots__ = ("errand", "expires", "generation", "nonce", "plan", "pod")

    def __init__(
        self, plan: str, nonce: str, generation: int, pod: str, expires: int, errand: tuple[str, ...] = ()
    ) -> None:
        self.plan = plan  # ten hex digits that name the plan
        self.nonce = nonce
        self.generation = generation
        self.pod = pod  # the pod's UID
        self.expires = expires  # seconds since 1970
        self.errand = errand  # three words, or none

    def bound(self) -> bytes:
        """What answers and marks are bound to."""
        errand = "".join(f" {quoted(word)}" for word in self.errand)
        return f"{MAGIC} {self.plan} {self.nonce} {self.generation} {self.pod} {self.expires}{errand}".encode()

    def question(self) -> bytes:
        """What an app that reports is asked: it answers with HMAC-SHA256 of this, keyed with the value it uses."""
        return f"KTR1 {self.nonce} {self.pod} {self.generation}".encode()


def derived(key: bytes, purpose: bytes) -> bytes:
    """A key for one purpose from a plan's probe key."""
    return blake2s(purpose, key=key[:KEY_BYTES]).digest()


def mark(key: bytes, *parts: bytes) -> str:
    """Keyed BLAKE2s over parts that cannot run into each other, in hex."""
    digest = blake2s(key=key)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


# ------------------------------------------------------------------------------------------------- challenge


def challenge_line(key: bytes, challenge: Challenge) -> bytes:
    """The question, sealed."""
    bound = challenge.bound()
    return bound + b" " + mark(derived(key, b"challenge"), bound).encode() + b"\n"


def read_challenge(line: bytes, key_of: Callable[[str], bytes | None]) -> Challenge:
    """The question, its MAC checked before anything else is looked at.

    Raises:
        Malformed: not a challenge, of an unknown plan, or not sealed with that plan's key.
    """
    bound, _, seal = line.rstrip(b"\n").rpartition(b" ")
    words = bound.split(b" ")
    if len(line) > LONGEST_LINE or len(words) not in (6, 9) or words[0] != MAGIC.encode() or not line.isascii():
        raise Malformed
    key = key_of(words[1].decode())
    if key is None or not same(mark(derived(key, b"challenge"), bound).encode(), seal):
        raise Malformed
    plan, nonce, generation, pod, expires, *errand = [word.decode() for word in words[1:]]
    try:
        return Challenge(plan, nonce, int(generation), pod, int(expires), tuple(unquoted(word) for word in errand))
    except ValueError:  # whoever may read the key may seal nonsense
        raise Malformed from None


def value_mark(key: bytes, challenge: Challenge, container: str, secret_key: str, value: bytes) -> str:
    """The mark of a value in one answer: of no use for another pod, another nonce or a guess without the key."""
    return mark(derived(key, b"value"), challenge.bound(), container.encode(), secret_key.encode(), value)


# --------------------------------------------------------------------------------------------------- answer


def sealed_answer(key: bytes, challenge: Challenge, lines: Iterable[str]) -> bytes:
    """The whole answer."""
    body = "".join(line + "\n" for line in lines).encode()
    seal = mark(derived(key, b"answer"), challenge.bound(), body)
    return f"{MAGIC} {len(body)} {seal}\n".encode() + body


def answer_length(header: bytes) -> int:
    """Bytes that follow the header line. Raises Malformed."""
    words = header.split()
    if len(words) != 3 or words[0] != MAGIC.encode() or not words[1].isdigit():
        raise Malformed
    length = int(words[1])
    if length > LONGEST_BODY:
        raise Malformed
    return length


def open_answer(key: bytes, challenge: Challenge, header: bytes, body: bytes) -> list[list[str]]:
    """The answer's lines in words, after its seal was found right. Raises Malformed."""
    seal = header.split()[-1]
    if not same(mark(derived(key, b"answer"), challenge.bound(), body).encode(), seal):
        raise Malformed
    return [[unquoted(word) for word in line.split(" ")] for line in body.decode().splitlines()]


# ------------------------------------------------------------------------------- what may pass the readiness gate


def accept_mark(key: bytes, value: bytes) -> str:
    """The mark of a value that a live generation holds."""
    return mark(derived(key, b"accept"), value)


def accept_line(generation: int, secret_key: str, value_marked: str, *, secret: bool) -> str:
    """One line of the file ``accept``. ``secret``: the value carries a password, so finding it elsewhere tells."""
    return f"{generation} {quoted(secret_key)} {value_marked} {'secret' if secret else 'plain'}"


# -------------------------------------------------------------------------------------------- words on one line


def quoted(text: str) -> str:
    """Without blanks or control characters: those, and %, become %XX of their UTF-8 bytes."""
    if not text:
        return "%"
    return "".join(
        char
        if char.isalnum() or (char.isprintable() and char not in " %")
        else "".join(f"%{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
        for char in text
    )


def unquoted(word: str) -> str:
    """What ``quoted`` was given. Raises Malformed for anything it never writes."""
    if word == "%":
        return ""
    first, *rest = word.split("%")
    raw = first.encode()
    try:
        for piece in rest:
            raw += bytes((int(piece[:2], 16),)) + piece[2:].encode()
        return raw.decode("utf-8", "surrogateescape")
    except ValueError:
        raise Malformed from None
