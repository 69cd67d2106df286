"""The GPTQ tensor format in NumPy, written from its definition: pack, unpack, dequantize, round to nearest.

Letters: K inputs, N outputs, G groups. Codes and zeros are unsigned integers of `bits` bits in a little-endian bit stream
over 32-bit words; 32 of them fill exactly `bits` words, for every width.
"""
import numpy as np

WIDTHS = (2, 3, 4, 8)
FORMATS = ("gptq", "gptq_v2")


def pack(codes, bits):
    """Unsigned codes [R, I] -> int32 words [R, I·bits/32], packed along the last axis."""
    assert bits in WIDTHS and codes.shape[-1] % 32 == 0
    assert codes.min() >= 0 and codes.max() < 1 << bits
    stream = codes[..., None] >> np.arange(bits) & 1                       # [R, I, bits]
    stream = stream.reshape(codes.shape[0], -1).astype(np.uint8)
    return np.packbits(stream, axis=-1, bitorder="little").view("<i4")


def unpack(words, bits):
    """int32 words [R, W] -> codes [R, W·32/bits]."""
    stream = np.unpackbits(np.ascontiguousarray(words).view(np.uint8), axis=-1, bitorder="little")
    stream = stream.reshape(words.shape[0], -1, bits).astype(np.int32)     # [R, I, bits]
    return (stream << np.arange(bits)).sum(axis=-1, dtype=np.int32)


def group_count(inputs, group_size):
    return 1 if group_size == -1 else -(-inputs // group_size)


def group_index(inputs, group_size, order=None):
    """g_idx [K]. `order` lists the columns in the order in which they were quantized (act-order)."""
    position = np.arange(inputs)
    groups = np.zeros_like(position) if group_size == -1 else position // group_size
    g_idx = np.empty(inputs, np.int32)
    g_idx[position if order is None else order] = groups
    return g_idx


def pack_module(codes, zeros, scales, g_idx, bits, checkpoint_format):
    """codes [K, N], zeros [G, N], scales [G, N], g_idx [K] -> the four tensors of one quantized linear."""
    assert checkpoint_format in FORMATS
    stored = zeros if checkpoint_format == "gptq_v2" else (zeros - 1) & ((1 << bits) - 1)
    return {
        "qweight": np.ascontiguousarray(pack(codes.T, bits).T),            # int32 [K·bits/32, N]
        "qzeros": pack(stored, bits),                                      # int32 [G, N·bits/32]
        "scales": scales.astype(np.float16),                               # fp16 [G, N]
        "g_idx": g_idx.astype(np.int32),                                   # int32 [K]
    }


def unpack_module(tensors, bits, checkpoint_format):
    """The inverse of pack_module: codes [K, N] and plain zeros [G, N]."""
    codes = unpack(tensors["qweight"].T, bits).T
    zeros = unpack(tensors["qzeros"], bits)
    if checkpoint_format == "gptq":
        zeros = (zeros + 1) & ((1 << bits) - 1)
    return codes, zeros


def dequantize(tensors, bits, checkpoint_format):
    """The dense weight fp32 [N, K] of one quantized linear."""
    codes, zeros = unpack_module(tensors, bits, checkpoint_format)
    g_idx = tensors["g_idx"]
    scales = tensors["scales"].astype(np.float32)
    return np.ascontiguousarray((scales[g_idx] * (codes - zeros[g_idx]).astype(np.float32)).T)


def round_to_nearest(weight, bits, group_size, sym, g_idx, lowest_zero=0):
    """Quantizes fp32 [N, K] without calibration -> codes [K, N], zeros [G, N], scales fp16 [G, N]."""
    top = (1 << bits) - 1
    groups = group_count(weight.shape[1], group_size)
    codes = np.zeros(weight.T.shape, np.int32)
    zeros = np.zeros((groups, weight.shape[0]), np.int32)
    scales = np.zeros((groups, weight.shape[0]), np.float16)
    for g in range(groups):
        part = weight[:, g_idx == g].T.astype(np.float32)                  # [K of the group, N]
        low, high = np.minimum(part.min(0), 0), np.maximum(part.max(0), 0)
        if sym:
            high = np.maximum(-low, high)
            low = -high
        scales[g] = np.maximum((high - low) / top, 1e-6)
        scale = scales[g].astype(np.float32)
        zeros[g] = (top + 1) // 2 if sym else np.clip(np.rint(-low / scale), lowest_zero, top)
        codes[g_idx == g] = np.clip(np.rint(part / scale) + zeros[g], 0, top)
    return codes, zeros, scales
