"""Builds the `precompiled_charsmap` of a SentencePiece normalizer: a double-array trie and its replacements."""
import base64
import struct
import unicodedata


def build(rules):
    """{key: replacement} as bytes: size of the trie, its units, and the replacements ended by zero bytes."""
    blob, places = b"", {}
    for replacement in sorted(set(rules.values())):
        places[replacement] = len(blob)
        blob += replacement.encode() + b"\0"
    tree = {}
    for key, replacement in rules.items():
        node = tree
        for byte in key.encode():
            node = node.setdefault(byte, {})
        node[None] = places[replacement]
    units, used, free = {0: 0}, {0}, 1
    pending = [(0, 0, tree)]
    while pending:
        index, label, node = pending.pop()
        labels = [0 if byte is None else byte for byte in node]
        while free in used:
            free += 1
        base = free ^ labels[0]
        while any(base ^ byte in used for byte in labels):
            base += 1
        used.update(base ^ byte for byte in labels)
        offset = index ^ base
        assert offset < 1 << 21
        units[index] = label | offset << 10 | (0x100 if None in node else 0)
        for byte, child in node.items():
            if byte is None:
                units[base] = child | 1 << 31
            else:
                pending.append((base ^ byte, byte, child))
    size = (max(used) | 0xFF) + 1
    trie = struct.pack(f"<{size}I", *(units.get(i, 0) for i in range(size)))
    return struct.pack("<I", len(trie)) + trie + blob


def nmt_nfkc_like():
    """What SentencePiece's `nmt_nfkc` does for the commoner characters, and some of its odder rules."""
    rules = {"\t": " ", "\n": " ", "\r": " ", "\x0b": "", "\x7f": "", "\u200b": " ", "\ufeff": "", "\u2028": " ", "\u00ad": "",
             "\r\n": " ", "e\u0301": "\u00e9", "a\u0308": "\u00e4", "\u304b\u3099": "\u304c", "~": "\u301c"}
    for code in [*range(0xA0, 0x250), *range(0x1E00, 0x2050), *range(0x2070, 0x2200), *range(0x2460, 0x24F0), *range(0x3300, 0x3400),
                 *range(0xF900, 0xFA00), *range(0xFB00, 0xFB50), *range(0xFF01, 0xFFEF), *range(0x1D400, 0x1D480)]:
        text = chr(code)
        form = unicodedata.normalize("NFKC", text)
        if form != text and unicodedata.category(text) != "Cn":
            rules[text] = form
    return rules


def normalizer(rules=None):
    charsmap = base64.b64encode(build(rules or nmt_nfkc_like())).decode()
    return {"type": "Precompiled", "precompiled_charsmap": charsmap}
