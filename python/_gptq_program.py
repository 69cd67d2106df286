"""The console script `gptq`: replaces the interpreter by the native program of the package.

Not part of the package itself, because importing anything of it would load the library a second time.
"""

import os
import signal
import sys
from importlib.util import find_spec
from typing import NoReturn


def program() -> str:
    """The path of the native program; FileNotFoundError if the package was built without it."""
    spec = find_spec("gptq")
    folders = list(spec.submodule_search_locations or []) if spec else []
    for folder in folders:
        path = os.path.join(folder, "bin", "gptq")
        if os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(f"bin/gptq is in none of {folders}: the Python package gptq-native is not installed completely")


def main() -> NoReturn:
    # The interpreter ignores these signals and handles Ctrl-C; the program starts with what its caller has set.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        os.execv(program(), ["gptq", *sys.argv[1:]])
    except OSError as error:
        sys.exit(f"gptq: {error}")
