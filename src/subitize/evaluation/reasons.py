"""What does each code in the column `reason` of a count mean?

They are signs, not proofs: a model can be wrong without any of them.
"""

from subitize.core.image_io import NARROW as LEAST_RANGE
from subitize.counter.catalogue_answer import CLOSE, DENSE, FAR, NARROW, WIDE
from subitize.counter.catalogue_learner import WRONG
from subitize.counter.composed_scenes import FEW
from subitize.evaluation.doubts import CONTRAST, EXPLAINED, LEFT, SURE
from subitize.models.catalogue.normalize import FAINT
from subitize.models.catalogue.shapes import ALIKE, MIXED, RANGE

OF_EVERY_MODEL = {
    "first_of_N_pages": "the file has N pages, and only the first was looked at, as --pages first asks",
    "blank": "all values of the file are the same, or nearly: this explains a count of 0, no other",
}
OF_A_CATALOGUE = {
    "low_confidence": f"5 % to 95 % of the posterior span more than {WIDE:.0%} of the count, and more than "
    f"{NARROW} objects",
    "rivals_disagree": f"all classical methods are more than {FAR:.0%}, and {CLOSE} object, away on one side",
    "too_dense": f"objects fill more than {DENSE:.0%} of the picture: its ground cannot be found",
    "fainter": f"what stands out is {FAINT:.0f} times as faint as the folder's objects, or more",
    "brighter": f"what stands out is {FAINT:.0f} times as bright as the folder's objects, or more: it may "
    "hide some",
    "light_adds": "light adds up where objects overlap: watershed takes several for one; learn a catalogue",
    "colour_lost": "nothing stands out, but in another channel something would: train with --channel",
    "other_ground": "nothing stands out, but would if dark and bright changed places: train with --ground",
}
OF_AIR_AND_DAIR = {
    "low_confidence": f"the model's confidence is below {SURE}",
    "at_max_count": "the count is the most that this model can see: there may be more",
    "poor_reconstruction": f"what was seen explains less than {EXPLAINED:.0%} of the picture, unlike those "
    "trained on",
    "unexplained_part": f"some window is left with {LEFT:.0%} of what the fullest one holds: one is missing?",
    "low_contrast": f"brightest and darkest pixel are less than {CONTRAST} apart: stretch the picture",
    "narrow_range": f"a file of 16 bits, or of real numbers, uses less than 1/{1 / LEAST_RANGE:.0f} of its "
    "range: stretch it",
    "colour_lost": "little is left of the picture without its colours: train with --channels 3",
}
OF_THE_RUN = {
    "run_failed": f"it counts clearly more than {WRONG:.0%} of its folder's lone objects twice or not at all",
    "few_examples": f"it learned from fewer than {FEW} lone objects",
    "shapes_differ": f"less than {ALIKE:.0%} of what stands out in its folder is convex and of one size",
    "sizes_differ": f"more than {MIXED:.0%} of what is convex in its folder is {RANGE**0.5:.1f} times as "
    f"wide as typical, or as narrow: sizes beyond 1 to {RANGE:.0f}",
    "run_misses_objects": "it counts pictures with something bright in them as empty",
    "run_counts_twice": "windows share a place more often than chance would have it",
    "run_merges_objects": "sums of pictures that hold one thing each are counted as fewer",
    "run_windows_too_large": "its windows grew far beyond the size that was measured for one object",
    "run_stuck_below_max": "it never counts more than so many, and those pictures are badly explained",
}
OF_A_FILE = {  # why there is no count
    "missing": "the file is no longer there",
    "not_a_file": "it is no ordinary file",
    "unreadable": "it may not be opened, or the drive failed",
    "empty": "it has 0 bytes",
    "not_a_picture": "it is no picture, or its header is damaged",
    "unknown_format": "its format is known but not read",
    "truncated": "its end is missing",
    "damaged": "it cannot be decoded",
    "too_large": "it has too many pixels",
    "too_small": "it is too small to hold anything",
    "not_finite": "it holds values that are no numbers",
    "no_such_page": "the page is not there",
    "pages_differ": "its pages are of different sizes",
    "no_answer": "the model's answer is not a number",
}


def meaning(code: str, *, of_a_catalogue: bool) -> str:
    """What a code means, for people; empty if nobody knows."""
    own = OF_A_CATALOGUE if of_a_catalogue else OF_AIR_AND_DAIR
    known = OF_EVERY_MODEL | OF_A_FILE | OF_THE_RUN | own
    return known.get("first_of_N_pages" if code.startswith("first_of_") else code, "")
