"""Models: loading, quantizing, saving, settings, on the demo model and a CPU."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import gptq
from gptq import AutoGPTQForCausalLM, BaseQuantizeConfig, GPTQModel, QuantizeConfig

DEMO = Path(__file__).parents[2] / "models" / "demo"
SENTENCE = (
    "auto-gptq is an easy-to-use model quantization library with user-friendly apis, based on the GPTQ algorithm."
)
QUESTION = "[INST] How are you today?[/INST]"


def weights(folder):
    return (Path(folder) / "model.safetensors").read_bytes()


# ---- loading


def test_classes_are_not_instantiated():
    for kind in (AutoGPTQForCausalLM, GPTQModel):
        with pytest.raises(OSError, match="from_pretrained|load"):
            kind()


def test_loading_errors(tmp_path, quantized_folder):
    with pytest.raises(FileNotFoundError, match="not quantized"):
        AutoGPTQForCausalLM.from_quantized(DEMO, device="cpu")
    with pytest.raises(FileNotFoundError, match="no such folder"):
        GPTQModel.load(tmp_path / "missing")
    with pytest.raises(TypeError, match="use_magic"):
        GPTQModel.load(DEMO, use_magic=True)
    with pytest.raises(RuntimeError, match="cuda:99|GPU"):
        GPTQModel.load(DEMO, device="cuda:99")
    with pytest.raises(ValueError, match="tpu"):
        GPTQModel.load(DEMO, device="tpu")
    (tmp_path / "config.json").write_text('{"architectures": ["Mamba"], "model_type": "mamba"}')
    with pytest.raises(TypeError, match="not supported"):
        GPTQModel.load(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(OSError, match="damaged"):
        GPTQModel.load(tmp_path)
    ignored = dict(
        use_triton=False,
        inject_fused_attention=False,
        disable_exllama=True,
        torch_dtype="float16",
        trust_remote_code=True,
    )
    assert AutoGPTQForCausalLM.from_quantized(quantized_folder, device_map={"": "cpu"}, **ignored).quantized


def test_attributes(model, original, quantized_folder):
    assert model.config.model_type == "mistral" and model.config.to_dict()["vocab_size"] == 4096
    with pytest.raises(AttributeError, match="no 'nothing'"):
        model.config.nothing
    assert model.quantize_config.bits == 4 and model.quantize_config.group_size == 128
    assert str(model.device) == "cpu" and model.hf_device_map == {"": "cpu"}
    assert model.eval() is model and model.to("cpu") is model and model.can_generate()
    assert original.quantize_config is None and not original.quantized
    assert model.num_parameters() == original.num_parameters()
    assert model.get_memory_footprint() < original.get_memory_footprint()


def test_leaks_nothing(quantized_folder):
    """Loading and unloading a thousand times: the resident memory stays flat."""

    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    def load() -> None:
        gptq.Engine(quantized_folder, device="cpu").generate([1, 2, 3], max_new_tokens=1)

    for _ in range(20):
        load()
    before = resident()
    for _ in range(1000):
        load()
    assert resident() - before < 12_000_000


# ---- quantizing


def test_every_form_of_example_gives_the_same_weights(tmp_path, tokenizer, small):
    text = "It was a bright cold day in April, and the clocks were striking thirteen."
    ids = tokenizer(text)["input_ids"]
    forms = {
        "BatchEncoding": [tokenizer(text)],
        "lists": [{"input_ids": ids, "attention_mask": [1] * len(ids)}],
        "nested": [{"input_ids": [ids], "attention_mask": [[1] * len(ids)]}],
        "numpy": [{"input_ids": np.array(ids), "attention_mask": np.ones(len(ids), dtype=int)}],
        "tensor": [tokenizer(text, return_tensors="pt")],
        "padded": [{"input_ids": [0, 0, *ids, 0], "attention_mask": [0, 0, *[1] * len(ids), 0]}],
        "ids": [ids],
        "array": np.array([ids]),
        "text": [text],
        "column": [{"text": text}],
    }
    results = {}
    for name, examples in forms.items():
        model = GPTQModel.load(small, QuantizeConfig(bits=4, group_size=128), device="cpu")
        model.quantize(examples, progress=False)
        model.save(tmp_path / name)
        results[name] = weights(tmp_path / name)
    assert len(set(results.values())) == 1, [name for name, value in results.items() if value != results["ids"]]


def test_messages_and_several_rows_equal_those_of_a_file(tmp_path, small):
    rows = [
        {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]},
        {"text": SENTENCE},
        {"input_ids": [1, 5, 6, 7, 8, 9]},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = QuantizeConfig()
    gptq.quantize(small, tmp_path / "a", config, calibration=rows, device="cpu", progress=False)
    report = gptq.quantize(small, tmp_path / "b", config, files=[path], device="cpu", progress=False)
    assert weights(tmp_path / "a") == weights(tmp_path / "b")
    assert len(report.modules) == 7 and report.errors_meaningful and any("built-in" in note for note in report.notes)


def test_bad_examples(small):
    def quantize(examples, **kwargs):
        GPTQModel.load(small, QuantizeConfig(), device="cpu").quantize(examples, progress=False, **kwargs)

    for examples, message in [
        ("one string", "one string"),
        ([], "no calibration examples"),
        ([{"words": 1}], "keys words"),
        ([[1.5]], "token ids"),
        ([{"input_ids": [1, 2], "attention_mask": [1]}], "attention_mask"),
        (7, "type int"),
        ([None], "type NoneType"),
    ]:
        with pytest.raises(ValueError, match=message):
            quantize(examples)
    for row in ([5000], [-1], [10**12]):
        with pytest.raises(ValueError, match=str(row[0])):
            quantize([row])
    for talk in ({"messages": [{"role": "user"}]}, [{"role": "user", "content": 5}], {"messages": 5}):
        with pytest.raises(ValueError, match="row 1"):
            quantize([talk])
    for short in ([1, 2, 3], "It was", [{"role": "user", "content": "Hi"}]):
        with pytest.raises(ValueError, match="of 10 tokens or more"):
            quantize([short], calibration_data_min_length=10)
    with pytest.raises(TypeError, match="use_magic"):
        quantize([[1, 2, 3]], use_magic=1)


def test_saving(tmp_path, tokenizer):
    model = AutoGPTQForCausalLM.from_pretrained(
        DEMO, quantize_config=BaseQuantizeConfig(group_size=128, desc_act=False), device="cpu"
    )
    with pytest.raises(OSError, match="execute .quantize first"):
        model.save_quantized(tmp_path / "early")
    assert model.quantize([tokenizer(SENTENCE)], progress=False)["gptq"][0]["method"] == "gptq"
    with pytest.raises(ValueError, match="quantized"):
        model.quantize([tokenizer(SENTENCE)], progress=False)
    model.save_quantized(tmp_path / "out")
    tokenizer.save_pretrained(tmp_path / "out")
    with pytest.warns(UserWarning, match="use_safetensors"):
        model.save_quantized(tmp_path / "out", use_safetensors=False)
    with pytest.warns(UserWarning, match="max_shard_size: no effect"):
        model.save_quantized(tmp_path / "out", max_shard_size="4GB", meta_quantizer=None)
    with pytest.raises(TypeError, match="eora_path"):
        model.save_quantized(tmp_path / "out", eora_path="lora")
    assert model.quantize_config.to_dict()["group_size"] == 128
    before = model.generate(tokenizer(QUESTION, return_tensors="np")["input_ids"], max_new_tokens=8)
    loaded = AutoGPTQForCausalLM.from_quantized(tmp_path / "out", device="cpu")
    assert (loaded.generate(tokenizer(QUESTION, return_tensors="np")["input_ids"], max_new_tokens=8) == before).all()
    loaded.save_pretrained(tmp_path / "copy")
    assert weights(tmp_path / "copy") == weights(tmp_path / "out")
    shutil.copytree(DEMO, tmp_path / "source")
    for saved in (model, loaded):
        with pytest.raises(ValueError, match="not quantized"):
            saved.save_quantized(tmp_path / "source")
    assert weights(tmp_path / "source") == weights(DEMO)
    loaded.save_quantized(tmp_path / "out")  # onto itself
    with pytest.raises(ValueError, match="the model"):
        model.save_quantized(DEMO)


def test_temporary_folders_are_removed(tmp_path, monkeypatch, small):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    model = GPTQModel.load(small, QuantizeConfig(), device="cpu")
    model.quantize([SENTENCE], progress=False)
    assert len(list((tmp_path / "gptq/unsaved").iterdir())) == 1
    del model
    assert list((tmp_path / "gptq/unsaved").iterdir()) == []


def test_a_callback_that_raises_stops_the_work(tmp_path):
    options = gptq._core.QuantizeOptions()
    options.model, options.device = str(DEMO), "cpu"
    options.calibration_rows = [gptq._core.CorpusRow.of_text(SENTENCE)]

    def stop(phase, fraction, module):
        raise RuntimeError("enough")

    with pytest.raises(RuntimeError, match="enough"):
        gptq._core.QuantizedModel.create(options, str(tmp_path), stop)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.transformers
def test_a_data_set_calibrates_like_its_rows(tmp_path, small):
    datasets = pytest.importorskip("datasets")
    rows = [{"text": SENTENCE}, {"text": "It was a bright cold day in April."}]
    results = []
    for name, examples in (("rows", rows), ("data", datasets.Dataset.from_list(rows))):
        model = GPTQModel.load(small, QuantizeConfig(), device="cpu")
        model.quantize(examples, progress=False)
        model.save(tmp_path / name)
        results.append(weights(tmp_path / name))
    assert results[0] == results[1]


@pytest.mark.parametrize("work", ["quantize", "generate"])
def test_ctrl_c(tmp_path, work):
    """Raises KeyboardInterrupt in the middle of the native work, and leaves no temporary folder."""
    scripts = {
        "quantize": "GPTQModel.load(sys.argv[1], QuantizeConfig(), device='cpu').quantize()",
        "generate": "GPTQModel.load(sys.argv[1], device='cpu').generate([1, 2, 3] * 20, max_new_tokens=400,"
        " eos_token_id=[], do_sample=True, num_return_sequences=200)",
    }
    # A shell that starts the tests in the background has them ignore SIGINT.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"from gptq import GPTQModel, QuantizeConfig; print('ready', flush=True); {scripts[work]}"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, DEMO],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None and process.stdout.readline() == "ready\n"
    unsaved = tmp_path / "gptq" / "unsaved"
    while work == "quantize" and process.poll() is None and not (unsaved.exists() and list(unsaved.iterdir())):
        time.sleep(0.05)
    time.sleep(0.5)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=120)
    assert process.returncode != 0 and "KeyboardInterrupt" in errors
    assert not unsaved.exists() or list(unsaved.iterdir()) == []


# ---- settings


def test_defaults_are_those_of_each_library():
    auto = BaseQuantizeConfig()
    assert (auto.bits, auto.group_size, auto.desc_act, auto.damp_percent, auto.sym) == (4, -1, True, 0.01, True)
    assert list(auto.to_dict())[:2] == ["bits", "group_size"]
    other = QuantizeConfig()
    assert (other.bits, other.group_size, other.desc_act, other.damp_percent) == (4, 128, False, 0.05)


def test_settings_are_checked_and_read_back(tmp_path, quantized_folder):
    for kwargs in ({"bits": 5}, {"group_size": 100}, {"damp_percent": 1.0}):
        with pytest.raises(ValueError, match=next(iter(kwargs)).split("_")[0]):
            BaseQuantizeConfig(**kwargs)
    with pytest.raises(ValueError, match="lm_head"):
        QuantizeConfig(lm_head=True)
    config = BaseQuantizeConfig(bits=8, group_size=64)
    config.save_pretrained(tmp_path)
    assert BaseQuantizeConfig.from_pretrained(tmp_path) == config
    assert BaseQuantizeConfig.from_pretrained(quantized_folder).bits == 4
    with pytest.raises(FileNotFoundError, match="not quantized"):
        BaseQuantizeConfig.from_pretrained(DEMO)
    config.bits = 7
    model = AutoGPTQForCausalLM.from_pretrained(DEMO, config, device="cpu")
    with pytest.raises(ValueError, match="bits"):
        model.quantize([[1, 2, 3]], progress=False)


def test_dynamic_settings(tmp_path):
    config = QuantizeConfig(
        gptaq=0.0,
        dynamic={r".*\.0\..*": {"bits": 8, "group_size": 64}, r"-:.*down_proj": {}, r"+:.*\.1\..*": {"bits": 3}},
    )
    model = GPTQModel.load(DEMO, config, device="cpu")
    logs = model.quantize([SENTENCE], progress=False)["gptq"]
    bits = {log["name"]: (log["bits"], log["group_size"]) for log in logs}
    assert bits["model.layers.0.self_attn.q_proj"] == (8, 64)
    assert bits["model.layers.1.mlp.up_proj"][0] == 3
    assert not any("down_proj" in name and ".0." not in name for name in bits)
    with pytest.raises(ValueError, match="dynamic"):
        GPTQModel.load(DEMO, QuantizeConfig(dynamic={"x": {"words": 1}}), device="cpu").quantize([SENTENCE])
