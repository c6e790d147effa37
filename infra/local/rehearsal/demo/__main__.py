"""`python -m infra.local.rehearsal.demo`."""

import sys

from infra.local.rehearsal.demo.demo import main

if __name__ == "__main__":
    sys.exit(main())
