"""The tokenizer that the Python tools make of a folder without tokenizer.json: their own converters, on the same files."""
import json
import tempfile
import types

import sentencepiece
from sentencepiece import sentencepiece_model_pb2
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import PreTrainedTokenizerFast
from transformers import convert_slow_tokenizer as convert

CLASS_NAMES = {"LlamaTokenizer": convert.LlamaConverter, "GemmaTokenizer": convert.GemmaConverter,
               "T5Tokenizer": convert.T5Converter}
NAMES = ["bos_token", "eos_token", "unk_token", "pad_token"]


def extractor(with_tab):
    """The merges of a model; transformers 5 has the converters of 4, but no longer the two lines that call them."""

    class Extractor:
        def __init__(self, path):
            self.sp = sentencepiece.SentencePieceProcessor(model_file=path)

        def extract(self, scores):
            vocab = {self.sp.id_to_piece(i): i for i in range(self.sp.get_piece_size())}
            if with_tab and "\t" not in vocab:
                vocab["\t"] = vocab.get("<0x09>")
            return vocab, convert.generate_merges(vocab, scores)

    return Extractor


class AsTheModelSays(convert.LlamaConverter):
    """A class that transformers has no converter for: what SentencePiece itself would do to the text."""

    def __init__(self, original):
        super().__init__(original)
        self.handle_byte_fallback = self.proto.trainer_spec.byte_fallback

    def vocab(self, proto):
        return [(piece.piece, piece.score) for piece in proto.pieces]

    def unk_id(self, proto):
        return proto.trainer_spec.unk_id

    def normalizer(self, proto):
        spec = proto.normalizer_spec
        parts = [normalizers.Precompiled(spec.precompiled_charsmap)] if spec.precompiled_charsmap else []
        if spec.remove_extra_whitespaces:
            parts += [normalizers.Strip(), normalizers.Replace(Regex(" {2,}"), " ")]
        return normalizers.Sequence(parts + [super().normalizer(proto)])


def from_sentencepiece(folder, config):
    path = str(folder / "tokenizer.model")
    processor = sentencepiece.SentencePieceProcessor(model_file=path)
    proto = sentencepiece_model_pb2.ModelProto.FromString((folder / "tokenizer.model").read_bytes())
    renamed = {int(i): token["content"] for i, token in config.get("added_tokens_decoder", {}).items()}
    base = CLASS_NAMES.get(config.get("tokenizer_class", "LlamaTokenizer"), AsTheModelSays)
    prefix = config.get("add_prefix_space", proto.normalizer_spec.add_dummy_prefix if base is AsTheModelSays else True)
    piece = lambda i: renamed.get(i, processor.id_to_piece(i))  # noqa: E731
    original = types.SimpleNamespace(vocab_file=path, legacy=config.get("legacy", True), add_prefix_space=prefix,
                                     convert_ids_to_tokens=piece, convert_tokens_to_ids=processor.piece_to_id,
                                     _extra_ids=config.get("extra_ids", 100), **{n: config.get(n) for n in NAMES})
    converter = type("Converter", (base,), {"SpmExtractor": extractor(base is convert.GemmaConverter)})
    tokenizer = converter(original).converted()
    spec = proto.trainer_spec
    ids = dict(zip(NAMES, (spec.bos_id, spec.eos_id, spec.unk_id, spec.pad_id)))
    if base is convert.T5Converter:
        sentinels = [f"<extra_id_{i}>" for i in range(original._extra_ids)]
        tokenizer.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in sentinels])
        ids["bos_token"] = -1
        config = {k: v for k, v in config.items() if k not in ("add_bos_token", "add_eos_token")}
    else:
        config = {"add_bos_token": True, **config}
    named = {name: processor.id_to_piece(i) for name, i in ids.items() if i >= 0}
    return tokenizer, {**named, **config}


def from_tekken(folder, config):
    """As mistral-common numbers the tokens; transformers' own converter forgets that ranks stand behind the specials."""
    data = json.loads((folder / "tekken.json").read_text())
    count = data["config"]["default_num_special_tokens"]
    size = data["config"]["default_vocab_size"]
    listed = {t["rank"]: t for t in data["special_tokens"]}
    filler = lambda i: {"token_str": f"<SPECIAL_{i}>", "is_control": True}  # noqa: E731
    specials = [listed.get(i, filler(i)) for i in range(count)]
    data["special_tokens"] = specials
    data["vocab"] = data["vocab"][:size - count]
    with tempfile.NamedTemporaryFile("w", suffix="tekken.json") as file:
        json.dump(data, file)
        file.flush()
        converter = convert.MistralConverter(file.name)
        ranks, merges = converter.extract_vocab_merges_from_model(file.name)
        tokenizer = converter.converted()
    names = [s["token_str"] for s in specials]
    vocab = {name: i for i, name in enumerate(names)} | {t: i + count for t, i in ranks.items() if t not in names}
    tokenizer.model = models.BPE(vocab, merges, fuse_unk=False, ignore_merges=True)
    parts = {**json.loads(tokenizer.to_str()), "added_tokens": []}
    tokenizer = Tokenizer.from_str(json.dumps(parts))
    tokenizer.add_tokens([AddedToken(s["token_str"], special=s["is_control"]) for s in specials])
    return tokenizer, {"bos_token": "<s>", "eos_token": "</s>", "add_bos_token": True, **config}


def from_tiktoken(path, config):
    pattern = {"pattern": config["pattern"]} if "pattern" in config else {}
    return convert.TikTokenConverter(str(path), **pattern).converted(), config


def from_vocab_and_merges(folder, config):
    vocab = json.loads((folder / "vocab.json").read_text())
    merges = [tuple(line.split(" ")) for line in (folder / "merges.txt").read_text().split("\n")[1:] if line]
    prefix = config.get("add_prefix_space", False)
    converter = convert.Qwen2Converter if config.get("tokenizer_class") == "Qwen2Tokenizer" else convert.GPT2Converter
    tokenizer = converter(types.SimpleNamespace(add_prefix_space=prefix)).converted(vocab, merges)
    default = {} if converter is convert.Qwen2Converter else {"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>"}
    return tokenizer, {**default, **config}


def from_bert_vocab(folder, config):
    vocab = {token: i for i, token in enumerate((folder / "vocab.txt").read_text().split("\n")[:-1])}
    basic = types.SimpleNamespace(tokenize_chinese_chars=config.get("tokenize_chinese_chars", True),
                                  strip_accents=config.get("strip_accents"), do_lower_case=config.get("do_lower_case", True))
    names = {f"{name}_token": f"[{name.upper()}]" for name in ("unk", "sep", "pad", "cls", "mask")}
    original = types.SimpleNamespace(vocab=vocab, basic_tokenizer=basic, cls_token_id=vocab["[CLS]"],
                                     sep_token_id=vocab["[SEP]"], **names)
    return convert.BertConverter(original).converted(), {**names, **config}


def read(folder):
    """The tokenizers.Tokenizer of a folder with one carrier and, perhaps, tokenizer_config.json."""
    path = folder / "tokenizer_config.json"
    config = json.loads(path.read_text()) if path.exists() else {}
    model = folder / "tokenizer.model"
    ranks = sorted(folder.glob("*.tiktoken"))
    if model.exists() and not model.read_bytes().startswith(b"\n"):  # the first byte of every SentencePiece model
        ranks = [model]
    if (folder / "tekken.json").exists():
        tokenizer, config = from_tekken(folder, config)
    elif ranks:
        tokenizer, config = from_tiktoken(ranks[0], config)
    elif model.exists():
        tokenizer, config = from_sentencepiece(folder, config)
    elif (folder / "vocab.txt").exists():
        tokenizer, config = from_bert_vocab(folder, config)
    else:
        tokenizer, config = from_vocab_and_merges(folder, config)
    decoder = {int(i): AddedToken(**t) for i, t in config.pop("added_tokens_decoder", {}).items()}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, added_tokens_decoder=decoder, **config).backend_tokenizer
