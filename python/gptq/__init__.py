"""Quantize language models with GPTQ and run them."""

import _gptq_native

_gptq_native.preload_cublas()

from gptq._core import version as _version  # noqa: E402

__version__ = _version()
