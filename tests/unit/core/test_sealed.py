"""A secret cannot be printed, and what looks like none cannot become one."""

from __future__ import annotations

import copy
import json
import pickle
import traceback

import pytest

from keyturn.core.sealed import Sealed, Unsuitable, require_suitable
from support.canaries import guises

VALUE = "correct horse battery staple"


SHOWS = {"str": str, "repr": repr, "format": "{}".format, "padded": "{0!r:>5}".format, "f-string": lambda v: f"{v}"}


@pytest.mark.fm(60)
@pytest.mark.parametrize("way", sorted(SHOWS))
def test_no_way_of_printing_shows_the_value(way: str) -> None:
    assert VALUE not in SHOWS[way](Sealed(VALUE))


def test_it_is_neither_pickled_nor_hashed() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Sealed(VALUE))
    with pytest.raises(TypeError):
        hash(Sealed(VALUE))


@pytest.mark.fm(60)
def test_a_traceback_with_the_value_in_its_frames_does_not_show_it() -> None:
    def fails(sealed: Sealed) -> None:
        raise RuntimeError(f"with {sealed}")

    try:
        fails(Sealed(VALUE))
    except RuntimeError as error:
        shown = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())
        assert VALUE not in shown.replace(f"VALUE = {VALUE!r}", "")


def test_equality_is_of_values_and_with_nothing_else() -> None:
    assert Sealed(VALUE) == Sealed(VALUE.encode())
    assert Sealed(VALUE) != Sealed(VALUE + " ")
    assert Sealed(VALUE) != VALUE


@pytest.mark.parametrize(
    "value",
    ["", " ", "\n\t", "***", "xxxxxxxxxxxxxxxxxxxx", "<redacted>", "[REDACTED] by tool", "<sealed>", "null", "short"],
)
def test_what_the_january_2023_incident_wrote_back_is_refused(value: str) -> None:
    with pytest.raises(Unsuitable):
        require_suitable(Sealed(value))


def test_a_new_value_must_differ_from_the_old_one() -> None:
    with pytest.raises(Unsuitable, match="equals the old"):
        require_suitable(Sealed(VALUE), previous=Sealed(VALUE))
    assert require_suitable(Sealed(VALUE), previous=Sealed(VALUE + "!")) == Sealed(VALUE)


OTHER_WAYS = {
    "json": lambda value: json.dumps({"x": value}, default=repr),
    "copy": lambda value: repr(copy.copy(value)),
    "deep copy": lambda value: repr(copy.deepcopy([value])),
    "percent": lambda value: f"{'%s %r'}" % (value, value),
    "in a dict": lambda value: f"{ {'x': [value]} }",
    "all attributes": lambda value: repr([getattr(value, "__dict__", None), value.__class__, value.__doc__]),
    "pickle 0": lambda value: pickle.dumps(value, 0),
    "bytes": bytes,
    "iterated": list,
    "ascii": ascii,
}


@pytest.mark.parametrize("way", sorted(OTHER_WAYS))
def test_no_other_way_shows_it_either(way: str) -> None:
    try:
        shown = repr(OTHER_WAYS[way](Sealed(VALUE)))
    except TypeError as error:
        shown = repr(error)
    assert not [guise for guise in guises(VALUE) if guise in shown]


def test_an_error_about_a_value_that_is_no_text_does_not_carry_it() -> None:
    for broken in (lambda: Sealed(VALUE.encode() + b"\xff").reveal_text(), lambda: Sealed(VALUE + "\udcff")):
        with pytest.raises(Unsuitable) as refused:
            broken()
        assert refused.value.__context__ is None
        assert VALUE not in repr(refused.value)
