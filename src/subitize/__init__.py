"""subitize: deep generative inference that counts."""

__version__ = "0.1.0"
