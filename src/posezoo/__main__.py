"""python -m posezoo: the command line."""

from posezoo.cli.main import main

raise SystemExit(main())
