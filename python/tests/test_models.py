"""Models: quantizing, saving, generating, scoring, on the demo model and a CPU."""

from __future__ import annotations

import json
import shutil
import threading
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


@pytest.fixture(scope="session")
def tokenizer():
    return gptq.AutoTokenizer.from_pretrained(DEMO)


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """The demo model's first layer."""
    folder = tmp_path_factory.mktemp("small")
    for path in DEMO.iterdir():
        (folder / path.name).symlink_to(path)
    config = json.loads((DEMO / "config.json").read_text())
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 1}))
    return folder


@pytest.fixture(scope="session")
def original():
    return GPTQModel.load(DEMO, device="cpu")


@pytest.fixture(scope="session")
def quantized_folder(tmp_path_factory, tokenizer):
    """The demo model quantized with rows of its calibration file."""
    folder = tmp_path_factory.mktemp("models") / "quantized"
    lines = (DEMO / "calibration.jsonl").read_text().splitlines()[:24]
    model = AutoGPTQForCausalLM.from_pretrained(DEMO, BaseQuantizeConfig(group_size=128, desc_act=False), device="cpu")
    model.quantize([json.loads(line) for line in lines], progress=False)
    model.save_quantized(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def model(quantized_folder):
    return AutoGPTQForCausalLM.from_quantized(quantized_folder, device="cpu")


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
    with pytest.raises(OSError, match="4095"):
        quantize([[5000]])
    with pytest.raises(ValueError, match="of 10 tokens or more"):
        quantize([[1, 2, 3]], calibration_data_min_length=10)
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


# ---- generating


def test_outputs_have_the_kind_of_the_inputs(model, tokenizer):
    ids = tokenizer(QUESTION)["input_ids"]
    expected = model.generate(ids, max_new_tokens=6)
    assert isinstance(expected, list) and expected[0][: len(ids)] == ids and len(expected[0]) == len(ids) + 6
    array = model.generate(np.array([ids]), max_new_tokens=6)
    assert isinstance(array, np.ndarray) and array.dtype == np.int64 and array.tolist() == expected
    tensor = model.generate(**tokenizer(QUESTION, return_tensors="pt").to("cpu"), max_new_tokens=6)
    assert type(tensor).__name__ == "Tensor" and tensor.tolist() == expected and tensor.shape == (1, len(ids) + 6)
    assert model.generate(QUESTION, max_new_tokens=6).shape[0] == 1
    output = model.generate(ids, max_new_tokens=6, return_dict_in_generate=True)
    assert output.sequences == expected and output["sequences"] == expected


def test_the_answer_ends_with_its_last_token(model, tokenizer):
    out = model.generate(tokenizer(QUESTION, return_tensors="np")["input_ids"], max_new_tokens=60)[0]
    assert out[-1] == tokenizer.eos_token_id
    text = tokenizer.decode(out)
    assert text.endswith("</s>") and text.count("</s>") == 1


def test_batches_equal_single_prompts(model, tokenizer):
    texts = ["The old man looked at", QUESTION, "Mr. Holmes said that he would go to London"]
    for side in ("left", "right"):
        tokenizer.padding_side = side
        tokenizer.pad_token = tokenizer.eos_token
        batch = tokenizer(texts, padding=True, return_tensors="np")
        out = model.generate(**batch, max_new_tokens=12)
        width = batch["input_ids"].shape[1]
        for row, text in zip(out, texts):
            alone = model.generate(tokenizer(text)["input_ids"], max_new_tokens=12)[0]
            new = alone[len(tokenizer(text)["input_ids"]) :]
            assert row[width : width + len(new)].tolist() == new
            assert set(row[width + len(new) :].tolist()) <= {tokenizer.eos_token_id}
    tokenizer.padding_side = "left"


def test_sampling_and_seeds(model, tokenizer):
    ids = tokenizer("It was a dark and stormy night,")["input_ids"]

    def sample(**kwargs):
        return model.generate(ids, max_new_tokens=10, do_sample=True, **kwargs)

    assert sample(seed=1) == sample(seed=1)
    assert sample(seed=1) != sample(seed=2)
    assert sample(seed=3, top_k=1) == model.generate(ids, max_new_tokens=10)
    several = sample(seed=5, num_return_sequences=3)
    assert len(several) == 3 and len({tuple(row) for row in several}) == 3
    assert model.generate(ids, max_new_tokens=10, temperature=0.7) == model.generate(ids, max_new_tokens=10), "greedy"
    with pytest.raises(ValueError, match="temperature"):
        sample(temperature=0.0)


def test_limits_and_stops(model, tokenizer):
    ids = tokenizer("The old man looked at the")["input_ids"]
    whole = model.generate(ids, max_new_tokens=12)[0]
    assert len(model.generate(ids, max_length=len(ids) + 3, max_new_tokens=None)[0]) == len(ids) + 3
    with pytest.raises(ValueError, match="max_length"):
        model.generate(ids, max_length=len(ids), max_new_tokens=None)
    third = whole[len(ids) + 2]
    stopped = model.generate(ids, max_new_tokens=12, eos_token_id=third)[0]
    assert stopped[-1] == third and stopped == whole[: len(stopped)]
    piece = tokenizer.decode(whole[len(ids) :])[4:8]
    assert len(model.generate(ids, max_new_tokens=12, stop_strings=[piece], tokenizer=tokenizer)[0]) < len(whole)


def test_settings_of_the_model_that_are_not_supported_are_said(small, tmp_path, caplog):
    for path in small.iterdir():
        (tmp_path / path.name).symlink_to(path)
    (tmp_path / "generation_config.json").unlink()
    (tmp_path / "generation_config.json").write_text('{"no_repeat_ngram_size": 3, "eos_token_id": 2}')
    GPTQModel.load(tmp_path, device="cpu")
    assert "no_repeat_ngram_size=3 is not supported" in caplog.text


def test_arguments_that_are_not_supported_raise(model):
    for kwargs in ({"num_beams": 4}, {"no_repeat_ngram_size": 2}, {"bad_words_ids": [[5]]}, {"output_scores": True}):
        with pytest.raises(NotImplementedError, match=next(iter(kwargs))):
            model.generate([1, 2], max_new_tokens=1, **kwargs)
    with pytest.raises(NotImplementedError, match="num_beams=3"):
        model.generate([1, 2], generation_config=gptq.GenerationConfig(num_beams=3))
    settings = gptq.GenerationConfig(max_new_tokens=3, num_beams=1, max_length=20)
    assert len(model.generate([1, 2], generation_config=settings)[0]) == 5
    assert len(model.generate([1, 2], generation_config=settings, max_new_tokens=4)[0]) == 6
    with pytest.raises(TypeError, match="max_tokens"):
        model.generate([1, 2], max_tokens=1)
    for bad in ([], None, [[]]):
        with pytest.raises(ValueError):
            model.generate(bad, max_new_tokens=1)


def test_streamers(model, tokenizer, capsys):
    inputs = tokenizer(QUESTION, return_tensors="pt")
    whole = tokenizer.decode(model.generate(**inputs, max_new_tokens=30)[0], skip_special_tokens=True)
    start = tokenizer.decode(inputs["input_ids"][0], skip_special_tokens=True)
    streamer = gptq.TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True, timeout=60)
    thread = threading.Thread(target=model.generate, kwargs=dict(**inputs, streamer=streamer, max_new_tokens=30))
    thread.start()
    pieces = list(streamer)
    thread.join()
    assert "".join(pieces) == whole[len(start) :].lstrip() and len(pieces) > 3
    model.generate(**inputs, streamer=gptq.TextStreamer(tokenizer, skip_special_tokens=True), max_new_tokens=30)
    assert capsys.readouterr().out == whole + "\n"
    with pytest.raises(ValueError, match="streamer"):
        model.generate([[1], [2]], streamer=streamer, max_new_tokens=1)


def test_threads_share_a_model(model, tokenizer):
    prompts = [tokenizer(f"Number {i} of the")["input_ids"] for i in range(6)]
    expected = [model.generate(ids, max_new_tokens=8) for ids in prompts]
    results: list = [None] * len(prompts)

    def work(i: int) -> None:
        for _ in range(3):
            results[i] = model.generate(prompts[i], max_new_tokens=8)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(prompts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == expected


def test_the_gil_is_free(model):
    counted, done = 0, threading.Event()

    def work() -> None:
        model.generate([1, 2, 3], max_new_tokens=60, eos_token_id=[])
        done.set()

    thread = threading.Thread(target=work)
    thread.start()
    while not done.is_set():
        counted += 1
        time.sleep(0)
    thread.join()
    assert counted > 100


# ---- scores and the direct interface


def test_forward_gives_logits(model):
    logits = model(input_ids=np.array([[1, 5, 6], [1, 7, 0]]), attention_mask=np.array([[1, 1, 1], [1, 1, 0]])).logits
    assert logits.shape == (2, 3, 4096) and logits.dtype == np.float32
    assert np.allclose(logits[1, :2], model([1, 7]).logits[0])
    assert not logits[1, 2].any()


def test_engine(model, quantized_folder):
    engine = gptq.Engine(quantized_folder, device="cpu")
    result = engine.generate("It was", max_new_tokens=5)
    assert result.new_tokens == 5 and result.finish_reason == "length" and result.seed is None
    assert engine.generate(["It was", "He said"], max_new_tokens=5)[0].tokens == result.tokens
    assert "".join(engine.stream("It was", max_new_tokens=5)) == result.text
    assert "".join(model.stream("It was", max_new_tokens=5)) == result.text
    stream = engine.stream("It was", max_new_tokens=400, ignore_eos=True)
    next(stream)
    stream.close()  # cancels
    tokens = engine.encode("It was a bright cold day in April.")
    log_probs, best = engine.score(tokens)
    logits = engine.logits(tokens).astype(np.float64)
    expected = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    assert np.allclose(log_probs, [expected[i, t] for i, t in enumerate(tokens[1:])], atol=1e-4)
    assert best.tolist() == logits[:-1].argmax(axis=1).tolist()
    text = (DEMO / "eval.txt").read_text()[:3000]
    measured = engine.perplexity(text, 128)
    assert measured.windows > 3 and 5 < measured.perplexity < 200
    assert gptq.perplexity(quantized_folder, text, 128, device="cpu").perplexity == measured.perplexity
    with pytest.raises(ValueError, match="context"):
        engine.generate(list(range(5, 700)))
    with pytest.raises(RuntimeError, match="stopped by the callback"):
        engine.perplexity(text, 64, on_step=lambda done, total: False)
    with pytest.raises(RuntimeError, match="step"):
        engine.perplexity(text, 64, on_step=_raise)


def _raise(done, total):
    raise RuntimeError("no step")


def test_pipeline(model, tokenizer, quantized_folder):
    pipe = gptq.pipeline("text-generation", model=model, tokenizer=tokenizer)
    one = pipe("The old man", max_new_tokens=6)
    assert one[0]["generated_text"].startswith("The old man")
    assert (
        pipe("The old man", max_new_tokens=6, return_full_text=False)[0]["generated_text"]
        == one[0]["generated_text"][11:]
    )
    many = pipe(["The old man", "He said"], max_new_tokens=6)
    assert many[0] == one and len(many) == 2
    answer = pipe([{"role": "user", "content": "How are you today?"}], max_new_tokens=40)[0]["generated_text"]
    assert answer[-1]["role"] == "assistant" and answer[-1]["content"]
    other = gptq.pipeline("text-generation", model=quantized_folder, device="cpu")
    assert other("The old man", max_new_tokens=6) == one
    with pytest.raises(ValueError, match="summarization"):
        gptq.pipeline("summarization", model=model)


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


def test_leaks_nothing(quantized_folder):
    """Loading and unloading: the resident memory stays flat."""

    def resident() -> int:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * 4096

    def load() -> None:
        gptq.Engine(quantized_folder, device="cpu").generate([1, 2, 3], max_new_tokens=1)

    for _ in range(20):
        load()
    before = resident()
    for _ in range(60):
        load()
    assert resident() - before < 12_000_000


# ---- with torch, transformers and datasets


@pytest.mark.transformers
def test_torch_tensors_go_in_and_come_out(model):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    tokenizer = transformers.AutoTokenizer.from_pretrained(DEMO)
    inputs = tokenizer(QUESTION, return_tensors="pt")
    out = model.generate(**inputs, max_new_tokens=40)
    assert isinstance(out, torch.Tensor) and out.dtype == torch.int64 and str(model.device) == "cpu"
    assert out[0].tolist() == model.generate(inputs["input_ids"][0].tolist(), max_new_tokens=40)[0]
    streamer = transformers.TextIteratorStreamer(tokenizer, skip_prompt=True, skip_special_tokens=True)
    thread = threading.Thread(target=model.generate, kwargs=dict(**inputs, streamer=streamer, max_new_tokens=40))
    thread.start()
    pieces = "".join(streamer)
    thread.join()
    assert pieces.strip() == tokenizer.decode(out[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True).strip()
    assert isinstance(model(inputs["input_ids"]).logits, torch.Tensor)


@pytest.mark.transformers
def test_greedy_answers_equal_those_of_transformers(original):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    reference = transformers.AutoModelForCausalLM.from_pretrained(DEMO, dtype=torch.float32)
    tokenizer = transformers.AutoTokenizer.from_pretrained(DEMO)
    for text in (QUESTION, "The old man looked at the"):
        inputs = tokenizer(text, return_tensors="pt")
        for options in ({"max_new_tokens": 32}, {"max_length": inputs["input_ids"].shape[1] + 5}, {}):
            expected = reference.generate(**inputs, do_sample=False, **options)
            assert original.generate(**inputs, do_sample=False, **options).tolist() == expected.tolist(), options
    logits = reference(**inputs).logits.detach()
    assert torch.allclose(original(**inputs).logits, logits, atol=2e-3 * float(logits.abs().max()))


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
