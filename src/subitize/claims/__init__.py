"""Claims: what papers and posts say that attending, inferring and repeating buys, each put to the test."""

from subitize.claims import (
    downstream,
    generalisation,
    glances,
    memory,
    open_ended,
    painting,
    subitizing,
    worlds,
)
from subitize.claims.claim import Claim, Condition, Finding
from subitize.claims.lab import Lab, reproduce

FILES = (generalisation, memory, downstream, open_ended, subitizing, glances, worlds, painting)
CLAIMS: dict[str, Claim] = {claim.name: claim for file in FILES for claim in file.CLAIMS}

__all__ = ["CLAIMS", "Claim", "Condition", "Finding", "Lab", "reproduce"]
