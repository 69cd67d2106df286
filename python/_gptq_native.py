"""Finds the native files of the Python package and, as the console script `gptq`, runs its program.

Not a part of the package `gptq`, because importing that loads the library, which the program then loads again. Modules that an
import of gptq does not need are imported where they are used.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

_CUBLAS = os.path.join("nvidia", "cu13", "lib")  # in site-packages, of the wheel nvidia-cublas


def _package_folders() -> list[str]:
    from importlib.util import find_spec

    spec = find_spec("gptq")
    return list(spec.submodule_search_locations or []) if spec else []


def program() -> str:
    """The path of the program; FileNotFoundError if the package has none."""
    folders = _package_folders()
    for folder in folders:
        path = os.path.join(folder, "bin", "gptq")
        if os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(f"bin/gptq is in none of {folders}; install the package gptq-native again")


def cublas_elsewhere() -> str | None:
    """The folder of PyPI's cuBLAS if it is not in the site-packages that gptq is in, where the library itself finds it.

    It is in another one, for example, if a virtual environment with gptq extends one with nvidia-cublas.
    """
    site_packages = [os.path.dirname(folder) for folder in _package_folders()]
    for folder in [*site_packages, *sys.path]:
        path = os.path.join(folder, _CUBLAS)
        if os.path.exists(os.path.join(path, "libcublas.so.13")):
            return None if folder in site_packages else path
    return None


def preload_cublas() -> None:
    """Loads cuBLAS from another site-packages if there is a GPU; the library then finds it by its name."""
    if not any(map(os.path.exists, ("/dev/nvidiactl", "/dev/dxg"))):
        return
    folder = cublas_elsewhere()
    if folder is None:
        return
    import ctypes

    try:
        ctypes.CDLL(os.path.join(folder, "libcublasLt.so.13"), ctypes.RTLD_GLOBAL)  # which the other one names
        ctypes.CDLL(os.path.join(folder, "libcublas.so.13"))
    except OSError:
        pass  # the library searches by itself, and reports it if a GPU is used


def main() -> NoReturn:
    import signal

    # The interpreter ignores these signals and handles Ctrl-C; the program starts with what its caller has set.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    folder = cublas_elsewhere()
    if folder is not None:
        os.environ["LD_LIBRARY_PATH"] = ":".join(filter(None, [os.environ.get("LD_LIBRARY_PATH"), folder]))
    try:
        os.execv(program(), ["gptq", *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"gptq: {error}")
