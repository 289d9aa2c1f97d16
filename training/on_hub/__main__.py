"""``python -m training.on_hub CONFIG.yaml --out RUN``."""

from training.on_hub.command import main

raise SystemExit(main())
