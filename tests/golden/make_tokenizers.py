"""Makes tests/golden/tokenizer/: small tokenizers, one per layout of components, with what `tokenizers` gives for them."""
import collections
import json
import pathlib
import random

from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from tokenizers.decoders import DecodeStream

from tokenizer_text import CORPUS, TEXTS, special_texts

HERE = pathlib.Path(__file__).parent / "tokenizer"

CONTRACTIONS = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)"
LLAMA3 = (CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
QWEN2 = LLAMA3.replace(r"\p{N}{1,3}", r"\p{N}")
UPPER, LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
O200K = (rf"[^\r\n\p{{L}}\p{{N}}]?{UPPER}*{LOWER}+{CONTRACTIONS}?|[^\r\n\p{{L}}\p{{N}}]?{UPPER}+{LOWER}*{CONTRACTIONS}?"
         r"|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+")
BYTE_LEVEL = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
LEGACY_DECODER = [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
                  {"type": "Strip", "content": " ", "start": 1, "stop": 0}]


def split(pattern):
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


def sequence(key, *parts):
    return {"type": "Sequence", key: list(parts)}


def begin(token, number):
    """The post-processor that puts one token in front."""
    first, text = {"SpecialToken": {"id": token, "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}
    pair = [first, text, {"SpecialToken": {"id": token, "type_id": 1}}, {"Sequence": {"id": "B", "type_id": 1}}]
    return {"type": "TemplateProcessing", "single": [first, text], "pair": pair,
            "special_tokens": {token: {"id": token, "ids": [number], "tokens": [token]}}}


def added(number, content, **flags):
    return {"id": number, "content": content, "single_word": False, "lstrip": False, "rstrip": False,
            "normalized": False, "special": True, **flags}


def train(normalizer, pre_tokenizer, alphabet, size):
    """Tokens in order of id and merges, learnt from CORPUS."""
    tokenizer = Tokenizer(models.BPE())
    if normalizer:
        tokenizer.normalizer = normalizer
    tokenizer.pre_tokenizer = pre_tokenizer
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, **alphabet)
    tokenizer.train_from_iterator(CORPUS.splitlines(keepends=True), trainer)
    model = json.loads(tokenizer.to_str())["model"]
    return sorted(model["vocab"], key=model["vocab"].get), model["merges"]


def bpe(tokens, merges, **options):
    return {"type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None, "end_of_word_suffix": None,
            "fuse_unk": False, "byte_fallback": False, "ignore_merges": False, **options,
            "vocab": {token: i for i, token in enumerate(tokens)}, "merges": merges}


def tokenizer_json(model, added_tokens, normalizer=None, pre_tokenizer=None, post_processor=None, decoder=None):
    return {"version": "1.0", "truncation": None, "padding": None, "added_tokens": added_tokens, "normalizer": normalizer,
            "pre_tokenizer": pre_tokenizer, "post_processor": post_processor, "decoder": decoder, "model": model}


def sentencepiece_like(controls):
    """Vocabulary as SentencePiece lays it out: controls, 256 byte tokens, pieces; CJK and rare letters stay unknown."""
    metaspace = pre_tokenizers.Metaspace(prepend_scheme="always", split=True)
    counts = collections.Counter(CORPUS.replace(" ", "▁"))
    letters = sorted(counts, key=lambda c: (-counts[c], c))[:90]
    tokens, merges = train(None, metaspace, {"initial_alphabet": letters, "limit_alphabet": 90}, 330)
    data = [f"<0x{byte:02X}>" for byte in range(256)]
    return bpe([*controls, *data, *tokens], merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True)


def byte_level(pre_tokenizer, size=480, normalizer=None, extra=(), **options):
    """Vocabulary of the 256 byte letters and learnt merges; `extra` words are in it without a merge that makes them."""
    alphabet = {"initial_alphabet": pre_tokenizers.ByteLevel.alphabet()}
    tokens, merges = train(normalizer, pre_tokenizer, alphabet, size)
    return bpe([*tokens, *extra], merges, **options)


def with_regex(pattern):
    return pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"),
                                    pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])


def legacy(name_flags):
    model = sentencepiece_like(["<unk>", "<s>", "</s>"])
    tokens = [added(i, t, **name_flags) for i, t in enumerate(("<unk>", "<s>", "</s>"))]
    normalizer = sequence("normalizers", {"type": "Prepend", "prepend": "▁"},
                          {"type": "Replace", "pattern": {"String": " "}, "content": "▁"})
    return tokenizer_json(model, tokens, normalizer, None, begin("<s>", 1), sequence("decoders", *LEGACY_DECODER))


def llama2():
    return legacy({})


def llama2_normalized():
    """The oldest files: control tokens are normalized:true, so they are searched as ▁<s>."""
    return legacy({"normalized": True})


def mistral():
    controls = ["<unk>", "<s>", "</s>", "[INST]", "[/INST]"]
    metaspace = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "first", "split": False}
    return tokenizer_json(sentencepiece_like(controls), [added(i, t) for i, t in enumerate(controls)], None, metaspace,
                          begin("<s>", 1), sequence("decoders", *LEGACY_DECODER))


def llama3():
    words = ["unreachable", "Ġunreachable", "æĹ¥æľ¬èªŀ"]
    model = byte_level(with_regex(LLAMA3), extra=words, ignore_merges=True)
    size = len(model["vocab"])
    names = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"]
    pre = sequence("pretokenizers", split(LLAMA3), BYTE_LEVEL | {"use_regex": False})
    post = sequence("processors", BYTE_LEVEL | {"trim_offsets": False}, begin(names[0], size))
    return tokenizer_json(model, [added(size + i, t) for i, t in enumerate(names)], None, pre, post, BYTE_LEVEL)


def qwen2():
    model = byte_level(with_regex(QWEN2), normalizer=normalizers.NFC())
    size = len(model["vocab"])
    names = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
    tokens = [added(size + i, t) for i, t in enumerate(names)] + [added(size + 3, "<tool_call>", special=False)]
    pre = sequence("pretokenizers", split(QWEN2), BYTE_LEVEL | {"use_regex": False, "trim_offsets": False})
    return tokenizer_json(model, tokens, {"type": "NFC"}, pre, BYTE_LEVEL | {"trim_offsets": False}, BYTE_LEVEL)


def gpt2():
    model = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False))
    return tokenizer_json(model, [added(len(model["vocab"]), "<|endoftext|>")], None, BYTE_LEVEL, BYTE_LEVEL, BYTE_LEVEL)


def o200k():
    model = byte_level(with_regex(O200K), ignore_merges=True)
    size = len(model["vocab"])
    pre = sequence("pretokenizers", split(O200K), BYTE_LEVEL | {"use_regex": False})
    return tokenizer_json(model, [added(size, "<s>"), added(size + 1, "[INST]")], None, pre, begin("<s>", size), BYTE_LEVEL)


def string_merges():
    """An old file: merges as "a b", no type in the model, a space put in front of the text."""
    model = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True))
    model["merges"] = [" ".join(pair) for pair in model["merges"]]
    for key in ("type", "byte_fallback", "ignore_merges"):
        del model[key]
    prefix = BYTE_LEVEL | {"add_prefix_space": True}
    del prefix["use_regex"]
    return tokenizer_json(model, [added(len(model["vocab"]), "<|endoftext|>")], None, prefix, prefix, prefix)


def added_tokens():
    """Every flag that an added token can have, alone and together."""
    model = byte_level(with_regex(LLAMA3), normalizer=normalizers.NFC())
    size = len(model["vocab"])
    flags = {"<s>": {}, "<left>": dict(lstrip=True), "<right>": dict(rstrip=True), "<both>": dict(lstrip=True, rstrip=True),
             "<word>": dict(single_word=True), "cat": dict(single_word=True, special=False),
             "<plain>": dict(special=False), "café": dict(normalized=True, special=False),
             "<norm>": dict(normalized=True), "  ": dict(normalized=True, special=False),
             "<long": {}, "<longer>": {}, "the": dict(special=False, single_word=True, rstrip=True)}
    tokens = [added(size + i, t, **f) for i, (t, f) in enumerate(flags.items())]
    pre = sequence("pretokenizers", split(LLAMA3), BYTE_LEVEL | {"use_regex": False})
    return tokenizer_json(model, tokens, {"type": "NFC"}, pre, None, BYTE_LEVEL)


ADDED_TEXTS = [
    "a <left> b", "a<left>b", "a \n\t<left>", "<left><left>", "  <left>  <left>", "a <right> b", "a<right>\n\n b", "<right> <right>",
    "<right>  <left>", "a  <both>  b", "<both> <both> <both>", "x <both>\u00a0\u3000y", "a <word> b", "a<word>b", "<word>", "<word>.",
    "(<word>)", "_<word> 1<word> é<word> -<word>-", "cat", "a cat sat", "concat cats cat.", "cat_ cat-cat catcat", "日cat cat日 cat\u0301",
    "<plain> x<plain>y", "café", "cafe\u0301", "a cafe\u0301 b café c", "cafe\u0301s", "<norm>", "a<norm>b <norm>\u0301", "e\u0301<norm>e\u0301",
    "<long", "<longer>", "<long <longer> <longe <longer><long>", "the", "the  cat", "then the other, the", "THE the\n\nthe",
    "a  b   c    d", "<s>  <s>", "<s><left><right><both><word><plain>", " <s> <left> cat ",
]
LAYOUTS = {"llama2": llama2, "llama2_normalized": llama2_normalized, "mistral": mistral, "llama3": llama3, "qwen2": qwen2,
           "gpt2": gpt2, "o200k": o200k, "string_merges": string_merges, "added_tokens": added_tokens}
KEPT_FAMILIES = ["t5", "xlm-roberta", "unigram-bytes", "scripts", "bert-uncased", "roberta-prefix", "clip", "unknown-dropped",
                 "word-level", "ctc", "delimiter"]
SPLITTING = ["日本語 😀 é", "👩\u200d👩\u200d👧\u200d👦!", "naïve café ☕ 𝔘", "สวัสดี مرحبا", " lead\n\n  and 漢字 trail ", "ascii only, words"]


def encode_vector(tokenizer, text, add_special_tokens):
    encoding = tokenizer.encode(text, add_special_tokens=add_special_tokens)
    return {"text": text, "add_special_tokens": add_special_tokens, "ids": encoding.ids, "tokens": encoding.tokens,
            "offsets": encoding.offsets,
            "decoded": tokenizer.decode(encoding.ids, skip_special_tokens=False),
            "decoded_skip": tokenizer.decode(encoding.ids, skip_special_tokens=True)}


def stream_vector(tokenizer, ids, chunks):
    stream = DecodeStream(skip_special_tokens=False)
    return {"ids": ids, "decoded": tokenizer.decode(ids, skip_special_tokens=False),
            "decoded_skip": tokenizer.decode(ids, skip_special_tokens=True),
            "chunks": [stream.step(tokenizer, i) for i in ids] if chunks else None}


def stream_vectors(tokenizer, seed):
    """Whole texts, texts cut inside a character, and random ids (for these the reference's stream raises: no chunks)."""
    rng = random.Random(seed)
    whole = [tokenizer.encode(text, add_special_tokens=False).ids for text in SPLITTING]
    cut = [ids[:-1] for ids in whole] + [ids[i : i + 2] for i, ids in enumerate(whole)]
    noise = [[rng.randrange(tokenizer.get_vocab_size()) for _ in range(24)] for _ in range(12)]
    noise += [ids[1:] for ids in whole]
    return [stream_vector(tokenizer, ids, True) for ids in whole + cut] + [stream_vector(tokenizer, i, False) for i in noise]


def write_list(path, rows):
    path.write_text("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


def trained_once(path, family):
    """Some trainers break ties by chance: a tokenizer of theirs that is there stays, and only its vectors are made again."""
    if not path.exists():
        path.write_text(json.dumps(family(), ensure_ascii=False, separators=(",", ":")) + "\n")
    return json.loads(path.read_text())


def main():
    from tokenizer_families import FAMILIES  # which stand on this module
    kept = {name.replace("-", "_"): FAMILIES[name] for name in KEPT_FAMILIES}
    for name, layout in (LAYOUTS | kept).items():
        folder = HERE / name
        folder.mkdir(parents=True, exist_ok=True)
        if name in kept:
            data = trained_once(folder / "tokenizer.json", layout)
        else:
            data = layout()
            (folder / "tokenizer.json").write_text(json.dumps(data, ensure_ascii=False, indent=1) + "\n")
        tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        controls = [token["content"] for token in data["added_tokens"] if token["special"]]
        texts = TEXTS + special_texts(controls[-2] if len(controls) > 1 else controls[0], controls[-1])
        texts += ADDED_TEXTS if name == "added_tokens" else []
        rows = [encode_vector(tokenizer, text, False) for text in texts]
        if json.dumps(data["post_processor"]).find("TemplateProcessing") >= 0:
            rows += [encode_vector(tokenizer, text, True) for text in texts[::3]]
        write_list(folder / "vectors.json", rows)
        write_list(folder / "stream.json", stream_vectors(tokenizer, seed=len(name)))
        sizes = [(folder / f).stat().st_size for f in ("tokenizer.json", "vectors.json", "stream.json")]
        print(f"{name}: {tokenizer.get_vocab_size()} tokens, {len(rows)} vectors, bytes {sizes}")


if __name__ == "__main__":
    main()
