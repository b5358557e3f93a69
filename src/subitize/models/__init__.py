"""Models: programs for one image. None of them knows how its randomness will be differentiated.

air    attend, infer, repeat
sums   what a picture of two things looks like, learned from pictures of one
"""

from subitize.models.air import AIR, AIRSettings, Look, negative_elbo
from subitize.models.sums import practise

__all__ = ["AIR", "AIRSettings", "Look", "negative_elbo", "practise"]
