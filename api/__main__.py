"""`python -m segue` is the `segue` command."""

from segue.tools.cli import main

raise SystemExit(main())
