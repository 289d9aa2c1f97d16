"""Entry point of the Space: settings, build the app, launch."""

from __future__ import annotations

import os
import sys

from mi_arena.settings import SettingsError, load_settings


def main() -> int:
    try:
        settings = load_settings()
    except SettingsError as error:
        print(error, file=sys.stderr)
        return 2
    # After the settings: a wrong one is told at once, not after the seconds these imports take.
    from mi_arena.main import serve

    return serve(settings, on_space=bool(os.environ.get("SPACE_ID")))


if __name__ == "__main__":
    raise SystemExit(main())
