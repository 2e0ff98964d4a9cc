"""Which index templates there are: the files in `templates/`, fitted to one namespace.

Events are matched by `<namespace>-*-*` and get the alias `<namespace>-events`, to which
searches go; every other index of ours has a template of its own that wins over it. So have
the revised events of a replay, which differ by one thing: no alias shows them until all of
them are there.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Any, cast

import orjson

NAMES = ("events", "rates", "dead", "alerts", "ledger", "templates")
REVISIONS = "revisions"
"""The template of `<namespace>-<dataset>-<day>-r<N>`; no index begins with this name."""
REVISIONS_PRIORITY = 295
"""Above those of events and of any dataset's own, and below that of dead letters and alerts."""
FINGERPRINT_CHARACTERS = 32
DATASETS_MAX = 90
"""As many priorities are free between the common template's and those of other indices."""
SEQUENCE_NUMBERS = "seq_no.index_options"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What this Elasticsearch has beyond what every supported build has."""

    has_match_only_text: bool = False
    """Text without positions: phrases are checked against the source."""
    has_lean_sequence_numbers: bool = False
    """`_seq_no` may be kept without its search tree, which only replication asks."""


def events_alias(namespace: str) -> str:
    """Return the alias behind which every event index stands."""
    return f"{namespace}-events"


def template_name(namespace: str, *, kind: str) -> str:
    """Return the name of a template in Elasticsearch."""
    return f"{namespace}-{kind}"


def index_templates(
    namespace: str, *, capabilities: Capabilities
) -> dict[str, dict[str, Any]]:
    """Return each template's body by its name.

    `_meta.fingerprint` is a hash of the rest: a template that bears the same needs no
    writing, and one that a person changed is put right by `tailrace provision` only
    when ours changes too.
    """
    return {
        template_name(namespace, kind=kind): _fitted(
            kind, namespace=namespace, capabilities=capabilities
        )
        for kind in (*NAMES, REVISIONS)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class DatasetIndices:
    """How the indices of some datasets are made; None leaves it to the common template."""

    name: str
    """A dataset, or a glob of some with `*`."""
    shards: int | None = None
    replicas: int | None = None


def dataset_templates(
    namespace: str, *, capabilities: Capabilities, datasets: Sequence[DatasetIndices]
) -> dict[str, dict[str, Any]]:
    """Return a template for each of these, of which the first that fits is to serve.

    None is needed where all are as the common template makes them. Each is a whole
    template, since Elasticsearch applies one and no other.
    """
    if all(each.shards is None and each.replicas is None for each in datasets):
        return {}
    templates: dict[str, dict[str, Any]] = {}
    for position, dataset in enumerate(datasets):
        body = _body_of("events", namespace=namespace, capabilities=capabilities)
        body["index_patterns"] = [f"{namespace}-{dataset.name}-*"]
        # Above the common one's, below those of dead letters and the like.
        body["priority"] += len(datasets) - position
        settings = body["template"]["settings"]["index"]
        if dataset.shards is not None:
            settings["number_of_shards"] = dataset.shards
        if dataset.replicas is not None:
            del settings["auto_expand_replicas"]
            settings["number_of_replicas"] = dataset.replicas
        name = f"{template_name(namespace, kind='events')}-{position:02d}"
        templates[name] = _signed(body)
    return templates


@lru_cache(maxsize=1)
def event_types() -> Mapping[str, str]:
    """Return the fields of the index of events by their dotted names, each with its type.

    Whoever makes documents asks here what fits into them: there is no other list of types.
    """
    body = _body_of("events", namespace="any", capabilities=Capabilities())
    found: dict[str, str] = {}
    _collect(body["template"]["mappings"]["properties"], "", found)
    return MappingProxyType(found)


def _collect(properties: dict[str, Any], path: str, found: dict[str, str]) -> None:
    for name, said in properties.items():
        if "properties" in said:
            _collect(said["properties"], f"{path}{name}.", found)
        else:
            found[f"{path}{name}"] = str(said["type"])


def _fitted(kind: str, *, namespace: str, capabilities: Capabilities) -> dict[str, Any]:
    return _signed(_body_of(kind, namespace=namespace, capabilities=capabilities))


def _body_of(
    kind: str, *, namespace: str, capabilities: Capabilities
) -> dict[str, Any]:
    file = f"{'events' if kind == REVISIONS else kind}.json"
    text = resources.files("tailrace").joinpath("templates", file).read_text()
    body = cast("dict[str, Any]", orjson.loads(text.replace("{namespace}", namespace)))
    if kind == REVISIONS:
        body["index_patterns"] = [f"{namespace}-*-*-r*"]
        body["priority"] = REVISIONS_PRIORITY
        body["_meta"]["description"] = (
            f"Events that were replayed, at {namespace}-<dataset>-<day>-r<N>."
        )
        del body["template"]["aliases"]
    if capabilities.has_lean_sequence_numbers:
        settings = body["template"]["settings"]["index"]
        settings[SEQUENCE_NUMBERS] = "doc_values_only"
    if capabilities.has_match_only_text:
        _use_match_only_text(body["template"]["mappings"]["properties"])
    return body


def _signed(body: dict[str, Any]) -> dict[str, Any]:
    digest = hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS))
    fitted = copy.deepcopy(body)
    fitted["_meta"]["fingerprint"] = digest.hexdigest()[:FINGERPRINT_CHARACTERS]
    return fitted


def _use_match_only_text(properties: dict[str, dict[str, Any]]) -> None:
    """Leave positions out where phrases still work without: it saves a tenth."""
    for name in ("message", "error.message"):
        if properties.get(name, {}).get("type") == "text":
            properties[name] = {"type": "match_only_text"}
