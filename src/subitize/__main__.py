"""`python -m subitize` is the command `subitize`."""

import sys

from subitize.cli import main

if __name__ == "__main__":
    sys.exit(main())
