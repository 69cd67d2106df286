"""Every id, string, key, shape and type of the tokenizer interface, compared with transformers on the same files.

With GPTQ_ALL_TOKENIZERS=1 also on the families that tests/interop trains.
"""

import copy
import json
import os
import pathlib
import pickle
import random
import sys

import pytest

transformers = pytest.importorskip("transformers")
torch = pytest.importorskip("torch")
np = pytest.importorskip("numpy")

from gptq import AutoTokenizer, Tokenizer  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
GOLDEN = ROOT / "tests" / "golden"
DEMO = ROOT / "models" / "demo"
sys.path[:0] = [str(GOLDEN)]

import tokenizer_text  # noqa: E402

FOLDERS = sorted(path.parent.name for path in (GOLDEN / "tokenizer").glob("*/tokenizer.json"))
# Rebuilt by the classes of transformers from other files than tokenizer.json.
FORMATS = sorted(path.parent.name for path in (GOLDEN / "formats").glob("*/vectors.json"))
FAMILIES = []
if os.environ.get("GPTQ_ALL_TOKENIZERS"):
    import tokenizer_families

    FAMILIES = [name for name in tokenizer_families.FAMILIES if name not in FOLDERS]
NAMES = ["demo", *FOLDERS, *(f"format:{name}" for name in FORMATS), *FAMILIES]
TEXTS = [text for text in tokenizer_text.TEXTS if text]
SHORT = [
    "Hello world",
    "a",
    "It's  1998,\n\nisn't it? [INST] <s>x</s>",
    "Größe 日本語 🙂 e\u0301",
    " leading and trailing ",
]


class Pair:
    """The same tokenizer of both libraries."""

    def __init__(self, name, scratch):
        self.name = name
        if name == "demo":
            self.ours = AutoTokenizer.from_pretrained(DEMO)
            self.theirs = transformers.AutoTokenizer.from_pretrained(DEMO)
        elif name.startswith("format:"):
            import formats_reference

            folder = GOLDEN / "formats" / name.removeprefix("format:")
            self.ours = Tokenizer(str(folder))
            self.theirs = transformers.PreTrainedTokenizerFast(tokenizer_object=formats_reference.read(folder))
            for tokenizer in (self.ours, self.theirs):
                for key in ("bos_token", "eos_token", "unk_token", "sep_token", "cls_token", "mask_token"):
                    setattr(tokenizer, key, None)
                tokenizer.extra_special_tokens = []
                tokenizer.model_input_names = ["input_ids", "attention_mask"]
        else:
            folder = scratch / name
            folder.mkdir()
            if name in FAMILIES:
                text = json.dumps(tokenizer_families.FAMILIES[name](), ensure_ascii=False)
            else:
                text = (GOLDEN / "tokenizer" / name / "tokenizer.json").read_text()
            (folder / "tokenizer.json").write_text(text)
            config = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": 64}
            added = [token["content"] for token in json.loads(text).get("added_tokens") or [] if token["special"]]
            config |= dict(zip(("eos_token", "bos_token", "unk_token"), added))
            (folder / "tokenizer_config.json").write_text(json.dumps(config))
            self.ours = AutoTokenizer.from_pretrained(folder)
            self.theirs = transformers.AutoTokenizer.from_pretrained(folder)
        token = self.theirs.convert_ids_to_tokens(0)
        self.ours.pad_token = self.theirs.pad_token = token


PAIRS = {}


@pytest.fixture(params=NAMES)
def pair(request, tmp_path_factory):
    name = request.param
    if name not in PAIRS:
        try:
            PAIRS[name] = Pair(name, tmp_path_factory.mktemp("tokenizers"))
        except ImportError as error:
            pytest.skip(str(error))
    return PAIRS[name]


def plain(value):
    """A value with its container, element type and shape, for comparison."""
    if torch.is_tensor(value):
        return ["torch", str(value.dtype), list(value.shape), value.tolist()]
    if isinstance(value, np.ndarray) and value.dtype == object:
        return ["objects", list(value.shape), [row.tolist() for row in value]]
    if isinstance(value, np.ndarray):
        return ["numpy", str(value.dtype), list(value.shape), value.tolist()]
    if isinstance(value, (list, tuple)) and any(torch.is_tensor(v) or isinstance(v, (np.ndarray, list)) for v in value):
        return [plain(part) for part in value]
    return value


def assert_same(ours, theirs):
    assert type(ours).__name__ == type(theirs).__name__
    if not isinstance(theirs, transformers.BatchEncoding):
        assert plain(ours) == plain(theirs)
        return
    assert list(ours.keys()) == list(theirs.keys())
    for key in theirs.keys():
        assert plain(ours[key]) == plain(theirs[key]), key


def outcome(call):
    """The result, or the type of the error."""
    try:
        return call(), None
    except BaseException as error:  # the errors of the other library's native code are not of Exception
        return None, error


def compare(pair, call):
    theirs, their_error = outcome(lambda: call(pair.theirs))
    ours, our_error = outcome(lambda: call(pair.ours))
    if "different lengths" in str(our_error) and their_error is None:
        assert 0 in theirs["input_ids"].shape  # torch drops the other rows when the first one is empty
        return
    if their_error is not None or our_error is not None:
        assert (their_error is None) == (our_error is None), (their_error, our_error)
        return
    assert_same(ours, theirs)


ARGUMENTS = [
    {},
    {"add_special_tokens": False},
    {"padding": True},
    {"padding": "longest", "padding_side": "left"},
    {"padding": "max_length", "max_length": 40},
    {"padding": "max_length", "max_length": 40, "truncation": True},
    {"padding": True, "pad_to_multiple_of": 8},
    {"padding": True, "pad_to_multiple_of": 8, "truncation": True, "max_length": 16},
    {"padding": True, "pad_to_multiple_of": 8, "truncation": True, "max_length": 17},
    {"padding": "max_length"},
    {"truncation": True},
    {"truncation": True, "max_length": 7},
    {"truncation": "only_first", "max_length": 9},
    {"truncation": "only_second", "max_length": 9},
    {"truncation": "longest_first", "max_length": 5, "add_special_tokens": False},
    {"max_length": 6},
    {"truncation": True, "max_length": 8, "stride": 3, "return_overflowing_tokens": True},
    {"truncation": "only_first", "max_length": 12, "stride": 2, "return_overflowing_tokens": True, "padding": True},
    {"truncation": "only_second", "max_length": 16, "stride": 1, "return_overflowing_tokens": True},
    {"return_overflowing_tokens": True},
    {"return_tensors": "np"},
    {"return_tensors": "pt"},
    {"return_tensors": "np", "padding": True},
    {"return_tensors": "pt", "padding": True, "truncation": True, "max_length": 10},
    {"return_tensors": "pt", "padding": True, "return_offsets_mapping": True, "return_length": True},
    {"return_offsets_mapping": True},
    {"return_offsets_mapping": True, "return_special_tokens_mask": True, "padding": True},
    {"return_token_type_ids": True, "return_special_tokens_mask": True, "return_length": True},
    {"return_attention_mask": False},
    {"return_length": True, "padding": "max_length", "max_length": 30},
    {"split_special_tokens": True},
    {"tokenizer_kwargs": {"add_special_tokens": False}},
    {"padding": "wrong"},
    {"truncation": "wrong"},
    {"return_tensors": "wrong"},
]


# The side on which texts are cut matters only where they are.
SIDES = [("right", arguments) for arguments in ARGUMENTS]
SIDES += [("left", arguments) for arguments in ARGUMENTS if "truncation" in arguments]


@pytest.mark.parametrize("side, arguments", SIDES, ids=lambda value: json.dumps(value))
def test_arguments(pair, arguments, side):
    for tokenizer in (pair.ours, pair.theirs):
        tokenizer.truncation_side = side
    for text in [*SHORT, "", SHORT, TEXTS, SHORT[:1]]:
        compare(pair, lambda t, text=text: t(text, **arguments))


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=lambda arguments: json.dumps(arguments)[1:-1] or "none")
def test_pairs(pair, arguments):
    if "spm_t5" in pair.name and arguments.get("return_overflowing_tokens"):
        # The type ids of the template reach only the first window there.
        arguments = {**arguments, "return_token_type_ids": False}
    for tokenizer in (pair.ours, pair.theirs):
        tokenizer.truncation_side = "right"
    typed = {"return_token_type_ids": True, **arguments}
    compare(pair, lambda t: t("What is it?", "It is a text of several words, which is the second of two.", **typed))
    compare(pair, lambda t: t("A first text that is much longer than the other one is", "short", **typed))
    compare(pair, lambda t: t(SHORT, SHORT[::-1], **typed))
    compare(pair, lambda t: t(list(zip(SHORT, SHORT[::-1])), **typed))
    compare(pair, lambda t: t("one", "", **typed))
    compare(pair, lambda t: t(["one", "two"], ["", "three"], **typed))


def test_texts(pair):
    rng = random.Random(pair.name)
    texts = TEXTS + ["".join(rng.choices(tokenizer_text.CORPUS, k=rng.randrange(1, 60))) for _ in range(300)]
    compare(pair, lambda t: t(texts))
    compare(pair, lambda t: [t.encode(text) for text in texts])
    compare(pair, lambda t: [t.encode(text, add_special_tokens=False, return_tensors="pt") for text in texts[:20]])
    compare(pair, lambda t: [t.tokenize(text) for text in texts])
    compare(pair, lambda t: [t.tokenize(text, add_special_tokens=True) for text in texts[:20]])


@pytest.mark.parametrize("arguments", [{}, {"padding": "max_length", "max_length": 24, "truncation": True}])
def test_encodings(pair, arguments):
    for text, second in [(SHORT, None), (SHORT[::-1], SHORT), (TEXTS[:8], None)]:
        ours, theirs = pair.ours(text, second, **arguments), pair.theirs(text, second, **arguments)
        assert len(ours.encodings) == len(theirs.encodings)
        assert ours.n_sequences == theirs.n_sequences
        for row, (one, other) in enumerate(zip(ours.encodings, theirs.encodings)):
            for name in ("ids", "type_ids", "tokens", "offsets", "attention_mask", "special_tokens_mask", "word_ids",
                         "sequence_ids", "n_sequences"):  # fmt: skip
                assert getattr(one, name) == getattr(other, name), name
            assert len(one.overflowing) == len(other.overflowing)
            assert [window.ids for window in one.overflowing] == [window.ids for window in other.overflowing]
            assert ours.tokens(row) == theirs.tokens(row)
            for sequence in (0, 1) if second else (0,):
                for place in range(20):
                    for method in ("char_to_token", "char_to_word", "word_to_tokens"):
                        mine, yours = (getattr(e, method)(row, place, sequence) for e in (ours, theirs))
                        assert mine == yours, (method, place, sequence)
                    # BatchEncoding.word_to_chars of transformers fails where there is no such word.
                    assert ours.word_to_chars(row, place, sequence) == other.word_to_chars(place, sequence)
            for token in range(len(one.ids)):
                for method in ("token_to_chars", "token_to_word", "token_to_sequence"):
                    assert getattr(ours, method)(row, token) == getattr(theirs, method)(row, token), (method, token)


def test_decoding(pair):
    rng = random.Random(pair.name)
    size = len(pair.theirs)
    lists = [[rng.randrange(size) for _ in range(rng.randrange(12))] for _ in range(200)]
    lists += pair.theirs(TEXTS)["input_ids"]
    for skip in (False, True):
        for clean in (None, False, True):
            arguments = {"skip_special_tokens": skip, "clean_up_tokenization_spaces": clean}
            compare(pair, lambda t: [t.decode(ids, **arguments) for ids in lists])
            compare(pair, lambda t: t.decode(lists, **arguments))
            compare(pair, lambda t: t.batch_decode(lists, **arguments))
    compare(pair, lambda t: [t.decode(id) for id in range(0, size, 7)])
    ids = lists[-1]
    for value in (np.array(ids), torch.tensor(ids), np.array([ids, ids]), torch.tensor([ids, ids]), tuple(ids),
                  [np.array(ids)], [torch.tensor(ids)], list(torch.tensor(ids)), list(np.array(ids)), [], [[]],
                  np.int64(5), torch.tensor(5), {"input_ids": ids}):  # fmt: skip
        compare(pair, lambda t, value=value: t.decode(value))
        compare(pair, lambda t, value=value: t.batch_decode(value))
    compare(pair, lambda t: t.decode([-100]))
    compare(pair, lambda t: t.decode([10**7]))


def test_vocabulary(pair):
    for name in ("vocab_size", "vocab", "special_tokens_map", "all_special_tokens", "all_special_ids", "bos_token",
                 "eos_token_id", "pad_token_id", "unk_token", "mask_token", "cls_token_id", "model_max_length",
                 "padding_side", "is_fast", "extra_special_tokens", "model_input_names", "added_tokens_encoder",
                 "clean_up_tokenization_spaces", "pad_token_type_id"):  # fmt: skip
        compare(pair, lambda t, name=name: getattr(t, name))
    compare(pair, len)
    compare(pair, lambda t: t.num_special_tokens_to_add())
    compare(pair, lambda t: t.num_special_tokens_to_add(True))
    compare(pair, lambda t: t.convert_ids_to_tokens(list(range(len(t)))))
    compare(pair, lambda t: t.convert_ids_to_tokens(list(range(30)), skip_special_tokens=True))
    compare(pair, lambda t: t.convert_ids_to_tokens(len(t) + 5))
    compare(pair, lambda t: t.convert_tokens_to_ids(["a", "the", "no such token at all", *t.all_special_tokens]))
    compare(pair, lambda t: t.convert_tokens_to_ids("b"))
    compare(pair, lambda t: t.convert_tokens_to_string(t.tokenize("Hello, world of 12 tokens")))
    compare(pair, lambda t: {i: token.content for i, token in t.added_tokens_decoder.items()})
    compare(pair, lambda t: {i: token.special for i, token in t.added_tokens_decoder.items()})
    compare(pair, lambda t: t.get_special_tokens_mask(t("Hello")["input_ids"], already_has_special_tokens=True))


def test_adding_tokens(pair):
    ours, theirs = copy.deepcopy(pair.ours), copy.deepcopy(pair.theirs)
    both = type("Both", (), {"ours": ours, "theirs": theirs})
    for call in (
        lambda t: t.add_special_tokens({"pad_token": "[NEW PAD]"}),
        lambda t: t.pad_token_id,
        lambda t: t.add_tokens(["<think>", "</think>"]),
        lambda t: t.add_tokens("<think>"),
        lambda t: t.add_tokens(transformers.AddedToken("<strip>", lstrip=True, rstrip=True)),
        lambda t: t.add_special_tokens({"extra_special_tokens": ["<x>", "<y>"]}),
        lambda t: len(t),
        lambda t: t("a <think> b <strip>  c[NEW PAD] <x><y> </think>"),
        lambda t: t.decode(t("a <think> b <strip>  c[NEW PAD] <x><y> </think>")["input_ids"]),
        lambda t: t.decode(t("a <think> b <strip>  c[NEW PAD] <x></think>")["input_ids"], skip_special_tokens=True),
        lambda t: t.all_special_tokens,
        lambda t: t(["a", "b c d"], padding=True),
        lambda t: t.add_special_tokens({"no_such_token": "x"}),
    ):
        compare(both, call)


def test_saved_files_are_read_by_both(pair, tmp_path):
    if pair.name.startswith("format:"):
        pytest.skip("transformers converts these files with other classes")
    ours = copy.deepcopy(pair.ours)
    ours.add_tokens(["<think>"])
    ours.pad_token = ours.eos_token
    ours.padding_side = "left"
    paths = ours.save_pretrained(tmp_path / "ours")
    assert all(pathlib.Path(path).exists() for path in paths)
    again = type("Both", (), {})()
    again.ours = AutoTokenizer.from_pretrained(tmp_path / "ours")
    again.theirs = transformers.AutoTokenizer.from_pretrained(tmp_path / "ours")
    compare(again, lambda t: [t.pad_token, t.padding_side, len(t), t.chat_template, t.model_max_length])
    compare(again, lambda t: t([*SHORT, "a<think>b"], padding=bool(t.pad_token)))
    assert again.ours(SHORT)["input_ids"] == ours(SHORT)["input_ids"]

    pair.theirs.save_pretrained(tmp_path / "theirs")
    saved = AutoTokenizer.from_pretrained(tmp_path / "theirs")
    read_again = transformers.AutoTokenizer.from_pretrained(tmp_path / "theirs")  # the padding token is special now
    assert saved(TEXTS)["input_ids"] == read_again(TEXTS)["input_ids"]
    assert saved.chat_template == pair.theirs.chat_template


def test_saved_paths(tmp_path):
    ours, theirs = AutoTokenizer.from_pretrained(DEMO), transformers.AutoTokenizer.from_pretrained(DEMO)
    assert ours.save_pretrained(str(tmp_path)) == theirs.save_pretrained(str(tmp_path))


# ---- the mapping and columns


def test_batch_encoding(pair):
    compare(
        pair, lambda t: [list(t("x").keys()), list(t("x").items()), dict(**t("x")), len(t("x")), "input_ids" in t("x")]
    )
    compare(pair, lambda t: isinstance(t("x"), dict))
    compare(pair, lambda t: t("x").input_ids)
    compare(pair, lambda t: t("x").no_such_column)
    compare(pair, lambda t: t(["x", "y z"])[1].ids)
    compare(pair, lambda t: t(["x", "y z"])[0:2][0].ids)
    compare(pair, lambda t: t("x").convert_to_tensors("pt", prepend_batch_axis=True))
    compare(pair, lambda t: t("x").convert_to_tensors("np"))
    compare(pair, lambda t: t("x", return_tensors="pt").to("cpu"))
    compare(pair, lambda t: t(text_target="x y"))
    compare(pair, lambda t: t("x", text_target="x y"))
    for again in (lambda e: pickle.loads(pickle.dumps(e)), copy.copy, copy.deepcopy, lambda e: e.copy()):
        compare(pair, lambda t, again=again: again(t(["x", "y z"])))
        compare(pair, lambda t, again=again: again(t(["x", "y z"])).tokens(1))


def test_pad(pair):
    for side in ("right", "left"):
        for value in (
            lambda t: [t("a b c"), t("d")],
            lambda t: t(["a b c", "d"]),
            lambda t: t("a b c"),
            lambda t: [{"input_ids": [1, 2, 3]}, {"input_ids": [1]}],
            lambda t: {"input_ids": [np.array([1, 2]), np.array([3])]},
            lambda t: {"input_ids": [torch.tensor([1, 2]), torch.tensor([3])]},
        ):
            for arguments in ({}, {"padding": "max_length", "max_length": 12}, {"pad_to_multiple_of": 4},
                              {"return_tensors": "pt"}, {"padding": False}):  # fmt: skip
                compare(pair, lambda t: t.pad(value(t), padding_side=side, **arguments))


def test_wrong_inputs(pair):
    for text in (5, None, [5], [["a", "b", "c"]], {"a": 1}):
        compare(pair, lambda t, text=text: t(text))
    compare(pair, lambda t: t(["a"], "b"))
    compare(pair, lambda t: t(["a"], ["b", "c"]))


# ---- chat templates

CHAT = [
    {"role": "user", "content": "How are you <b>today</b>? [INST] it's “fine”"},
    {"role": "assistant", "content": "Fine. "},
    {"role": "user", "content": "Good & well"},
]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}<|{{ m.role }}|>{{ m.content | trim }}{% if not loop.last %}\n{% endif %}"
    "{% endfor %}{% if tools %}{{ tools | tojson }}{% endif %}{% if documents %}{{ documents | tojson }}{% endif %}"
    "{% if add_generation_prompt %}<|assistant|>{% if enable_thinking is defined and not enable_thinking %}<think></think>"
    "{% endif %}{% endif %}{{ unknown_variable }}"
)
TOOLS = [
    {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {"ü": {"type": "string"}}}},
    }
]
CHATS = [
    {},
    {"tokenize": False},
    {"tokenize": False, "add_generation_prompt": True},
    {"add_generation_prompt": True, "return_tensors": "pt"},
    {"return_dict": False},
    {"return_dict": False, "return_tensors": "np"},
    {"return_dict": True, "return_tensors": "np"},
    {"tokenize": False, "chat_template": TEMPLATE},
    {"tokenize": False, "chat_template": TEMPLATE, "add_generation_prompt": True, "enable_thinking": False},
    {"tokenize": False, "chat_template": TEMPLATE, "tools": TOOLS, "documents": [{"title": "t", "text": "x"}]},
    {"tokenize": False, "chat_template": TEMPLATE, "unknown_variable": [1, 2.5, None, True, {"a": "b"}]},
    {"tokenize": False, "chat_template": TEMPLATE, "bos_token": "[B]"},
    {"tokenize": False, "chat_template": TEMPLATE, "continue_final_message": True},
    {"tokenize": False, "continue_final_message": True, "add_generation_prompt": True},
    {"truncation": True, "max_length": 10},
    {"padding": "max_length", "max_length": 80},
    {"tokenizer_kwargs": {"return_offsets_mapping": True}},
    {"chat_template": "{{ raise_exception('no') }}"},
    {"chat_template": "{{ broken"},
    {"return_assistant_tokens_mask": True},
    {"return_assistant_tokens_mask": True, "return_dict": False},
]


@pytest.fixture(scope="module")
def demo():
    pair = Pair("demo", None)
    pair.ours.pad_token = pair.theirs.pad_token = "</s>"
    return pair


@pytest.mark.parametrize("arguments", CHATS, ids=range(len(CHATS)))
def test_chat(demo, arguments):
    compare(demo, lambda t: t.apply_chat_template(CHAT, **arguments))
    compare(demo, lambda t: t.apply_chat_template(conversation=CHAT[:1], **arguments))
    if arguments.get("return_tensors") is None:
        compare(demo, lambda t: t.apply_chat_template([CHAT, CHAT[:1]], **arguments))
    compare(demo, lambda t: t.apply_chat_template([CHAT, CHAT[:1]], padding=True, **arguments))
    compare(demo, lambda t: t.apply_chat_template([{"role": "tool", "content": "x"}], **arguments))


def test_chat_templates_can_be_set(demo):
    def call(t):
        old = t.chat_template
        results = [t.get_chat_template()]
        t.chat_template = TEMPLATE
        results.append(t.apply_chat_template(CHAT, tokenize=False))
        t.chat_template = {"default": "D{{ messages[0].content }}", "tool_use": "T{{ tools }}", "rag": "R"}
        results.append(t.apply_chat_template(CHAT, tokenize=False))
        results.append(t.apply_chat_template(CHAT, tokenize=False, tools=TOOLS))
        results.append(t.apply_chat_template(CHAT, tokenize=False, chat_template="rag"))
        t.chat_template = None
        results.append(type(outcome(lambda: t.apply_chat_template(CHAT))[1]).__name__)
        t.chat_template = old
        return results

    compare(demo, call)


def test_settings_of_from_pretrained():
    for arguments in (
        {"padding_side": "left"},
        {"pad_token": "</s>", "model_max_length": 9},
        {"truncation_side": "left"},
        {"use_fast": True, "trust_remote_code": True},
        {"padding_side": "middle"},
    ):
        both = type("Both", (), {"ours": AutoTokenizer, "theirs": transformers.AutoTokenizer})
        compare(both, lambda c: repr(vars_of(c.from_pretrained(DEMO, **arguments))))


def vars_of(tokenizer):
    return [tokenizer.padding_side, tokenizer.truncation_side, tokenizer.pad_token, tokenizer.model_max_length,
            tokenizer("a b c d e f g h i", truncation=True)["input_ids"]]  # fmt: skip
