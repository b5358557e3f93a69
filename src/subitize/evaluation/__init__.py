"""How well does it count? From arrays to numbers.

`counting` judges counts and their posteriors, `localisation` boxes, `bound` the evidence lower bound;
`held_out` does all of it for a run, on scenes made of pictures that it has never seen.

`pictures` counts people's own pictures, and `doubts` says what speaks against believing an answer. `tables`
makes rows of them; `count_folder` writes these as they come, with `images`, where `count_request` lets it.

`verification` sets a `finished_count` against the `truths` of a person who was asked `to_verify` it. So it
finds a `total` and, by `conformal` prediction, intervals that hold; `verification_report` tells of it.
"""
