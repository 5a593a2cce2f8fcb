"""What every backend says in a plan and in a provider, and which backends there are.

A backend's package under ``providers`` describes its own fields and registers them; schemas, admission rules and
what people are shown follow from that. Nothing here knows any particular backend.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Generic, Literal, TypeVar, cast

from pydantic import ConfigDict, Field, GetJsonSchemaHandler, ValidationError, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails

from keyturn.api import rules
from keyturn.api.base import Model, Name, Ref
from keyturn.api.rules import KEY, Rule, keyed, ruled
from keyturn.core.rendering import Place


class ServerEndpoint(Model):
    """Where consumers log in. May only repeat hosts that the admin Secret allows."""

    name: Name = Field(default="primary", description="For people, and to tell endpoints apart.")
    host: str = Field(
        min_length=1,
        max_length=253,
        description="Host name or address, as it shall stand in rendered URLs.",
        json_schema_extra=ruled(rules.HOST),
    )
    port: int = Field(ge=1, le=65535, description="TCP port.")


E = TypeVar("E", bound=ServerEndpoint)


class ProviderHalf(Model):
    """A backend as its owner describes it: one field of a provider's spec."""

    @property
    @abstractmethod
    def admin_secret(self) -> str:
        """Name of the Secret with the rotator's own credential; "" where there is no server to log in to."""

    @property
    @abstractmethod
    def place(self) -> Place:
        """Where a credential is used, as templates of consumers' Secrets say it."""

    @property
    @abstractmethod
    def where(self) -> str:
        """The same for people, every endpoint of it: ``shop at postgres.shop.svc:5432``."""


class ServerHalf(ProviderHalf, Generic[E]):
    """A server that is logged in to: the rotator's Secret, where consumers log in. What is within it, backends say."""

    called: ClassVar[str] = ""  # what people are told before the name of what is within it

    admin_secret_ref: Ref = Field(
        description="Secret with user, password, host, port and ca.crt. A credential names where it may be sent.",
        json_schema_extra=ruled(rules.NOT_OURS),
    )
    endpoints: list[E] = Field(
        min_length=1,
        max_length=8,
        description="Where consumers log in; every one of them is tested.",
        json_schema_extra=keyed("name"),
    )

    @property
    @abstractmethod
    def within(self) -> str:
        """The part of the server that consumers log in to, as templates say ``{database}``."""

    @property
    def admin_secret(self) -> str:
        """Name of the rotator's Secret."""
        return self.admin_secret_ref.name

    @property
    def place(self) -> Place:
        """The first endpoint."""
        return Place(self.endpoints[0].host, self.endpoints[0].port, self.within)

    @property
    def where(self) -> str:
        """For people, every endpoint."""
        return f"{self.called}{self.within} at " + ", ".join(f"{one.host}:{one.port}" for one in self.endpoints)


class PlanHalf(Model):
    """What is rotated at a backend: one field of a plan's spec."""

    @property
    @abstractmethod
    def principals(self) -> frozenset[str]:
        """Public names of everything that the plan may touch there."""

    @property
    def paired(self) -> bool:
        """Do user name and password only work together? Then halves of two credentials must never meet in a pod."""
        return True


class TakingTurns(PlanHalf):
    """Two principals that take turns, with the rights of a common owner. Backends say what each of them is there."""

    model_config = ConfigDict(json_schema_extra=ruled(rules.TWO_SLOTS, rules.OWNER_APART))

    owner: str
    slots: list[str]

    @property
    def principals(self) -> frozenset[str]:
        """Owner and slots."""
        return frozenset((self.owner, *self.slots))


@dataclass(frozen=True, slots=True)
class Backend:
    """A kind of backend: the field of both specs that names it, and what may stand there."""

    field: str
    in_provider: type[ProviderHalf]
    about_provider: str  # what ``kubectl explain`` says of the field
    in_plan: type[PlanHalf]
    about_plan: str
    cluster_only: str = ""  # why a provider of a namespace may not name it, and what to do; "" if it may


_KNOWN: dict[str, Backend] = {}


def register(backend: Backend) -> None:
    """From now on plans and providers may name it."""
    _KNOWN[backend.field] = backend


def forget(backend: Backend) -> None:
    """The opposite, for tests that bring a backend of their own."""
    del _KNOWN[backend.field]


def known() -> tuple[Backend, ...]:
    """All of them, by name. Raises LookupError before there is any: call ``keyturn.providers.discover`` first."""
    if not _KNOWN:
        raise LookupError("no backend is known yet: call keyturn.providers.discover first")
    return tuple(_KNOWN[field] for field in sorted(_KNOWN))


def one_backend() -> Rule:
    """Exactly one of them is named."""
    named = ", ".join(f"has(self.{backend.field})" for backend in known())
    fields = ", ".join(f"spec.{backend.field}" for backend in known())
    return Rule(f"[{named}].filter(x, x).size() == 1", f"name exactly one backend: set one of {fields}")


def none_for_the_cluster_only() -> tuple[Rule, ...]:
    """A provider of a namespace names none of the backends that only the whole cluster's may."""
    return tuple(
        Rule(f"!has(self.{backend.field})", backend.cluster_only, f".{backend.field}")
        for backend in known()
        if backend.cluster_only
    )


class NamesABackend(Model):
    """A spec that names one backend, by a field which that backend brought along."""

    half: ClassVar[Literal["in_provider", "in_plan"]]

    @classmethod
    def refused(cls) -> tuple[Rule, ...]:
        """What admission refuses here because of what known backends are."""
        return ()

    @property
    def named(self) -> tuple[Model, ...]:
        """Every backend's half that stands here; admission lets in exactly one."""
        extra = self.model_extra or {}
        return tuple(extra[backend.field] for backend in known() if backend.field in extra)

    @model_validator(mode="before")
    @classmethod
    def _read_backends(cls, data: object) -> object:
        """What stands in a known backend's field becomes its model; errors name the whole path."""
        if not isinstance(data, Mapping):
            return data
        fields = dict(cast("Mapping[str, object]", data))
        for backend in known():
            if fields.get(backend.field) is not None:
                fields[backend.field] = _read(getattr(backend, cls.half), backend.field, fields[backend.field])
            else:
                fields.pop(backend.field, None)
        return fields

    @classmethod
    def __get_pydantic_json_schema__(cls, core: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        """The fields of all known backends, none of them required, and the rule that exactly one is set."""
        schema = handler(core)
        resolved = handler.resolve_ref_schema(schema)
        for backend in known():
            half: type[Model] = getattr(backend, cls.half)
            words = backend.about_provider if cls.half == "in_provider" else backend.about_plan
            resolved["properties"][backend.field] = {
                **handler(half.__pydantic_core_schema__),
                "description": words,
            }
        made = (one_backend(), *cls.refused())
        resolved[KEY] = [*(rule.as_schema() for rule in made), *resolved.get(KEY, [])]
        return schema


def _read(model: type[Model], field: str, value: object) -> Model:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        lines = [
            InitErrorDetails(type=line["type"], loc=(field, *line["loc"]), input=None, ctx=line.get("ctx", {}))
            for line in error.errors(include_input=False, include_url=False)
        ]
        raise ValidationError.from_exception_data(model.__name__, lines, hide_input=True) from None
