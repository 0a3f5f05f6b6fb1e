"""`python -m studio` opens the window."""

from studio.app import main

raise SystemExit(main())
