"""Seeds: which whole numbers may start all that is random."""

LARGEST_SEED = 2**31 - 1  # fits into an integer of the device
