"""Zoo: generative models that learn by the same loop as all else, one file each.

A file holds the settings that `subitize.registry` lists, a frozen dataclass, and how they make a learner.
"""
