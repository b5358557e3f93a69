"""Core: the vocabulary that everything else speaks. It imports nothing of ours.

interfaces      what learners, batches and settings are to all others
distributions   what a program may leave to chance
draws           draws that need no gradient: means and samples
counts          priors on the count
glimpse         read a window, paint a window
networks        linear layers, perceptrons, convolutions
optimizer       how a gradient is followed
seeds           which whole numbers may start all that is random
pictures        files into arrays
words           choices spelled as text
sealed          JSON that tells when it was altered
typed           JSON as a dataclass, every value of the declared type
lazy            names that cost nothing until they are used
errors          what can go wrong, said kindly
"""
