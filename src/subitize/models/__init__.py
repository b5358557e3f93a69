"""Models: programs for one image. None of them knows how its randomness will be differentiated.

settings  what defines an attend, infer, repeat besides its weights
air       attend, infer, repeat
attention  what leads it from object to object
rollout   one roll-out, and how well it explains the picture
inference what it sees in one picture
refinement  further passes over what was found
dair      an attention network that remembers no step, fed by the difference with the image
sums      what a picture of several things looks like, learned from pictures of one
sbn       a sigmoid belief network
draw      DRAW, which paints a picture stroke by stroke
subitizing_vae  a variational autoencoder that compares pictures as they look
count_classifier  a supervised counter, for comparison
catalogue  many objects in a picture of any size, at a glance

The names here are loaded when they are first used, so that importing settings stays cheap.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
