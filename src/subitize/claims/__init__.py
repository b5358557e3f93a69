"""Claims: what papers and posts say that attending, inferring and repeating buys, each put to the test."""

from subitize.claims import generalisation, painting
from subitize.claims.claim import Claim, Condition, Finding
from subitize.claims.lab import Lab, reproduce

CLAIMS: dict[str, Claim] = {claim.name: claim for claim in (*generalisation.CLAIMS, *painting.CLAIMS)}

__all__ = ["CLAIMS", "Claim", "Condition", "Finding", "Lab", "reproduce"]
