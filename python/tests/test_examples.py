"""The examples run to their end, and AutoGPTQ's guide prints what the unquantized model answers."""

from __future__ import annotations

import http.server
import importlib.util
import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ANSWER = "How are you today? I am doing well, thank you for asking. How can I help you today?"
IMPORTS = "from gptq import AutoGPTQForCausalLM, AutoTokenizer, BaseQuantizeConfig, login\n"


class _Hub(http.server.BaseHTTPRequestHandler):
    """Knows one account."""

    def do_GET(self) -> None:
        body = json.dumps({"name": "me", "type": "user", "auth": {"accessToken": {"displayName": "t", "role": "read"}}})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def hub():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()


def run(code: str, folder: Path, hub: str) -> list[str]:
    """Runs a script in a folder with the models; returns the lines it prints."""
    (folder / "models").symlink_to(ROOT / "models")
    (folder / "script.py").write_text(code)
    environment = {
        **os.environ,
        "HF_ENDPOINT": hub,
        "HF_HOME": str(folder / "hf"),
        "XDG_CACHE_HOME": str(folder / "cache"),
    }
    result = subprocess.run([sys.executable, "script.py"], cwd=folder, env=environment, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return result.stdout.splitlines()


def has_gpu() -> bool:
    import gptq

    return gptq.get_best_device() != "cpu"


@pytest.mark.parametrize(
    "imports",
    [
        pytest.param(IMPORTS, id="gptq"),
        pytest.param(
            "from gptq import AutoGPTQForCausalLM, BaseQuantizeConfig, login\nfrom transformers import AutoTokenizer\n",
            id="transformers",
            marks=pytest.mark.skipif(
                importlib.util.find_spec("transformers") is None, reason="transformers is not installed"
            ),
        ),
        pytest.param(
            "from huggingface_hub import login\nfrom transformers import AutoTokenizer\n"
            "from auto_gptq import AutoGPTQForCausalLM, BaseQuantizeConfig\n",
            id="unchanged",
            marks=pytest.mark.skipif(
                any(importlib.util.find_spec(name) is None for name in ("transformers", "auto_gptq")),
                reason="transformers or gptq-native-autogptq is not installed",
            ),
        ),
    ],
)
def test_autogptq_guide(tmp_path, hub, imports):
    code = (ROOT / "examples" / "autogptq_guide.py").read_text()
    assert code.count(IMPORTS) == 1 and code.count('"cuda:0"') == 2
    code = code.replace(IMPORTS, imports)
    if not has_gpu():
        code = code.replace('"cuda:0"', '"cpu"')
    assert run(code, tmp_path, hub)[-1] == ANSWER
    assert (tmp_path / "demo_gptq_quant" / "model.safetensors").exists()


def test_walkthrough(tmp_path, hub):
    lines = run((ROOT / "examples" / "walkthrough.py").read_text(), tmp_path, hub)
    assert lines[0].startswith("largest error: ")
    perplexities = [float(line.split("perplexity ")[1].split()[0]) for line in lines[1:3]]
    assert perplexities[0] < perplexities[1] < 1.15 * perplexities[0]


def test_readme(tmp_path, hub):
    """The Python lines of README do what it says."""
    text = (ROOT / "README.md").read_text()
    code = text.split("```python\n")[1].split("```")[0]
    code = code.replace("mistralai/Mistral-7B-Instruct-v0.3", "models/demo")
    assert run(code, tmp_path, hub)[-1].strip()
