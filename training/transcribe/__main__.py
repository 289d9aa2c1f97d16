from training.transcribe.command import main

raise SystemExit(main())
