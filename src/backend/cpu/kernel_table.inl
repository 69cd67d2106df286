// The table of this instruction set's functions; the last part of each kernels_*.cc.

const Kernels kKernels = {
    kName,
    dot<float, load_f32, scalar_f32>,
    dot<uint16_t, load_bf16, scalar_bf16>,
    dot<uint16_t, load_f16, scalar_f16>,
    widen<load_bf16, scalar_bf16>,
    widen<load_f16, scalar_f16>,
    rms_norm,
    layer_norm,
    silu_multiply,
    gelu_tanh,
    soft_cap,
    add,
    softmax_exp,
    scale,
    axpy,
    attention_scores,
    attention_values,
    attention_softmax,
    gptq_strip,
};
