"""How well does it count? From arrays to numbers.

`counting` judges counts and their posteriors, `localisation` boxes, `bound` the evidence lower bound;
`held_out` does all of it for a run, on scenes made of pictures that it has never seen. `pictures` counts
somebody's own pictures, one row each, with what speaks against believing it.
"""
