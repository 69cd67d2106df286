"""Quantize language models with GPTQ and run them."""

from gptq._core import version as _version

__version__ = _version()
