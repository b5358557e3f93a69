"""Equivalences: a familiar method on one side, Bayesian inference on the other.

Each file states one identity and computes both sides of it. It also says what the identity does not claim.

sides                    the two sides of an identity, and how far they differ
lasso_is_map             the lasso and a Laplace prior; ridge regression and a Gaussian prior
svm_is_gp_map            the support vector machine and the mode of a Gaussian process
herding_is_quadrature    kernel herding and Bayesian quadrature
dropout_is_vi            dropout and a variational posterior
sgd_is_vi                constant-rate stochastic gradient descent and a variational posterior
early_stopping_is_ridge  gradient descent that stops early and ridge regression
kmeans_is_em             k-means and expectation maximisation
pca_is_vae               principal component analysis and a linear variational autoencoder
"""

from subitize.equivalences.sides import Sides

__all__ = ["Sides"]
