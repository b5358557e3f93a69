"""Estimators of gradients, one a file: which formula differentiates an expectation?"""
