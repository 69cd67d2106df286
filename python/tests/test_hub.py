"""Names of the Hub, gated models, logins and uploads, against the local Hub of the C++ tests.

GPTQ_LOCAL_HUB names its program (the target local_hub_main); without it these tests are skipped.
"""

import json
import os
import pathlib
import subprocess

import pytest

import gptq
from gptq import AutoTokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("GPTQ_LOCAL_HUB", "")
pytestmark = pytest.mark.skipif(not PROGRAM, reason="GPTQ_LOCAL_HUB is not set")


class LocalHub:
    def __init__(self):
        self.process = subprocess.Popen([PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.endpoint = json.loads(self.process.stdout.readline())["endpoint"]

    def do(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


@pytest.fixture
def hub(tmp_path, monkeypatch):
    hub = LocalHub()
    for name in ("HF_TOKEN", "HF_HUB_CACHE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
    hub.do(commit="org/demo", folder=str(ROOT / "models" / "demo"))
    hub.do(user="ann", token="hf_good", role="write")
    yield hub
    hub.process.stdin.close()
    hub.process.wait()


def test_tokenizers_are_downloaded_without_weights(hub, tmp_path):
    tokenizer = AutoTokenizer.from_pretrained("org/demo")
    assert tokenizer.encode("Hello") == AutoTokenizer.from_pretrained(ROOT / "models" / "demo").encode("Hello")
    assert tokenizer.name_or_path == "org/demo"
    files = {path.name for path in (tmp_path / "home").rglob("snapshots/*/*")}
    assert "tokenizer.json" in files and "model.safetensors" not in files
    assert AutoTokenizer.from_pretrained("org/demo", local_files_only=True).encode("a") == tokenizer.encode("a")


def test_a_folder_of_its_own_and_progress(hub, tmp_path):
    seen = []
    folder = gptq.snapshot_download(
        "org/demo",
        local_dir=tmp_path / "own",
        progress=lambda file, done, total: seen.append((file, done, total)) or True,
    )
    assert folder == str(tmp_path / "own") and (tmp_path / "own" / "model.safetensors").exists()
    assert seen and all(0 <= done <= total for _, done, total in seen)
    with pytest.raises(KeyboardInterrupt):
        gptq.snapshot_download("org/demo", local_dir=tmp_path / "stopped", progress=lambda *_: False)
    with pytest.raises(ZeroDivisionError):
        gptq.snapshot_download("org/demo", local_dir=tmp_path / "failed", progress=lambda *_: 1 / 0)


def test_errors(hub):
    with pytest.raises(FileNotFoundError):
        AutoTokenizer.from_pretrained("org/none")
    hub.do(gated="org/demo", mode="manual")
    with pytest.raises(PermissionError, match="org/demo"):
        AutoTokenizer.from_pretrained("org/demo")
    with pytest.raises(TypeError):
        gptq.snapshot_download("org/demo", no_such=1)


def test_logins(hub):
    with pytest.raises(PermissionError):
        gptq.login("hf_wrong")
    gptq.login("hf_good")
    assert gptq.whoami()["name"] == "ann"
    gptq.login(skip_if_logged_in=True)
    gptq.logout()
    with pytest.raises(PermissionError):
        gptq.whoami()


def test_uploads(hub, tokenizer):
    tokenizer.add_tokens(["<think>"])
    url = tokenizer.push_to_hub("ann/tokens", token="hf_good", commit_message="Tokenizer")
    assert "ann/tokens" in url
    again = AutoTokenizer.from_pretrained("ann/tokens")
    assert again.encode("a<think>") == tokenizer.encode("a<think>")
