"""Random sets of added tokens that overlap, contain each other, repeat, are white space or empty: ids, places, text."""
import contextlib
import json
import os
import pathlib
import random
import tempfile

import tokenizers

import harness
import make_tokenizers as golden
from make_tokenizers import tokenizer_json

SETS = int(os.environ.get("GPTQ_INTEROP_STRINGS", "1000")) // 12
PIECES = ["a", "b", "ab", "aba", "bab", "A", " ", "  ", "\n", " a", "b ", "\u00e9", "e\u0301", "\u0301", "<", ">", "<a>", "_", "1", "▁", "日", ""]
NORMALIZERS = [None, {"type": "NFC"}, {"type": "Lowercase"}, {"type": "NFD"}, {"type": "Prepend", "prepend": "▁"},
               {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, {"type": "Strip", "strip_left": True, "strip_right": False},
               golden.sequence("normalizers", {"type": "NFD"}, {"type": "StripAccents"}),
               {"type": "Replace", "pattern": {"Regex": "b+"}, "content": ""}]
PRE_TOKENIZERS = [None, golden.BYTE_LEVEL, {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": True}, {"type": "Whitespace"}]


def token_set(rng):
    flags = lambda: {name: rng.random() < 0.3 for name in ("single_word", "lstrip", "rstrip", "normalized", "special")}
    content = lambda: "".join(rng.choices(PIECES, k=rng.randrange(1, 4)))
    contents = [content() for _ in range(rng.randrange(1, 9))]
    contents += rng.choices(contents, k=rng.randrange(0, 3))
    return [{"id": rng.randrange(40), "content": text, **flags()} for text in contents]


def sought_as_nothing(data):
    """Whether a token's normalized form is empty; on such a set the library panics as soon as a text is not ASCII."""
    normalizer = tokenizers.Tokenizer.from_str(json.dumps(data | {"added_tokens": []})).normalizer
    forms = [normalizer.normalize_str(t["content"]) if normalizer else t["content"] for t in data["added_tokens"] if t["normalized"] and t["content"]]
    return "" in forms


def tokenizer(rng):
    while True:
        data = any_tokenizer(rng)
        if not sought_as_nothing(data):
            return data


def any_tokenizer(rng):
    vocabulary = list("abAB <>_1▁e\u00e9日\u0301ĠĊÃ©") + ["ab", "ba", "aba", "▁a", "<a>"]
    rng.shuffle(vocabulary)
    gap = rng.choice([1, 1, 3])  # ids with holes between them
    model = {"type": "WordPiece", "unk_token": "?", "continuing_subword_prefix": "", "max_input_chars_per_word": 100,
             "vocab": {"?": 0, **{text: (i + 1) * gap for i, text in enumerate(vocabulary)}}}
    return tokenizer_json(model, token_set(rng), rng.choice(NORMALIZERS), rng.choice(PRE_TOKENIZERS), None, {"type": "Fuse"})


@contextlib.contextmanager
def quiet():
    """Without the backtraces that the library prints when it panics."""
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


def answer(reference, text):
    """Ids, places and text, or None where the library panics: two tokens may claim the same white space."""
    try:
        encoding = reference.encode(text)
    except BaseException as error:
        if "Panic" not in type(error).__name__:
            raise
        return None
    return [encoding.ids, [list(o) for o in encoding.offsets], reference.decode(encoding.ids, skip_special_tokens=True)]


def run(tally, tools):
    rng = random.Random("hostile")
    inputs, ours, theirs = [], [], []
    refused = 0
    for number in range(SETS):
        data = json.dumps(tokenizer(rng))
        contents = [token["content"] for token in json.loads(data)["added_tokens"]]
        texts = ["".join(rng.choices(PIECES + contents * 3, k=rng.randrange(0, 9))) for _ in range(30)]
        with quiet():
            reference = tokenizers.Tokenizer.from_str(data)
            answers = [answer(reference, text) for text in texts]
        refused += answers.count(None)
        texts = [text for text, found in zip(texts, answers) if found is not None]
        answers = [found for found in answers if found is not None]
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            (path / "tokenizer.json").write_text(data)
            rows = harness.write_rows(path / "texts.jsonl", "text", texts)
            found = tools.encode(path, rows, len(texts), offsets=True)
            rows = harness.write_rows(path / "ids.jsonl", "ids", [a["ids"] for a in found])
            decoded = tools.decode(path, rows, len(texts), skip=True)
            ours += [[a["ids"], a["offsets"], text] for a, text in zip(found, decoded)]
        theirs += answers
        inputs += [f"set {number}: {text}" for text in texts]
    tally.compare(f"ids, offsets, text ({refused} texts make the library panic)", inputs, ours, theirs)
