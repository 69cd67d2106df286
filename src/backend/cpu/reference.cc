// Plain loops for every operation; the contract suite holds all tuned code against them.
#include "backend/cpu/reference.h"

#include <algorithm>
#include <cmath>

namespace gptq::reference {

std::vector<float> dequantize(const PackedWeight& weight) {
  const int64_t k_count = weight.in_features, n_count = weight.out_features;
  const auto qweight = weight.qweight.values<int32_t>();
  const auto qzeros = weight.qzeros.values<int32_t>();
  const auto scales = weight.scales.values<Half>();
  const auto g_idx = weight.g_idx.values<int32_t>();
  std::vector<float> dense(static_cast<size_t>(n_count * k_count));
  for (int64_t n = 0; n < n_count; ++n) {
    for (int64_t k = 0; k < k_count; ++k) {
      const int64_t g = g_idx[static_cast<size_t>(k)];
      const uint32_t code = unpack_field(qweight.data() + n, k, weight.bits, n_count);
      const uint32_t zero = unpack_field(qzeros.data() + g * n_count * weight.bits / 32, n, weight.bits);
      const float scale = to_float(scales[static_cast<size_t>(g * n_count + n)]);
      dense[static_cast<size_t>(n * k_count + k)] = scale * (static_cast<float>(code) - static_cast<float>(zero));
    }
  }
  return dense;
}

void linear(MatrixView y, MatrixView x, std::span<const float> w, std::span<const float> bias) {
  for (int64_t m = 0; m < y.rows; ++m) {
    for (int64_t n = 0; n < y.cols; ++n) {
      double sum = bias.empty() ? 0.0 : bias[static_cast<size_t>(n)];
      for (int64_t k = 0; k < x.cols; ++k) sum += double{x.row(m)[k]} * w[static_cast<size_t>(n * x.cols + k)];
      y.row(m)[n] = static_cast<float>(sum);
    }
  }
}

void rms_norm(MatrixView out, MatrixView x, std::span<const float> weight, float eps) {
  const int64_t width = static_cast<int64_t>(weight.size());
  for (int64_t t = 0; t < x.rows; ++t) {
    for (int64_t start = 0; start < x.cols; start += width) {
      double squares = 0;
      for (int64_t i = 0; i < width; ++i) squares += double{x.row(t)[start + i]} * x.row(t)[start + i];
      const double factor = 1.0 / std::sqrt(squares / static_cast<double>(width) + eps);
      for (int64_t i = 0; i < width; ++i) {
        out.row(t)[start + i] = static_cast<float>(x.row(t)[start + i] * factor) * weight[static_cast<size_t>(i)];
      }
    }
  }
}

void rope(MatrixView x, int head_dim, MatrixView cos, MatrixView sin) {
  const int64_t half = cos.cols;
  for (int64_t t = 0; t < x.rows; ++t) {
    for (int64_t start = 0; start < x.cols; start += head_dim) {
      float* head = x.row(t) + start;
      for (int64_t i = 0; i < half; ++i) {
        const float a = head[i], b = head[i + half], c = cos.row(t)[i], s = sin.row(t)[i];
        head[i] = a * c - b * s;
        head[i + half] = b * c + a * s;
      }
    }
  }
}

void attention(MatrixView out, const AttentionArgs& args) {
  const int64_t d = args.head_dim;
  for (int64_t t = 0; t < args.q.rows; ++t) {
    const int64_t position = args.past + t;
    const int64_t first = args.window > 0 ? std::max<int64_t>(0, position - args.window + 1) : 0;
    for (int h = 0; h < args.heads; ++h) {
      const int64_t kv = h / (args.heads / args.kv_heads) * d;
      std::vector<double> p;
      double highest = -INFINITY, total = 0;
      for (int64_t j = first; j <= position; ++j) {
        double score = 0;
        for (int64_t i = 0; i < d; ++i) score += double{args.q.row(t)[h * d + i]} * args.keys.row(j)[kv + i];
        p.push_back(score * args.scale);
        highest = std::max(highest, p.back());
      }
      for (double& value : p) total += value = std::exp(value - highest);
      for (int64_t i = 0; i < d; ++i) {
        double sum = 0;
        for (size_t j = 0; j < p.size(); ++j) sum += p[j] * args.values.row(first + static_cast<int64_t>(j))[kv + i];
        out.row(t)[h * d + i] = static_cast<float>(sum / total);
      }
    }
  }
}

void silu_multiply(MatrixView out, MatrixView gate_up) {
  for (int64_t t = 0; t < out.rows; ++t) {
    for (int64_t i = 0; i < out.cols; ++i) {
      const double gate = gate_up.row(t)[i];
      out.row(t)[i] = static_cast<float>(gate / (1.0 + std::exp(-gate)) * gate_up.row(t)[out.cols + i]);
    }
  }
}

std::vector<float> cross_entropy(MatrixView logits, std::span<const int> targets) {
  std::vector<float> losses;
  for (int64_t t = 0; t < logits.rows; ++t) {
    const float* row = logits.row(t);
    const double highest = *std::max_element(row, row + logits.cols);
    double total = 0;
    for (int64_t v = 0; v < logits.cols; ++v) total += std::exp(row[v] - highest);
    losses.push_back(static_cast<float>(std::log(total) + highest - row[targets[static_cast<size_t>(t)]]));
  }
  return losses;
}

void accumulate_hessian(MatrixView h, MatrixView x) {
  for (int64_t i = 0; i < h.rows; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (int64_t t = 0; t < x.rows; ++t) sum += double{x.row(t)[i]} * x.row(t)[j];
      h.row(i)[j] += static_cast<float>(sum);
    }
  }
}

}  // namespace gptq::reference
