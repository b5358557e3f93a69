"""Counter: what learning to count adds to training.

options            what defines an attend, infer, repeat and its learning, besides its pictures
learner            the learner of those options
curriculum         scenes under a prior on the count, and sums of ones
object_size        how large a window must be, from the pictures alone
select_estimator   which estimator differentiates through the count
diagnostics        whether a run has gone wrong, from what it says about pictures alone
monitor            what is recorded along the way
inference          what a trained model sees in pictures
"""
