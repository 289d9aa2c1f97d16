"""``python -m training.corpora``: see ``command``."""

from __future__ import annotations

from training.corpora.command import run

if __name__ == "__main__":
    raise SystemExit(run())
