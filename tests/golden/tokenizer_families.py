"""Small tokenizers laid out like the families of models, trained on the spot: one for every combination of components."""
import json

from tokenizers import Tokenizer, models, pre_tokenizers, trainers

import charsmap
import make_tokenizers as golden
from make_tokenizers import BYTE_LEVEL, LEGACY_DECODER, LLAMA3, O200K, CONTRACTIONS, added, begin, sequence, split, tokenizer_json
from tokenizer_text import CORPUS

LETTERS_AND_MARKS = (CONTRACTIONS + r"|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
CL100K = (r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+")
TEKKEN = O200K.replace(CONTRACTIONS + "?", "").replace(r"\p{N}{1,3}", r"\p{N}")
BLOOM = r" ?[^(\s|[.,!?…。，、।۔،])]+"
DEEPSEEK_V3 = (r"""[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*"""
               r"|\s*[\r\n]+|\s+(?!\S)|\s+")
CLIP = r"""<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"""
NO_REGEX = BYTE_LEVEL | {"use_regex": False}
METASPACE = {"type": "Metaspace", "replacement": "▁", "prepend_scheme": "always", "split": True}
DIGITS = {"type": "Digits", "individual_digits": True}


def around(before, after):
    """A template post-processor with one token, a (content, id) pair, on each side; either may be None."""
    item = lambda token: [{"SpecialToken": {"id": token[0], "type_id": 0}}] if token else []
    text = [{"Sequence": {"id": "A", "type_id": 0}}]
    single = item(before) + text + item(after)
    specials = {t[0]: {"id": t[0], "ids": [t[1]], "tokens": [t[0]]} for t in (before, after) if t}
    return {"type": "TemplateProcessing", "single": single, "pair": single + [{"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": specials}


def trained(model, trainer, normalizer, pre_tokenizer):
    """The "model" object, learnt from CORPUS with these components around it."""
    data = tokenizer_json(json.loads(Tokenizer(model).to_str())["model"], [], normalizer, pre_tokenizer)
    tokenizer = Tokenizer.from_str(json.dumps(data))
    tokenizer.train_from_iterator(CORPUS.splitlines(keepends=True), trainer)
    return json.loads(tokenizer.to_str())["model"]


def byte_bpe(pre, normalizer=None, size=600, **options):
    trainer = trainers.BpeTrainer(vocab_size=size, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet())
    return trained(models.BPE(), trainer, normalizer, pre) | options


def byte_level(pre, names, normalizer=None, post=None, flags=None, **options):
    """A byte-level BPE with added tokens behind the vocabulary. `post` gets the first one's content and id."""
    model = byte_bpe(pre, normalizer, **options)
    size = len(model["vocab"])
    tokens = [added(size + i, name, **(flags or {}).get(name, {})) for i, name in enumerate(names)]
    post = post(names[0], size) if callable(post) else post
    return tokenizer_json(model, tokens, normalizer, pre, post, BYTE_LEVEL)


def regex_family(pattern, names, **rest):
    return byte_level(sequence("pretokenizers", split(pattern), NO_REGEX), names, **rest)


def unigram(normalizer, pre, byte_fallback=False, size=700):
    specials = ["<pad>", "</s>", "<unk>", "<s>"]
    trainer = trainers.UnigramTrainer(vocab_size=size, special_tokens=specials, unk_token="<unk>", show_progress=False)
    model = trained(models.Unigram(), trainer, normalizer, pre)
    if byte_fallback:
        model["byte_fallback"] = True
        model["vocab"] += [[f"<0x{byte:02X}>", -30.0] for byte in range(256)]
    return model, [added(i, name) for i, name in enumerate(specials)]


def word_piece(normalizer, size=700):
    specials = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    trainer = trainers.WordPieceTrainer(vocab_size=size, special_tokens=specials, show_progress=False)
    model = trained(models.WordPiece(unk_token="[UNK]"), trainer, normalizer, {"type": "BertPreTokenizer"})
    return model, [added(i, name) for i, name in enumerate(specials)]


def bert(lowercase, post):
    normalizer = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None,
                  "lowercase": lowercase}
    model, tokens = word_piece(normalizer)
    return tokenizer_json(model, tokens, normalizer, {"type": "BertPreTokenizer"}, post,
                          {"type": "WordPiece", "prefix": "##", "cleanup": True})


def gemma():
    model = golden.sentencepiece_like(["<pad>", "<eos>", "<bos>", "<unk>"])
    size = len(model["vocab"])
    tokens = [added(i, t) for i, t in enumerate(["<pad>", "<eos>", "<bos>", "<unk>"])]
    tokens += [added(size + i, t, special=False) for i, t in enumerate(["\n\n", "\n\n\n", "▁▁", "▁▁▁", "<start_of_turn>", "<table>"])]
    space = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    return tokenizer_json(model, tokens, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}, space,
                          around(("<bos>", 2), None), sequence("decoders", *LEGACY_DECODER[:3]))


def phi3():
    data = golden.llama2()
    size = len(data["model"]["vocab"])
    data["added_tokens"][2] |= {"rstrip": True, "special": False}
    names = ["<|endoftext|>", "<|assistant|>", "<|system|>", "<|end|>", "<|user|>"]
    data["added_tokens"] += [added(size + i, name, rstrip=i > 0) for i, name in enumerate(names)]
    return data


def falcon():
    digits = {"type": "Digits", "individual_digits": False}
    pre = sequence("pretokenizers", {"type": "Punctuation", "behavior": "Contiguous"}, BYTE_LEVEL, digits,
                   {"type": "Split", "pattern": {"Regex": "[0-9][0-9][0-9]"}, "behavior": "Isolated", "invert": False})
    return byte_level(pre, ["<|endoftext|>", ">>TITLE<<"], post=BYTE_LEVEL)


def neox():
    spaces = [" " * n for n in range(24, 1, -1)]
    flags = {name: {"normalized": True, "special": False} for name in spaces}
    return byte_level(BYTE_LEVEL, ["<|endoftext|>", "<|padding|>", *spaces], {"type": "NFC"}, BYTE_LEVEL, flags)


def deepseek_llm():
    parts = [split(r"[\r\n]"), split(r"\s?\p{L}+"), split(r"\s?\p{P}+"), split("[一-龥ࠀ-一가-퟿]+"), DIGITS, NO_REGEX]
    return byte_level(sequence("pretokenizers", *parts), ["<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>"], post=begin)


def deepseek_coder():
    letters = r"\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿǄ-ʓʕ-ʯͰ-ͳͶͷͻ-ͽͿΆΈ-ΊΌΎ-ΡΣ-ϵϷ-ҁҊ-ԯԱ-ՖႠ-ჅᎠ-Ᏽᏸ-ᏽᲐ-ᲺᲽ-Ჿᴀ-ᴫᵫ-ᵷᵹ-ᶚḀ-ἕἘ-Ἕἠ-ὅ]+"
    punctuation = r"\s?[!-/:-~！-／：-～‘-‟　-。]+"
    parts = [split("[\r\n]"), split(letters), split(punctuation), split(r"\s+$"), split("[一-龥ࠀ-一가-퟿]+"), DIGITS, NO_REGEX]
    return byte_level(sequence("pretokenizers", *parts), ["<｜begin▁of▁sentence｜>", "<｜User｜>"], post=begin)


def deepseek_v3():
    parts = [split(r"\p{N}{1,3}"), split("[一-龥぀-ゟ゠-ヿ]+"), split(DEEPSEEK_V3), NO_REGEX]
    return byte_level(sequence("pretokenizers", *parts), ["<｜begin▁of▁sentence｜>", "<｜Assistant｜>", "<think>"], post=begin,
                      flags={"<think>": {"special": False, "normalized": True}})


def t5():
    normalizer = charsmap.normalizer()
    model, tokens = unigram(normalizer, METASPACE)
    return tokenizer_json(model, tokens, normalizer, METASPACE, around(None, ("</s>", 1)), METASPACE)


def xlm_roberta():
    normalizer = sequence("normalizers", charsmap.normalizer(), {"type": "Strip", "strip_left": False, "strip_right": True},
                          {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"})
    pre = sequence("pretokenizers", {"type": "WhitespaceSplit"}, METASPACE)
    model, tokens = unigram(normalizer, pre)
    tokens[2] |= {"normalized": True}
    tokens += [added(700, "<mask>", lstrip=True)]
    return tokenizer_json(model, tokens, normalizer, pre, around(("<s>", 3), ("</s>", 1)), METASPACE)


def albert():
    replace = lambda pattern, content: {"type": "Replace", "pattern": {"String": pattern}, "content": content}
    normalizer = sequence("normalizers", replace("``", '"'), replace("''", '"'), {"type": "NFKD"}, {"type": "StripAccents"},
                          {"type": "Lowercase"}, charsmap.normalizer({"\t": " ", "\n": " ", "~": "tilde", "\u3002": "", "a": "b"}))
    model, tokens = unigram(normalizer, METASPACE)
    return tokenizer_json(model, tokens, normalizer, METASPACE, around(("<s>", 3), ("</s>", 1)), METASPACE)


def unigram_bytes():
    """The whole text as one word; unknown characters as bytes."""
    first = METASPACE | {"prepend_scheme": "first", "split": False}
    model, tokens = unigram(None, METASPACE, byte_fallback=True)
    return tokenizer_json(model, tokens, None, first, around(("<s>", 3), None), sequence("decoders", *LEGACY_DECODER))


def scripts():
    normalizer = sequence("normalizers", {"type": "Nmt"}, {"type": "NFKC"})
    pre = sequence("pretokenizers", {"type": "UnicodeScripts"}, METASPACE)
    model, tokens = unigram(normalizer, pre)
    return tokenizer_json(model, tokens, normalizer, pre, None, METASPACE)


def roberta(add_prefix_space):
    pre = BYTE_LEVEL | {"add_prefix_space": add_prefix_space}
    data = byte_level(pre, ["<s>", "</s>", "<mask>"], flags={"<mask>": {"lstrip": True}})
    size = len(data["model"]["vocab"])
    data["post_processor"] = {"type": "RobertaProcessing", "sep": ["</s>", size + 1], "cls": ["<s>", size], "trim_offsets": True,
                              "add_prefix_space": add_prefix_space}
    return data


def clip():
    """Words end in </w>, all in lower case; what the pattern does not match is dropped."""
    normalizer = sequence("normalizers", {"type": "NFC"}, {"type": "Replace", "pattern": {"Regex": r"\s+"}, "content": " "},
                          {"type": "Lowercase"})
    cut = {"type": "Split", "pattern": {"Regex": CLIP}, "behavior": "Removed", "invert": True}
    pre = sequence("pretokenizers", cut, NO_REGEX)
    trainer = trainers.BpeTrainer(vocab_size=800, show_progress=False, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
                                  end_of_word_suffix="</w>", special_tokens=["<|startoftext|>", "<|endoftext|>"])
    model = trained(models.BPE(end_of_word_suffix="</w>", unk_token="<|endoftext|>"), trainer, normalizer, pre)
    tokens = [added(0, "<|startoftext|>", normalized=True), added(1, "<|endoftext|>")]
    post = {"type": "RobertaProcessing", "sep": ["<|endoftext|>", 1], "cls": ["<|startoftext|>", 0], "trim_offsets": False,
            "add_prefix_space": False}
    return tokenizer_json(model, tokens, normalizer, pre, post, {"type": "BPEDecoder", "suffix": "</w>"})


def unknown_dropped():
    """Characters without a token and without an unknown token: gone, and later offsets with them."""
    trainer = trainers.BpeTrainer(vocab_size=300, show_progress=False, limit_alphabet=60, continuing_subword_prefix="##")
    pre = {"type": "Whitespace"}
    model = trained(models.BPE(continuing_subword_prefix="##"), trainer, None, pre)
    return tokenizer_json(model, [added(len(model["vocab"]), "<s>")], None, pre, None, {"type": "WordPiece", "prefix": "##", "cleanup": False})


def word_level():
    trainer = trainers.WordLevelTrainer(vocab_size=400, show_progress=False, special_tokens=["[UNK]"])
    pre = {"type": "Whitespace"}
    model = trained(models.WordLevel(unk_token="[UNK]"), trainer, None, pre)
    return tokenizer_json(model, [added(0, "[UNK]")], {"type": "Strip", "strip_left": True, "strip_right": False}, pre, None, None)


def ctc():
    """Letters as words, as recognisers of speech have them."""
    normalizer = sequence("normalizers", {"type": "NFD"}, {"type": "StripAccents"}, {"type": "Replace", "pattern": {"String": " "}, "content": "|"})
    pre = {"type": "FixedLength", "length": 1}
    trainer = trainers.WordLevelTrainer(vocab_size=100, show_progress=False, special_tokens=["<pad>", "<unk>"])
    model = trained(models.WordLevel(unk_token="<unk>"), trainer, normalizer, pre)
    return tokenizer_json(model, [added(0, "<pad>"), added(1, "<unk>")], normalizer, pre, None,
                          {"type": "CTC", "pad_token": "<pad>", "word_delimiter_token": "|", "cleanup": True})


def delimiter():
    """Rarer pieces together: a delimiter, the byte alphabet as a normalizer, NFKD, merges of decomposed text."""
    normalizer = sequence("normalizers", {"type": "NFKD"}, {"type": "Prepend", "prepend": "_"}, {"type": "ByteLevel"})
    pre = sequence("pretokenizers", {"type": "CharDelimiterSplit", "delimiter": "e"}, {"type": "Punctuation", "behavior": "MergedWithNext"})
    model = byte_bpe(pre, normalizer, size=500)
    return tokenizer_json(model, [added(len(model["vocab"]), "<s>")], normalizer, pre, BYTE_LEVEL, BYTE_LEVEL)


FAMILIES = {
    **golden.LAYOUTS,
    "qwen3.5": lambda: regex_family(LETTERS_AND_MARKS, ["<|endoftext|>", "<|im_start|>", "<|im_end|>"], normalizer={"type": "NFC"}),
    "tekken": lambda: regex_family(TEKKEN, ["<s>", "[INST]", "[/INST]"], post=begin, ignore_merges=True),
    "gpt-oss": lambda: regex_family(O200K, ["<|startoftext|>", "<|start|>", "<|channel|>", "<|message|>", "<|end|>"]),
    "phi4": lambda: regex_family(CL100K, ["<|endoftext|>", "<|im_start|>", "<|im_sep|>"],
                                 flags={"<|im_sep|>": {"lstrip": True, "rstrip": True}}),
    "bloom": lambda: regex_family(BLOOM, ["<unk>", "<s>", "</s>", "<pad>"]),
    "opt": lambda: byte_level(BYTE_LEVEL, ["</s>", "<pad>"], post=begin, flags={"</s>": {"normalized": True}}),
    "starcoder": lambda: byte_level(sequence("pretokenizers", DIGITS, BYTE_LEVEL), ["<|endoftext|>", "<fim_prefix>"], post=BYTE_LEVEL),
    "roberta": lambda: roberta(False),
    "roberta-prefix": lambda: roberta(True),
    "bert-uncased": lambda: bert(True, around(("[CLS]", 2), ("[SEP]", 3))),
    "bert-cased": lambda: bert(False, {"type": "BertProcessing", "sep": ["[SEP]", 3], "cls": ["[CLS]", 2]}),
    **{f.__name__.replace("_", "-"): f for f in (gemma, phi3, falcon, neox, deepseek_llm, deepseek_coder, deepseek_v3, t5, xlm_roberta,
                                                 albert, unigram_bytes, scripts, clip, unknown_dropped, word_level, ctc, delimiter)},
}
