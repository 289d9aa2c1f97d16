"""YAML files that lie beside the code that reads them."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

# LibYAML reads ten times as fast as PyYAML's own reader, which took most of a second of a start.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def packaged_yaml(package: str, name: str) -> Any:
    """What the file ``name`` (with ``/`` for a folder) in ``package`` says."""
    text = files(package).joinpath(*name.split("/")).read_text(encoding="utf-8")
    return yaml.load(text, Loader=_LOADER)
