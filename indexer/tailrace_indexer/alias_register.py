"""The register of the leader's epoch: an alias in Elasticsearch's cluster state.

Elasticsearch changes its cluster state one change after the other, and a change of aliases
can demand that one is there: a compare and set. What can be done in the same change, the
removal of an index above all, is then done by that leader or not at all. The alias belongs
to an empty, hidden index of our own, and bears the epoch in its name.
"""

from __future__ import annotations

import http
import re
from typing import Any, cast
from urllib.parse import quote

import orjson

from tailrace.elasticsearch import Answer, Elastic
from tailrace_indexer.fence import Epoch

SUFFIX = "leader"
ERA_DIGITS = 6
TRANSACTION_DIGITS = 20
ALIAS_MISSING = frozenset(
    {"aliases_not_found_exception", "resource_not_found_exception"}
)
"""How it refuses a change that demands an alias: before its turn, and in its turn."""


class AliasRegister:
    """The epoch that may act for one namespace."""

    def __init__(self, elastic: Elastic, *, namespace: str) -> None:
        self._elastic = elastic
        self._index = f"{namespace}-{SUFFIX}"

    def read(self) -> Epoch | None:
        """Return what stands there, the greatest if ever there were two.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        answer = self._elastic.request("GET", f"/{quote(self._index)}/_alias")
        if answer.status == http.HTTPStatus.NOT_FOUND:
            return None
        found = cast("dict[str, Any]", self._elastic.decoded(answer))
        names = found.get(self._index, {}).get("aliases", {})
        return max(filter(None, map(self._epoch_of, names)), default=None)

    def replace(self, known: Epoch | None, *, by: Epoch) -> bool:
        """Write an epoch if `known` still stands there; False where it does not.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        if known is None:
            return self._begin(by)
        actions = [self._demanded(known), self._added(by)]
        return self._is_carried_out(self._change(actions))

    def delete_index(self, index: str, *, holder: Epoch) -> bool:
        """Delete an index if `holder` still stands there, both at once; else False.

        Raises:
            ServiceUnavailable: Elasticsearch does not answer, or refuses.
        """
        actions = [
            self._demanded(holder),
            # It is demanded by its removal, and put back in the same change.
            self._added(holder),
            {"remove_index": {"index": index}},
        ]
        answer = self._change(actions)
        if _error_type(answer) == "index_not_found_exception":
            # Said before anyone was asked who acts: that is asked now.
            return self.read() == holder
        return self._is_carried_out(answer)

    def _begin(self, first: Epoch) -> bool:
        """Make the index with the alias, which only one can."""
        settings = {
            "number_of_shards": 1,
            "auto_expand_replicas": "0-1",
            "hidden": True,
            "blocks.write": True,
        }
        body = {
            "settings": {"index": settings},
            "aliases": {self._alias(first): {"is_hidden": True}},
        }
        answer = self._elastic.request(
            "PUT", f"/{quote(self._index)}", body=orjson.dumps(body)
        )
        if _error_type(answer) != "resource_already_exists_exception":
            self._elastic.decoded(answer)
            return True
        if self.read() is not None:
            return False
        # Its alias was taken away by hand: two that now add one are told apart by `read`.
        self._elastic.decoded(self._change([self._added(first)]))
        return self.read() == first

    def _change(self, actions: list[dict[str, Any]]) -> Answer:
        body = orjson.dumps({"actions": actions})
        return self._elastic.request("POST", "/_aliases", body=body)

    def _is_carried_out(self, answer: Answer) -> bool:
        if answer.status == http.HTTPStatus.NOT_FOUND:
            # With the index the alias is gone, too.
            kind = _error_type(answer)
            if kind in ALIAS_MISSING or kind == "index_not_found_exception":
                return False
        self._elastic.decoded(answer)
        return True

    def _demanded(self, epoch: Epoch) -> dict[str, Any]:
        where = {"index": self._index, "alias": self._alias(epoch)}
        return {"remove": {**where, "must_exist": True}}

    def _added(self, epoch: Epoch) -> dict[str, Any]:
        where = {"index": self._index, "alias": self._alias(epoch)}
        return {"add": {**where, "is_hidden": True}}

    def _alias(self, epoch: Epoch) -> str:
        era = f"{epoch.era:0{ERA_DIGITS}d}"
        return f"{self._index}-{era}-{epoch.transaction:0{TRANSACTION_DIGITS}d}"

    def _epoch_of(self, alias: str) -> Epoch | None:
        found = re.fullmatch(rf"{self._index}-(\d+)-(\d+)", alias)
        return Epoch(int(found[1]), int(found[2])) if found else None


def _error_type(answer: Answer) -> str:
    """Return what Elasticsearch calls an error; nothing where there is none."""
    body = answer.json()
    if answer.is_success or not isinstance(body, dict):
        return ""
    error = cast("dict[str, Any]", body).get("error")
    if not isinstance(error, dict):
        return ""
    return str(cast("dict[str, Any]", error).get("type", ""))
