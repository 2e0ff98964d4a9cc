"""What a user may set of redaction in the stream: `[stream.redaction]`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    field_validator,
    model_validator,
)

from tailrace.key_files import KEY_CHARACTERS_MIN
from tailrace.redaction.config import RedactRule, with_names, with_own_names

FIELDS_MAX = 256
_NAME = r"^[A-Za-z@_][A-Za-z0-9_.@-]{0,254}$"
KEPT = frozenset(
    {
        "@timestamp", "message", "event.original", "log.offset", "event.sequence",
        "event.dataset", "event.created", "tailrace.generation", "log.file.path",
        "host.name", "agent.id", "ecs.version",
    }
)  # fmt: skip
"""By which documents are found, proven and placed; or all of a line."""


class RedactionSettings(BaseModel):
    """The rules, and the key that tokens are made with."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    rules: tuple[RedactRule, ...] = ()
    """As a source's `redact` at the agent."""
    fields: Annotated[
        tuple[Annotated[str, Field(pattern=_NAME)], ...], Field(max_length=FIELDS_MAX)
    ] = ()
    """Fields of documents, such as `user.name` or `attributes.customer`."""
    key: SecretStr = SecretStr("")
    """What tokens are made with: the same in all workers, and in the agents whose tokens
    are to be the same."""
    key_file: Path | None = None
    """A file that holds that key."""

    @field_validator("rules", mode="before")
    @classmethod
    def _rules_may_be_names(cls, value: object) -> object:
        return with_names(value)

    @field_validator("rules")
    @classmethod
    def _rules_have_own_names(
        cls, value: tuple[RedactRule, ...]
    ) -> tuple[RedactRule, ...]:
        return with_own_names(value)

    @field_validator("fields")
    @classmethod
    def _fields_may_be_hidden(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if kept := sorted(KEPT & set(value)):
            raise ValueError(
                f"{', '.join(kept)} cannot be hidden: a line is found and proven by it;"
                " hide what stands in it by a rule"
            )
        return value

    @field_validator("key")
    @classmethod
    def _key_cannot_be_tried_out(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value().encode()) < KEY_CHARACTERS_MIN:
            raise ValueError(f"must have at least {KEY_CHARACTERS_MIN} characters")
        return value

    @model_validator(mode="after")
    def _all_workers_have_one_key(self) -> Self:
        has_key = bool(self.key.get_secret_value())
        if has_key and self.key_file is not None:
            raise ValueError("key and key_file are both given; give one")
        if (self.rules or self.fields) and not has_key and self.key_file is None:
            raise ValueError(
                "rules and fields need key_file, or key: one secret gets one token only"
                " if all workers have one key; make one by `openssl rand -hex 32`"
            )
        return self
