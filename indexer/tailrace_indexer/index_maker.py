"""How an index comes to be: by order, and never without our template.

Elasticsearch is told not to make indices by itself: one made without our template would
guess the types of fields, and what it guessed wrong could not be put right afterwards.
"""

from __future__ import annotations

import http
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import quote

import msgspec

from tailrace.elasticsearch import Answer, Elastic
from tailrace.errors import RightMissing, ServiceUnavailable
from tailrace.index_templates import NAMES, template_name
from tailrace.provision import provision_templates
from tailrace.settings import Connections
from tailrace_indexer.outcomes import (
    STORED,
    ItemError,
    Outcome,
    Reason,
    Verdict,
    judge_request,
)

LOOKING = "view_index_metadata"
"""The least right that answers whether an index is there; a refusal of that names none."""


class _ErrorAnswer(msgspec.Struct):
    error: ItemError


class IndexMaker:
    """Makes indices of one namespace, but none that is expired."""

    def __init__(
        self,
        elastic: Elastic,
        *,
        connections: Connections,
        is_expired: Callable[[str], bool],
    ) -> None:
        self._is_expired = is_expired
        self._elastic = elastic
        self._connections = connections
        self._namespace = connections.namespace

    def make(self, index: str) -> Verdict:
        """Make an index; STORED where it is there now, else why it is not.

        DEAD_LETTER says that it is expired, so that it will never be there again.
        """
        kind = kind_of(index, namespace=self._namespace)
        if kind is None:
            return Verdict(
                Outcome.HOLD,
                Reason.UNEXPECTED,
                f"{index!r} is no index of the namespace {self._namespace!r}, so it is"
                " not made; correct what names it",
            )
        path = f"/{quote(index, safe='')}"
        try:
            # First of all: one that is below its floor and not taken away yet holds what
            # is sent again, and to dead-letter that would be to count it twice.
            looked = self._elastic.request("HEAD", path)
            if looked.is_success:
                return STORED
            if looked.status != http.HTTPStatus.NOT_FOUND:
                return _unseen(index, status=looked.status)
            if self._is_expired(index):
                return Verdict(
                    Outcome.DEAD_LETTER,
                    Reason.INDEX_EXPIRED,
                    f"{index} was taken away by retention, and is not made again",
                )
            self._require_template(kind)
            answer = self._elastic.request("PUT", path)
        except RightMissing as error:
            detail = f"{error}; {error.remedy}"
            return Verdict(Outcome.HOLD, Reason.UNAUTHORIZED, detail, error.right)
        except ServiceUnavailable as error:
            return Verdict(Outcome.HOLD, Reason.UNREACHABLE, f"{error}; {error.remedy}")
        return _verdict(answer)

    def _require_template(self, kind: str) -> None:
        """Return when the template is there, having written it if need be.

        Raises:
            ServiceUnavailable: it is missing and could not be written.
        """
        name = template_name(self._namespace, kind=kind)
        if not self._elastic.template_fingerprint(name):
            provision_templates(self._connections)


def kind_of(index: str, *, namespace: str) -> str | None:
    """Return which template serves an index, None where it is none of ours."""
    if not index.startswith(f"{namespace}-"):
        return None
    rest = index.removeprefix(f"{namespace}-")
    first, _, more = rest.partition("-")
    if first in NAMES and first != "events":
        return first
    return "events" if first and more else None


def _unseen(index: str, *, status: int) -> Verdict:
    """Return why it is not known whether an index is there; such an answer has no text."""
    verdict = judge_request(status, ItemError("", f"asked whether {index} is there"))
    if status == http.HTTPStatus.FORBIDDEN:
        return replace(verdict, right=LOOKING)
    if verdict.outcome is Outcome.DEAD_LETTER:
        return Verdict(Outcome.HOLD, Reason.UNEXPECTED, verdict.detail)
    return verdict


def _verdict(answer: Answer) -> Verdict:
    if answer.is_success:
        return STORED
    try:
        error = msgspec.json.decode(answer.body, type=_ErrorAnswer).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        error = ItemError("", answer.body[:300].decode("utf-8", "backslashreplace"))
    if error.type == "resource_already_exists_exception":
        return STORED
    verdict = judge_request(answer.status, error)
    if verdict.outcome is Outcome.DEAD_LETTER:
        return Verdict(Outcome.HOLD, Reason.UNEXPECTED, verdict.detail)
    return verdict
