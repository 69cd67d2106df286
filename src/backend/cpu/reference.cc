// Plain loops for every operation; tests compare all optimized code with them.
#include "backend/cpu/reference.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace gptq::backend::reference {

std::vector<float> dequantize(const PackedWeight& weight) {
  const int64_t k_count = weight.in_features, n_count = weight.out_features;
  const auto qweight = weight.words();
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

void norm(MatrixView out, MatrixView x, NormKind kind, std::span<const float> weight, std::span<const float> bias,
          float eps) {
  const int64_t width = static_cast<int64_t>(weight.size());
  for (int64_t t = 0; t < x.rows; ++t) {
    for (int64_t start = 0; start < x.cols; start += width) {
      double sum = 0, squares = 0;
      for (int64_t i = 0; i < width; ++i) sum += x.row(t)[start + i];
      const double mean = kind == NormKind::kLayer ? sum / static_cast<double>(width) : 0.0;
      for (int64_t i = 0; i < width; ++i) squares += (x.row(t)[start + i] - mean) * (x.row(t)[start + i] - mean);
      const double factor = 1.0 / std::sqrt(squares / static_cast<double>(width) + eps);
      for (int64_t i = 0; i < width; ++i) {
        const size_t at = static_cast<size_t>(i);
        const float normed = static_cast<float>((x.row(t)[start + i] - mean) * factor);
        out.row(t)[start + i] = normed * weight[at] + (bias.empty() ? 0.0f : bias[at]);
      }
    }
  }
}

void rope(MatrixView x, const RopeArgs& args, std::span<const int32_t> positions) {
  const int64_t pairs = args.angles.cos.cols;
  for (int64_t t = 0; t < x.rows; ++t) {
    const int64_t position = positions[static_cast<size_t>(t)];
    for (int64_t start = 0; start < x.cols; start += args.head_dim) {
      float* head = x.row(t) + start;
      for (int64_t i = 0; i < pairs; ++i) {
        float& first = args.interleaved ? head[2 * i] : head[i];
        float& second = args.interleaved ? head[2 * i + 1] : head[i + pairs];
        const float a = first, b = second;
        const float c = args.angles.cos.row(position)[i], s = args.angles.sin.row(position)[i];
        first = a * c - b * s;
        second = b * c + a * s;
      }
    }
  }
}

namespace {

// One query, the row `t` of q at `position`; `first_row` holds position 0 of its sequence.
void attend(MatrixView out, const AttentionArgs& args, int64_t t, int64_t position, int64_t first_row) {
  const int64_t d = args.head_dim;
  const int64_t first = args.window > 0 ? std::max<int64_t>(0, position - args.window + 1) : 0;
  for (int h = 0; h < args.heads; ++h) {
    const int64_t kv = h / (args.heads / args.kv_heads) * d;
    std::vector<double> p;
    double highest = -INFINITY, total = 0;
    for (int64_t j = first; j <= position; ++j) {
      double score = 0;
      for (int64_t i = 0; i < d; ++i) {
        score += double{args.q.row(t)[h * d + i]} * args.keys.row(first_row + j)[kv + i];
      }
      score *= args.scale;
      if (args.soft_cap > 0) score = args.soft_cap * std::tanh(score / args.soft_cap);
      p.push_back(score);
      highest = std::max(highest, score);
    }
    for (double& value : p) total += value = std::exp(value - highest);
    for (int64_t i = 0; i < d; ++i) {
      double sum = 0;
      for (size_t j = 0; j < p.size(); ++j) {
        sum += p[j] * args.values.row(first_row + first + static_cast<int64_t>(j))[kv + i];
      }
      out.row(t)[h * d + i] = static_cast<float>(sum / total);
    }
  }
}

}  // namespace

void attention(MatrixView out, const AttentionArgs& args, std::span<const int32_t> row_starts,
               std::span<const int32_t> past) {
  int64_t first_row = 0;
  for (size_t s = 0; s < past.size(); ++s) {
    const int64_t rows = row_starts[s + 1] - row_starts[s];
    for (int64_t i = 0; i < rows; ++i) attend(out, args, row_starts[s] + i, past[s] + i, first_row);
    first_row += past[s] + rows;
  }
}

double activation(Activation kind, double x) {
  switch (kind) {
    case Activation::kSilu: return x / (1.0 + std::exp(-x));
    case Activation::kGelu: return 0.5 * x * (1.0 + std::erf(x / std::numbers::sqrt2));
    case Activation::kGeluTanh:
      return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x)));
    case Activation::kRelu: return std::max(x, 0.0);
    default: return std::max(x, 0.0) * std::max(x, 0.0);  // kSquaredRelu
  }
}

void activate(MatrixView out, MatrixView x, Activation kind, bool gated) {
  for (int64_t t = 0; t < out.rows; ++t) {
    for (int64_t i = 0; i < out.cols; ++i) {
      const double y = activation(kind, x.row(t)[i]);
      out.row(t)[i] = static_cast<float>(gated ? y * x.row(t)[out.cols + i] : y);
    }
  }
}

void soft_cap(MatrixView x, float cap) {
  for (int64_t t = 0; t < x.rows; ++t) {
    for (int64_t i = 0; i < x.cols; ++i) x.row(t)[i] = static_cast<float>(cap * std::tanh(double{x.row(t)[i]} / cap));
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

}  // namespace gptq::backend::reference
