"""Core: the terms that everything else speaks. It imports nothing of ours.

interfaces      what learners, batches and settings are to all others
distributions   what a program may leave to chance
draws           draws that need no gradient: means and samples
counts          priors on the count
glimpse         read a window, paint a window
networks        linear layers, perceptrons, convolutions
optimizer       how a gradient is followed
image_io        files into arrays
picture_files   which files, and what was left out
preprocess      arrays into pictures of the model, and places on them back
specs           choices spelled as text
sealed          JSON that tells when it was altered
bounds          from where to where each number of an option may lie
typed           JSON as a dataclass, every value of the declared type
stopping        a process that is asked to stop says so, and stops when it can
compile         programs, compiled once and not too hard
errors          what can go wrong, said kindly
"""
