"""What tokens cost, where that is known. An unknown price is unknown, never 0."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from mi_arena.jobs.script import BadInput
from mi_arena.llm.endpoint import Endpoint
from mi_arena.packaged_yaml import packaged_yaml

_DATED = re.compile(r"-\d{4}-\d{2}-\d{2}$")


@dataclass(frozen=True)
class Price:
    """USD per million tokens. Both are ``None`` where the price is unknown; ``note`` says why, or
    where it comes from."""

    input: float | None
    output: float | None
    note: str

    @property
    def known(self) -> bool:
        return self.input is not None and self.output is not None

    def cost(self, prompt_tokens: int, completion_tokens: int) -> float | None:
        """USD, to a hundred-millionth, so that sums come out alike on every machine."""
        if self.input is None or self.output is None:
            return None
        return round((prompt_tokens * self.input + completion_tokens * self.output) / 1e6, 8)


def price_of(
    endpoint: Endpoint, price_in: float | None = None, price_out: float | None = None
) -> Price:
    """The price that the user names, or that of the table for this host and model.

    A price belongs to a provider: the same model elsewhere has none here.
    """
    for name, value in (("--price-in", price_in), ("--price-out", price_out)):
        if value is not None and (not math.isfinite(value) or value < 0):
            raise BadInput(f"{name}: write USD per million tokens, 0 or more")
    if (price_in is None) != (price_out is None):
        raise BadInput("--price-in and --price-out: name both, in USD per million tokens")
    if price_in is not None:
        return Price(price_in, price_out, "as given by --price-in and --price-out")
    table = packaged_yaml("mi_arena.llm", "prices.yaml")
    models = table["hosts"].get(endpoint.host, {})
    entry = models.get(endpoint.model) or models.get(_DATED.sub("", endpoint.model))
    if entry is None:
        why = f"no price is noted for {endpoint.model} at {endpoint.host}"
        return Price(None, None, f"{why}: name --price-in and --price-out")
    note = f"noted on {table['noted']}, to be checked against the provider's page"
    return Price(float(entry["input"]), float(entry["output"]), note)
