"""The tokenizer interface where neither torch nor transformers is needed: the guide's lines, settings, files, errors."""

import copy
import json
import pathlib
import pickle
import subprocess
import sys
import threading

import pytest

from gptq import AddedToken, AutoTokenizer, BatchEncoding, Tokenizer

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEMO = ROOT / "models" / "demo"
SENTENCE = (
    "auto-gptq is an easy-to-use model quantization library with user-friendly apis, based on the GPTQ algorithm."
)
QUESTION = [{"role": "user", "content": "How are you today?"}]


def test_importing_is_light():
    code = (
        "import sys, gptq; assert 'numpy' not in sys.modules; from gptq import AutoTokenizer;"
        f"AutoTokenizer.from_pretrained({str(DEMO)!r})('a'); assert not {{'torch', 'transformers'}} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_guide(tokenizer, tmp_path):
    example = tokenizer(SENTENCE)
    assert list(example) == ["input_ids", "attention_mask"]
    assert len(example.input_ids) == 44 and example.input_ids[0] == 1
    assert example["attention_mask"] == [1] * 44
    assert not isinstance(example, dict)
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(str(tmp_path))
    prompt = again.apply_chat_template(conversation=QUESTION, tokenize=False, add_generation_prompt=True)
    assert prompt == "<s>[INST] How are you today?[/INST]"
    inputs = again(prompt, return_tensors="pt")
    ids = inputs["input_ids"]
    assert ids.tolist() == [[1, 1, 3, 1278, 680, 526, 1774, 291, 4]]
    assert tuple(ids.shape) == (1, 9)
    assert again.decode(ids[0], skip_special_tokens=True) == "How are you today?"
    assert again.decode(ids[0]) == "<s><s>[INST] How are you today?[/INST]"


def test_unknown_arguments_are_errors(tokenizer):
    for call in (
        lambda: tokenizer("a", max_lenght=3),
        lambda: tokenizer.encode("a", no_such=1),
        lambda: tokenizer.decode([1], no_such=1),
        lambda: AutoTokenizer.from_pretrained(DEMO, no_such=1),
        lambda: tokenizer("a", None, None, None, True),
        lambda: tokenizer.push_to_hub("a/b", no_such=1),
        lambda: Tokenizer(str(DEMO), no_such=1),
    ):
        with pytest.raises(TypeError):
            call()


def test_wrong_values(tokenizer):
    with pytest.raises(ValueError, match="pad_token"):
        tokenizer(["a", "b c"], padding=True)
    tokenizer.pad_token = tokenizer.eos_token
    for arguments in (
        {"padding": "some"},
        {"truncation": "some"},
        {"return_tensors": "tf"},
        {"max_length": -1},
        {"max_length": "8", "truncation": True},
        {"padding_side": "middle"},
        {"stride": 5, "truncation": True, "max_length": 4},
        {"truncation": True, "max_length": 0},
        {"truncation": "only_second", "max_length": 2},
    ):
        with pytest.raises(ValueError):
            tokenizer("a b c d e f g", **arguments)
    with pytest.raises(ValueError, match="different lengths"):
        tokenizer(["a", "a b c"], return_tensors="pt")
    with pytest.raises(NotImplementedError):
        tokenizer(["a", "b"], is_split_into_words=True)
    with pytest.raises(UnicodeEncodeError):
        tokenizer("\ud800")


def test_named_tokens_are_attributes(tokenizer):
    assert (tokenizer.bos_token, tokenizer.eos_token_id, tokenizer.pad_token, tokenizer.pad_token_id) == (
        "<s>",
        2,
        None,
        None,
    )
    tokenizer.pad_token = tokenizer.eos_token
    assert tokenizer.pad_token_id == 2
    tokenizer.pad_token_id = 0
    assert tokenizer.pad_token == "<unk>"
    tokenizer.pad_token = AddedToken("[INST]")
    assert tokenizer.pad_token_id == 3
    tokenizer.pad_token = None
    assert "pad_token" not in tokenizer.special_tokens_map
    tokenizer.extra_special_tokens = ["[INST]"]
    assert tokenizer.all_special_tokens == ["<s>", "</s>", "<unk>", "[INST]"]
    assert tokenizer.extra_special_tokens_ids == [3]
    with pytest.raises(ValueError):
        tokenizer.bos_token = 5
    with pytest.raises(AttributeError):
        tokenizer.no_such_attribute
    tokenizer.anything = 1  # as on any object


def test_added_tokens_survive_saving(tokenizer, tmp_path):
    assert tokenizer.add_special_tokens({"pad_token": "[PAD]"}) == 1
    assert tokenizer.add_tokens(["<think>", "</think>"]) == 2
    assert tokenizer.add_tokens("<think>") == 0
    assert len(tokenizer) == 4099 and tokenizer.vocab_size == 4096
    text = "a <think>b</think>[PAD]"
    ids = tokenizer.encode(text)
    assert ids[-1] == tokenizer.pad_token_id == 4096
    tokenizer.save_pretrained(tmp_path)
    for other in (
        AutoTokenizer.from_pretrained(tmp_path),
        pickle.loads(pickle.dumps(tokenizer)),
        copy.deepcopy(tokenizer),
    ):
        assert other.encode(text) == ids
        assert (other.pad_token, len(other)) == ("[PAD]", 4099)
        assert other.decode(ids, skip_special_tokens=True) == "a <think>b</think>"


@pytest.mark.parametrize("name", ["gpt2", "qwen2", "spm_llama", "spm_t5", "tekken", "tiktoken", "bert"])
def test_other_files_are_saved(name, tmp_path):
    source = ROOT / "tests" / "golden" / "formats" / name
    tokenizer = Tokenizer(str(source))
    text = "Hello, world of 12 tokens!"
    for added in ([], ["<think>"]):
        tokenizer.add_tokens(added)
        folder = tmp_path / f"with{len(added)}"
        tokenizer.save_pretrained(folder)
        again = AutoTokenizer.from_pretrained(folder)
        assert again.encode(text + "".join(added)) == tokenizer.encode(text + "".join(added))
        assert again.special_tokens_map == tokenizer.special_tokens_map


def test_saving_into_its_own_folder(tmp_path):
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((DEMO / name).read_bytes())
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    tokenizer.chat_template = "{{ messages[0].content }}!"
    tokenizer.padding_side = "left"
    paths = tokenizer.save_pretrained(tmp_path)
    assert [pathlib.Path(path).name for path in paths] == [
        "tokenizer_config.json",
        "chat_template.jinja",
        "tokenizer.json",
    ]
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again.apply_chat_template(QUESTION, tokenize=False) == "How are you today?!"
    assert again.padding_side == "left"
    assert again.encode("x y") == tokenizer.encode("x y")
    assert "chat_template" not in json.loads((tmp_path / "tokenizer_config.json").read_text())
    with pytest.raises(OSError):
        tokenizer.save_pretrained(tmp_path / "tokenizer.json")


def test_old_folders_are_saved_with_their_tokens(tmp_path):
    """special_tokens_map.json and added_tokens.json are merged into tokenizer_config.json."""
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "tokenizer.json").write_bytes((DEMO / "tokenizer.json").read_bytes())
    (old / "tokenizer_config.json").write_text('{"model_max_length": 7}')
    (old / "special_tokens_map.json").write_text(
        '{"bos_token": "<s>", "pad_token": "<p>", "additional_special_tokens": ["<x>"]}'
    )
    (old / "added_tokens.json").write_text('{"<p>": 4096, "<q>": 4097}')
    before = AutoTokenizer.from_pretrained(old)
    assert before.pad_token_id == 4096
    before.save_pretrained(new)
    after = AutoTokenizer.from_pretrained(new)
    text = "a<p>b<q>c<x>"
    assert after.encode(text) == before.encode(text)
    assert (after.special_tokens_map, after.extra_special_tokens) == (before.special_tokens_map, ["<x>"])
    assert after.model_max_length == 7


def test_settings_replace_those_of_the_files():
    tokenizer = AutoTokenizer.from_pretrained(
        DEMO, padding_side="left", model_max_length=5, pad_token="</s>", chat_template="x", truncation_side="left"
    )
    assert tokenizer(["a", "a b c"], padding=True)["attention_mask"][0][0] == 0
    assert len(tokenizer("a b c d e f g", truncation=True).input_ids) == 5
    assert tokenizer.apply_chat_template(QUESTION, tokenize=False) == "x"
    with pytest.raises(ValueError):
        AutoTokenizer.from_pretrained(DEMO, padding_side="middle")


def test_missing_and_damaged_folders(tmp_path):
    with pytest.raises(FileNotFoundError, match="tokenizer.json"):
        AutoTokenizer.from_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match="not the name of a model"):
        AutoTokenizer.from_pretrained("no/such/folder at all")
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(OSError, match="tokenizer.json"):
        AutoTokenizer.from_pretrained(tmp_path)
    with pytest.raises(OSError):
        AutoTokenizer()


def test_names_of_the_hub_come_from_the_cache(tmp_path):
    snapshot = tmp_path / "models--org--tiny" / "snapshots" / ("0" * 40)
    snapshot.mkdir(parents=True)
    (tmp_path / "models--org--tiny" / "refs").mkdir()
    (tmp_path / "models--org--tiny" / "refs" / "main").write_text("0" * 40)
    for name in ("tokenizer.json", "tokenizer_config.json", "config.json"):
        (snapshot / name).write_bytes((DEMO / name).read_bytes())
    tokenizer = AutoTokenizer.from_pretrained("org/tiny", cache_dir=tmp_path, local_files_only=True)
    assert tokenizer.name_or_path == "org/tiny"
    assert tokenizer.encode("Hello") == AutoTokenizer.from_pretrained(DEMO).encode("Hello")
    with pytest.raises(FileNotFoundError):
        AutoTokenizer.from_pretrained("org/other", cache_dir=tmp_path, local_files_only=True)


def test_encodings_come_from_the_state_at_the_call(tokenizer):
    encoded = tokenizer("Hello [INST] world")
    assert encoded.tokens() == ["<s>", *tokenizer.tokenize("Hello [INST] world")]
    assert encoded.char_to_token(6) == encoded.tokens().index("[INST]")
    assert encoded.word_ids()[0] is None
    assert encoded.token_to_chars(0) is None
    assert encoded[0].ids == encoded.input_ids
    assert BatchEncoding({"x": [1]}).encodings is None
    with pytest.raises(ValueError):
        BatchEncoding({"x": [1]}).tokens()
    with pytest.raises(KeyError):
        BatchEncoding({"x": [1]})[0]


def test_copies(tokenizer):
    encoded = tokenizer(["a b", "c"])
    for other in (encoded.copy(), copy.copy(encoded), copy.deepcopy(encoded), pickle.loads(pickle.dumps(encoded))):
        assert other == encoded and other is not encoded
        assert other.tokens(1) == encoded.tokens(1)
    encoded.copy()["input_ids"] = 0
    assert encoded["input_ids"] != 0


def test_chat_templates(tokenizer):
    chat = [*QUESTION, {"role": "assistant", "content": "Fine"}]
    assert tokenizer.apply_chat_template(chat, return_dict=False) == tokenizer.apply_chat_template(chat)["input_ids"]
    assert tokenizer.apply_chat_template([chat, QUESTION], tokenize=False)[1] == "<s>[INST] How are you today?[/INST]"
    with pytest.raises(ValueError, match="Only the roles"):
        tokenizer.apply_chat_template([{"role": "user", "content": "x"}, {"role": "tool", "content": "y"}])
    with pytest.raises(NotImplementedError):
        tokenizer.apply_chat_template(chat, tools=[len])
    with pytest.raises(TypeError):
        tokenizer.apply_chat_template([{"role": "user", "content": object()}])
    with pytest.raises(NotImplementedError):
        source = "{% generation %}x{% endgeneration %}"
        tokenizer.apply_chat_template(chat, chat_template=source, return_assistant_tokens_mask=True)
    tokenizer.chat_template = None
    with pytest.raises(ValueError, match="no chat template"):
        tokenizer.apply_chat_template(chat)


def test_several_threads(tokenizer):
    texts = [f"Text {i} of many, with some words in it." for i in range(500)]
    expected = tokenizer(texts)["input_ids"]
    results = [None] * 4

    def work(index):
        results[index] = [tokenizer.encode(text) for text in texts] if index % 2 else tokenizer(texts)["input_ids"]

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(result == expected for result in results)
