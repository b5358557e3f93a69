"""Catalogue: many objects in a picture of any size, at a glance.

    p(x | catalogue)    a ground and objects like the folder's own, composed: no density, only samples
    q(catalogue | x)    a convolutional network over a grid of cells of four colours

q learns from samples (catalogue, x) of p, which is the sleep half of wake-sleep (Hinton et al. 1995): it
minimises E_p KL(p(catalogue | x) || q). What p is made of is harvested from the folder: the wake half.

normalize   pictures of any size and ground as ones whose objects look alike
harvest     lone objects, bare ground, and what is sure in the folder
light       whether the light of objects that overlap adds up
compose     scenes of those, with their truth
posterior   q: the network, its likelihood and its samples
detect      objects named by most samples, and how many there may be
edge        whether what the border cuts counts
rivals      watershed and Laplacian of Gaussian, beside it
"""
