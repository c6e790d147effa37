"""`python -m infra.local.demo`."""

import sys

from infra.local.demo.demo import main

if __name__ == "__main__":
    sys.exit(main())
