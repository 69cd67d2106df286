"""What scripts do by accident: exits in the middle of work, fork, callbacks that use their model, wrong arguments."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import gptq
from gptq import BaseQuantizeConfig, Engine, GPTQModel, QuantizeConfig

DEMO = Path(__file__).parents[2] / "models" / "demo"
IDS = [1, 579, 883, 646, 1086]

PROGRAMS = {
    "a daemon thread generates": """
        model = GPTQModel.load(sys.argv[1], device="cpu")
        work = lambda: model.generate([ids] * 64, max_new_tokens=500, eos_token_id=[])
        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.5)
    """,
    "a daemon thread quantizes": """
        model = GPTQModel.load(sys.argv[2], QuantizeConfig(), device="cpu")
        threading.Thread(target=lambda: model.quantize([ids], progress=False), daemon=True).start()
        time.sleep(0.5)
    """,
    "a stream is not read to its end": """
        stream = GPTQModel.load(sys.argv[1], device="cpu").stream("The old", max_new_tokens=400, ignore_eos=True)
        next(stream)
    """,
    "a stream outlives the module": """
        import builtins
        model = GPTQModel.load(sys.argv[1], device="cpu")
        builtins.kept = model.stream("The old", max_new_tokens=400, ignore_eos=True)
        next(builtins.kept)
    """,
    "a streamer is not read to its end": """
        model = GPTQModel.load(sys.argv[1], device="cpu")
        streamer = TextIteratorStreamer(AutoTokenizer.from_pretrained(sys.argv[2]))
        work = lambda: model.generate(ids, streamer=streamer, max_new_tokens=400, eos_token_id=[])
        threading.Thread(target=work, daemon=True).start()
        next(streamer)
    """,
    "two daemon threads use one model": """
        model = GPTQModel.load(sys.argv[1], device="cpu")
        work = lambda: [model.generate([ids] * 32, max_new_tokens=400, eos_token_id=[]) for _ in range(99)]
        for _ in range(2):
            threading.Thread(target=work, daemon=True).start()
        time.sleep(0.5)
    """,
    "a daemon thread calls back": """
        engine = GPTQModel.load(sys.argv[1], device="cpu").engine
        work = lambda: engine.generate(ids, max_new_tokens=400, ignore_eos=True, on_token=lambda *event: True)
        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.5)
    """,
    "a daemon thread saves": """
        model = GPTQModel.load(sys.argv[2], QuantizeConfig(), device="cpu")
        model.quantize([ids], progress=False)
        work = lambda: [model.save(sys.argv[3] + "/saved") for _ in range(999)]
        threading.Thread(target=work, daemon=True).start()
        time.sleep(0.3)
    """,
    "a child of fork() has its parent's stream": """
        model = GPTQModel.load(sys.argv[1], device="cpu")
        stream = model.stream("The old", max_new_tokens=300, ignore_eos=True)
        next(stream)
        child = os.fork()
        if child == 0:
            for call in (lambda: next(stream), lambda: model(ids), lambda: model.engine.encode("a")):
                try:
                    call()
                    os._exit(1)
                except RuntimeError as error:
                    assert "fork()" in str(error), error
            other = GPTQModel.load(sys.argv[1], device="cpu")
            sys.exit(0 if len(other.generate(ids, max_new_tokens=1, eos_token_id=[])[0]) == len(ids) + 1 else 1)
        assert os.waitpid(child, 0)[1] == 0
        assert "".join(stream) != ""
    """,
    "a child of fork() ends": """
        model = GPTQModel.load(sys.argv[2], QuantizeConfig(), device="cpu")
        model.quantize([ids], progress=False)
        model.generate([ids], max_new_tokens=2)
        child = os.fork()
        if child == 0:
            try:
                model.generate([ids], max_new_tokens=2)
            except RuntimeError as error:
                sys.exit(0 if "fork()" in str(error) else 1)
        assert os.waitpid(child, 0)[1] == 0
        model.save(sys.argv[3] + "/saved")  # the child has not removed it
        assert os.path.exists(sys.argv[3] + "/saved/model.safetensors")
    """,
    "Ctrl-C while another thread works": """
        model = GPTQModel.load(sys.argv[1], device="cpu")
        text = open(sys.argv[2] + "/calibration.jsonl").read()
        threading.Thread(target=lambda: model.engine.perplexity(text, 512), daemon=True).start()
        time.sleep(0.5)
        signal.signal(signal.SIGINT, signal.default_int_handler)  # background shells ignore SIGINT
        threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        try:
            model.generate(ids, max_new_tokens=5)
        except KeyboardInterrupt:
            os._exit(0)  # without waiting for the other thread
        sys.exit(1)
    """,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_end_quietly(name, quantized_folder, small, tmp_path):
    lines = [
        "import logging, os, signal, sys, threading, time",
        "from gptq import AutoTokenizer, GPTQModel, QuantizeConfig, TextIteratorStreamer",
        f"logging.disable(); ids = {IDS}",
    ]
    program = "\n".join(lines) + "\n" + "\n".join(line[8:] for line in PROGRAMS[name].splitlines())
    done = subprocess.run(
        [sys.executable, "-c", program, quantized_folder, small, tmp_path],
        env={**os.environ, "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    for wrong in ("terminate", "leaked", "Traceback"):
        assert wrong not in done.stderr


def test_a_callback_that_uses_its_model_is_refused(model):
    with pytest.raises(RuntimeError, match="callback of the same model"):
        model.engine.generate("The old", max_new_tokens=5, on_token=lambda *event: model(IDS))
    assert len(model.generate(IDS, max_new_tokens=2)[0]) == len(IDS) + 2


def test_saving_again_keeps_what_the_user_changed(tmp_path, tokenizer, small, quantized_folder):
    fresh = GPTQModel.load(small, QuantizeConfig(), device="cpu")
    fresh.quantize([IDS], progress=False)
    for saved in (fresh, GPTQModel.load(quantized_folder, device="cpu")):
        folder = tmp_path / str(id(saved))
        saved.save(folder)
        tokenizer.chat_template = "mine"
        tokenizer.save_pretrained(folder)
        (folder / "generation_config.json").write_text('{"eos_token_id": 7}')
        mine = {path.name: path.read_bytes() for path in folder.iterdir()}
        (folder / "model.safetensors").write_bytes(b"")
        saved.save(folder)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == mine
        other = GPTQModel.load(quantized_folder, device="cpu")  # of another object: everything is replaced
        other.save(folder)
        assert json.loads((folder / "generation_config.json").read_text()) != {"eos_token_id": 7}


def test_a_relative_path_is_that_of_loading(tmp_path, monkeypatch, quantized_folder):
    monkeypatch.chdir(quantized_folder.parent)
    model, engine = GPTQModel.load(quantized_folder.name, device="cpu"), Engine(quantized_folder.name, device="cpu")
    monkeypatch.chdir(tmp_path)
    assert model.generate(IDS, max_new_tokens=3)[0][-3:] == engine.generate(IDS, max_new_tokens=3).tokens
    model.save("copy")
    assert (tmp_path / "copy" / "model.safetensors").exists()


def test_arguments_of_pipelines_count(model, tokenizer):
    pipe = gptq.pipeline("text-generation", model=model, tokenizer=tokenizer, max_new_tokens=4, device="cpu")
    assert len(pipe("The old man", return_tensors=True)[0]["generated_token_ids"]) <= len(tokenizer("The old man")["input_ids"]) + 4  # fmt: skip
    assert pipe("The old man", return_full_text=False)[0]["generated_text"] != ""
    assert pipe([]) == []
    with pytest.raises(TypeError, match="bogus"):
        gptq.pipeline("text-generation", model=model, tokenizer=tokenizer, bogus=1)


def test_changed_settings_of_the_model_count(quantized_folder):
    model = GPTQModel.load(quantized_folder, device="cpu")
    whole = model.generate(IDS, max_new_tokens=12)[0]
    third = whole[len(IDS) + 2]
    model.generation_config.eos_token_id = third
    assert model.generate(IDS, max_new_tokens=12)[0][-1] == third
    model.generation_config = {"max_new_tokens": 5}
    assert len(model.generate(IDS)[0]) == len(IDS) + 5
    model.generation_config.num_beams = 4
    with pytest.raises(NotImplementedError, match="num_beams"):
        model.generate(IDS)


def test_notes_of_quantizing_are_logged(small, caplog):
    model = GPTQModel.load(small, QuantizeConfig(dynamic={"-:.*q_proj": {}}), device="cpu")
    model.quantize([IDS], progress=False)
    assert "k_proj" in caplog.text or "share" in caplog.text


@pytest.mark.parametrize(
    ("error", "kwargs"),
    [
        (TypeError, {"max_new_tokens": 1.9}),
        (TypeError, {"max_new_tokens": "3"}),
        (ValueError, {"max_new_tokens": 2**31}),
        (TypeError, {"do_sample": "False"}),
        (TypeError, {"top_k": 1.5, "do_sample": True}),
        (ValueError, {"temperature": float("nan"), "do_sample": True}),
        (TypeError, {"seed": 1.5, "do_sample": True}),
        (ValueError, {"num_return_sequences": -1}),
        (ValueError, {"num_return_sequences": 0}),
        (TypeError, {"stop_strings": [5]}),
        (TypeError, {"streamer": 5}),
        (TypeError, {"generation_config": 5}),
        (NotImplementedError, {"token_healing": True}),
        (ValueError, {"eos_token_id": -1}),
        (ValueError, {"eos_token_id": [10**9]}),
        (ValueError, {"max_length": 2**31 + 5, "max_new_tokens": None}),
    ],
)
def test_wrong_arguments_of_generate(model, error, kwargs):
    with pytest.raises(error, match=next(iter(kwargs))):
        model.generate(IDS, **{"max_new_tokens": 1, **kwargs})


@pytest.mark.parametrize("ids", [[1.5, 2.0], [True, False], np.ones((1, 2, 3), dtype=int), [5000], [-1], [[1], 2]])
def test_wrong_ids(model, ids):
    with pytest.raises((TypeError, ValueError), match="input_ids"):
        model.generate(ids, max_new_tokens=1)


def test_wrong_arguments_elsewhere(model, small, tmp_path):
    engine = model.engine
    for wrong in (
        lambda: engine.stream(["a", "b"]).__next__(),
        lambda: engine.score([5000]),
        lambda: model([[1, 2], [3]]),
    ):
        with pytest.raises(ValueError):
            wrong()
    with pytest.raises(ValueError, match="attention_mask"):
        model.generate([[1, 2]], attention_mask=[[1, 0.5]], max_new_tokens=1)
    for kwargs in ({"bits": 4.0}, {"sym": None}, {"mse": -1.0}, {"dynamic": [1]}):
        with pytest.raises((TypeError, ValueError), match=next(iter(kwargs))):
            QuantizeConfig(**kwargs)
    with pytest.raises(ValueError, match="group_size"):
        GPTQModel.load(small, {"bits": 4, "groupsize": 32})
    with pytest.raises(TypeError, match="quantize_config"):
        GPTQModel.load(small, 5)
    for kwargs in ({"adapter": "lora"}, {"trainable": True}):
        with pytest.raises(NotImplementedError, match=next(iter(kwargs))):
            GPTQModel.load(small, **kwargs)
    with pytest.raises(ValueError, match="threads"):
        Engine(small, device="cpu", threads=-1)
    with pytest.raises(OSError, match="quantize first"):
        GPTQModel.load(small, QuantizeConfig(), device="cpu").push_to_hub("me/model")
    with pytest.raises(ValueError, match="zero byte"):
        model.save("a\0b")
    with pytest.raises(ValueError, match="device_map"):
        GPTQModel.load(small, device_map={})
    with pytest.raises(TypeError, match="token"):
        gptq.login(5)
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": "x"}')
    (tmp_path / "tokenizer.json").write_bytes((small / "tokenizer.json").read_bytes())
    with pytest.raises(OSError, match="model_max_length"):
        gptq.AutoTokenizer.from_pretrained(tmp_path)
    with pytest.raises(OSError):
        model.save(tmp_path / ("x" * 300))
    (tmp_path / "quantize_config.json").write_text("{")
    with pytest.raises(OSError, match="damaged"):
        BaseQuantizeConfig.from_pretrained(tmp_path)


def test_messages_name_arguments(small, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine")
    with pytest.raises(ValueError, match="replace it with force"):
        gptq.quantize(small, tmp_path / "out", calibration=[IDS], progress=False)


def test_short_texts_are_left_out(small, tmp_path):
    results = []
    for examples in (
        ["It was", "The old man looked at the sea and went home.", IDS],
        ["The old man looked at the sea and went home."],
    ):
        fresh = GPTQModel.load(small, QuantizeConfig(), device="cpu")
        fresh.quantize(examples, calibration_data_min_length=6, progress=False)
        fresh.save(tmp_path / str(len(results)))
        results.append((tmp_path / str(len(results)) / "model.safetensors").read_bytes())
    assert results[0] == results[1]


def test_ids_need_no_tokenizer(small, tmp_path):
    bare = tmp_path / "bare"
    bare.mkdir()
    for name in ("config.json", "model.safetensors"):
        shutil.copy(small / name, bare)
    results = []
    for folder in (bare, small):
        fresh = GPTQModel.load(folder, QuantizeConfig(), device="cpu")
        fresh.quantize([IDS], progress=False)
        fresh.save(tmp_path / str(len(results)))
        results.append((tmp_path / str(len(results)) / "model.safetensors").read_bytes())
    assert results[0] == results[1]
    for examples, error in (([[5000]], ValueError), (["It was"], OSError)):
        with pytest.raises(error):
            GPTQModel.load(bare, QuantizeConfig(), device="cpu").quantize(examples, progress=False)


def test_nothing_is_saved_from_a_folder_that_is_gone(small, quantized_folder, tmp_path):
    fresh = GPTQModel.load(small, QuantizeConfig(), device="cpu")
    fresh.quantize([IDS], progress=False)
    shutil.rmtree(fresh.folder)
    copy = tmp_path / "copy"
    shutil.copytree(quantized_folder, copy)
    loaded = GPTQModel.load(copy, device="cpu")
    shutil.rmtree(copy)
    for model in (fresh, loaded):
        with pytest.raises(FileNotFoundError, match="does not exist any more"):
            model.save(tmp_path / "saved")
        assert not (tmp_path / "saved").exists()


def test_forms_that_are_accepted(model, small, tmp_path):
    engine = model.engine
    expected = engine.generate(IDS, max_new_tokens=3).tokens
    assert engine.generate(np.array(IDS), max_new_tokens=3).tokens == expected
    assert engine.generate([np.int64(token) for token in IDS], max_new_tokens=np.int32(3)).tokens == expected
    text = engine.generate("It was", max_new_tokens=9).text
    assert engine.generate("It was", max_new_tokens=9, stop=text[3:6]).text == text[:3]
    assert np.shape(model(IDS)[0]) == (1, len(IDS), 4096)
    results = []
    for examples in (
        [{"input_ids": [0, *IDS], "attention_mask": [False, *[True] * len(IDS)]}],
        [{"input_ids": [0, *IDS], "attention_mask": [0.0, *[1.0] * len(IDS)]}],
        [IDS],
    ):
        quantized = GPTQModel.load(small, QuantizeConfig(), device="cpu")
        quantized.quantize(examples, progress=False)
        quantized.save(tmp_path / str(len(results)))
        results.append((tmp_path / str(len(results)) / "model.safetensors").read_bytes())
    assert results[0] == results[1] == results[2]
    talk = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello."}]
    GPTQModel.load(small, QuantizeConfig(), device="cpu").quantize([talk], progress=False)
