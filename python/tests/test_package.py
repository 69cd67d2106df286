"""What is installed: the import, the program behind the console script, and the files of the wheel."""

import os
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path

import pytest

import _gptq_native
import gptq

DEMO = Path(__file__).parents[2] / "models" / "demo"
PROGRAM = [sys.executable, "-c", "import sys, _gptq_native; sys.argv[0] = 'gptq'; _gptq_native.main()"]


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*PROGRAM, *arguments], text=True, capture_output=True, timeout=120, **options)  # type: ignore[call-overload]


def test_versions_are_one() -> None:
    assert metadata.version("gptq-native") == gptq.__version__
    assert run("--version").stdout == f"gptq {gptq.__version__}\n"
    module = subprocess.run([sys.executable, "-m", "gptq", "--version"], text=True, capture_output=True)
    assert module.stdout == f"gptq {gptq.__version__}\n"


def test_console_script() -> None:
    scripts = [e for e in metadata.distribution("gptq-native").entry_points if e.group == "console_scripts"]
    assert [e.name for e in scripts] == ["gptq"]
    assert scripts[0].load() is _gptq_native.main


def test_import_needs_neither_torch_nor_transformers() -> None:
    code = "import sys, gptq; sys.exit('torch' in sys.modules or 'transformers' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_exit_codes_and_streams_are_those_of_the_program() -> None:
    wrong = run("no-such-command")
    assert (wrong.returncode, wrong.stdout) == (2, "")
    assert "no command 'no-such-command'" in wrong.stderr
    assert (
        run("inspect", "/nonexistent").returncode
        == subprocess.run([_gptq_native.program(), "inspect", "/nonexistent"], capture_output=True).returncode
        != 0
    )
    tokens = run("tokenize", str(DEMO), input="hello\n")
    assert tokens.returncode == 0 and tokens.stdout.startswith("1\t<s>")


def test_the_program_replaces_the_interpreter_and_dies_of_signals() -> None:
    child = subprocess.Popen([*PROGRAM, "tokenize", str(DEMO)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdin is not None
    for _ in range(200):
        if os.path.samefile(f"/proc/{child.pid}/exe", _gptq_native.program()):
            break
        time.sleep(0.05)
    assert os.path.samefile(f"/proc/{child.pid}/exe", _gptq_native.program())
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=60) == -signal.SIGTERM


def test_one_library_serves_module_and_program() -> None:
    files = [Path(str(f.locate())) for f in metadata.files("gptq-native") or []]
    libraries = [f for f in files if f.name.startswith("libgptq.so")]
    assert len(libraries) == 1
    maps = Path("/proc/self/maps").read_text()
    assert str(libraries[0].resolve()) in maps
    resolved = subprocess.run(["ldd", _gptq_native.program()], text=True, capture_output=True).stdout
    line = next(line for line in resolved.splitlines() if "libgptq.so" in line)
    assert os.path.samefile(line.split()[2], libraries[0])
    assert "not found" not in resolved


def test_bundled_libraries_have_their_notices() -> None:
    files = [str(f) for f in metadata.files("gptq-native") or []]
    if not any(f.startswith("gptq_native.libs/") for f in files):
        pytest.skip("built without bundled libraries (pip install .)")
    assert "gptq/libopenblas.so.0" in files
    notices = [Path(f).name for f in files if "dist-info/licenses/bundled/" in f]
    assert any(n.startswith("libopenblas") for n in notices)
    assert any(n.startswith("libcurl") for n in notices)
    assert any(n.startswith("libssl") for n in notices)


def test_cublas_of_another_site_packages_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def place(site: str) -> Path:
        (tmp_path / site / "gptq").mkdir(parents=True, exist_ok=True)
        library = tmp_path / site / "nvidia" / "cu13" / "lib" / "libcublas.so.13"
        library.parent.mkdir(parents=True)
        library.touch()
        return library.parent

    other = place("other")
    (tmp_path / "own" / "gptq").mkdir(parents=True)
    monkeypatch.setattr(_gptq_native, "_package_folders", lambda: [str(tmp_path / "own" / "gptq")])
    monkeypatch.setattr(sys, "path", [str(tmp_path / "own"), str(tmp_path / "other")])
    assert _gptq_native.cublas_elsewhere() == str(other)
    place("own")  # there the library finds it by its DT_RPATH
    assert _gptq_native.cublas_elsewhere() is None
