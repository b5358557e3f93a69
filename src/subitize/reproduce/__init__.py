"""Reproduce: the room in which claims are put to the test. What several claims share is here.

`claim` says what a claim is, `lab` keeps what was trained and measured, `report` tells it. `counters` and
`generative` train the models under test, `counting` looks at held-out scenes with them.
"""

from subitize.reproduce.claim import Claim, Condition, Finding
from subitize.reproduce.lab import Lab, reproduce

__all__ = ["Claim", "Condition", "Finding", "Lab", "reproduce"]
