"""Lets torch's Linux wheel load without CUDA: builds one tiny library that stands in for every missing CUDA library.

Each CUDA function that torch links to becomes a function returning 100, which is "no device" in CUDA's own numbering.
torch then sees a machine without a GPU. Needs a C compiler, nm and readelf.
"""
import collections
import pathlib
import re
import subprocess
import sysconfig

CUDA_LIBRARY = re.compile(r"lib(cu[a-zA-Z]+|nccl|nvrtc|nvshmem_host|nvJitLink)\.so")
CUDA_SYMBOL = re.compile(r"_*(cu[A-Z]|cuda|cublas|cudnn|cufft|cusparse|cusolver|curand|nccl|nvrtc|nvtx|cupti|nvshmem)")
SYSTEM_VERSION = ("GLIBC", "CXXABI", "GCC", "GOMP", "OMP")


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def scan(folder):
    """Names of the missing CUDA libraries, and the CUDA symbols wanted from them by symbol version."""
    needed, defined, wanted = set(), set(), collections.defaultdict(set)
    for library in folder.glob("*.so*"):
        needed |= set(re.findall(r"NEEDED.*\[(.*)\]", run("readelf", "-d", library)))
        for line in run("nm", "-D", library).splitlines():
            kind, name = line[17:].split(" ", 1)
            name, _, version = name.partition("@")
            if kind in "Uwv":
                wanted[version].add(name)
            else:
                defined.add(name)
    missing = {n for n in needed if CUDA_LIBRARY.match(n) and not (folder / n).exists()}
    symbols = {
        version: sorted(n for n in names - defined if version in needed or CUDA_SYMBOL.match(n))
        for version, names in wanted.items()
        if not version.startswith(SYSTEM_VERSION)
    }
    return missing, symbols


def stand_in(name):
    if re.search(r"Get\w*(Error|Result)(String|Name)$", name):  # torch prints what these return
        return f'const char* {name}(void) {{ return "no CUDA"; }}\n'
    return f"int {name}(void) {{ return 100; }}\n"


def main():
    folder = pathlib.Path(sysconfig.get_paths()["platlib"]) / "torch" / "lib"
    stub = folder / "libno_cuda.so"
    missing, symbols = scan(folder)
    source = "".join(stand_in(name) for names in symbols.values() for name in names)
    # The loader insists that a versioned symbol comes from a library that declares the version.
    version_map = "".join(
        f"{version} {{ global: {' '.join(name + ';' for name in names)} }};\n"
        for version, names in symbols.items()
        if version and names
    )
    map_file = folder / "libno_cuda.map"
    map_file.write_text(version_map)
    build = ["cc", "-shared", "-fPIC", "-fno-builtin", "-w", f"-Wl,--version-script={map_file}"]
    subprocess.run([*build, "-x", "c", "-", "-o", stub], input=source, text=True, check=True)
    for name in missing:
        (folder / name).symlink_to(stub.name)


if __name__ == "__main__":
    main()
