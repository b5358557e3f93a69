"""Claims: what papers and posts say that attending, inferring and repeating buys, each put to the test.

Each file is a leaf, which imports no other: what claims share is in `subitize.reproduce`.
"""

from subitize.claims import (
    downstream,
    generalisation,
    glances,
    memory,
    open_ended,
    other_datasets,
    painting,
    subitizing,
)
from subitize.reproduce import Claim

FILES = (generalisation, memory, downstream, open_ended, subitizing, glances, other_datasets, painting)
CLAIMS: dict[str, Claim] = {claim.name: claim for file in FILES for claim in file.CLAIMS}

__all__ = ["CLAIMS"]
