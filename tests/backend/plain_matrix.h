// Small dense linear algebra in double precision, as plain loops, for tests of the GPTQ operations.
#pragma once

#include <cmath>
#include <cstdint>
#include <random>
#include <span>
#include <vector>

#include "tests/backend/cases.h"

namespace gptq::backend {

struct Square {
  int64_t n;
  std::vector<double> values;
  explicit Square(int64_t size) : n(size), values(static_cast<size_t>(size * size)) {}
  double& at(int64_t i, int64_t j) { return values[static_cast<size_t>(i * n + j)]; }
  double at(int64_t i, int64_t j) const { return values[static_cast<size_t>(i * n + j)]; }
  double norm() const {
    double sum = 0;
    for (const double value : values) sum += value * value;
    return std::sqrt(sum);
  }
};

// H + damping·I from the lower triangle, rows and columns taken in `order`.
inline Square damped(const Host& h, std::span<const int> order, double damping) {
  Square a(h.rows);
  for (int64_t i = 0; i < a.n; ++i) {
    for (int64_t j = 0; j < a.n; ++j) {
      const int64_t r = order[static_cast<size_t>(i)], c = order[static_cast<size_t>(j)];
      a.at(i, j) = r >= c ? h.at(r, c) : h.at(c, r);
    }
    a.at(i, i) += damping;
  }
  return a;
}

// The largest singular value, by power iteration on aᵀ·a.
inline double spectral_norm(const Square& a) {
  std::vector<double> x(static_cast<size_t>(a.n), 1.0);
  double norm = 0;
  for (int step = 0; step < 60; ++step) {
    std::vector<double> y(x.size()), z(x.size());
    for (int64_t i = 0; i < a.n; ++i) {
      for (int64_t j = 0; j < a.n; ++j) y[static_cast<size_t>(i)] += a.at(i, j) * x[static_cast<size_t>(j)];
    }
    for (int64_t i = 0; i < a.n; ++i) {
      for (int64_t j = 0; j < a.n; ++j) z[static_cast<size_t>(j)] += a.at(i, j) * y[static_cast<size_t>(i)];
    }
    double length = 0;
    for (const double value : z) length += value * value;
    length = std::sqrt(length);
    norm = std::sqrt(length);
    for (size_t i = 0; i < x.size(); ++i) x[i] = z[i] / length;
  }
  return norm;
}

// The inverse of a symmetric positive definite matrix by Gauss-Jordan.
inline Square inverse(Square a) {
  Square result(a.n);
  for (int64_t i = 0; i < a.n; ++i) result.at(i, i) = 1;
  for (int64_t p = 0; p < a.n; ++p) {
    const double pivot = a.at(p, p);
    for (int64_t j = 0; j < a.n; ++j) a.at(p, j) /= pivot, result.at(p, j) /= pivot;
    for (int64_t i = 0; i < a.n; ++i) {
      const double factor = a.at(i, p);
      if (i == p || factor == 0) continue;
      for (int64_t j = 0; j < a.n; ++j) {
        a.at(i, j) -= factor * a.at(p, j);
        result.at(i, j) -= factor * result.at(p, j);
      }
    }
  }
  return result;
}

// S⁻ᵀ of a lower triangular S, by substitution.
inline Square inverse_transpose(const Host& s) {
  Square u(s.rows);
  for (int64_t c = 0; c < u.n; ++c) {
    for (int64_t i = c; i < u.n; ++i) {  // column c of S⁻¹ is row c of U
      double sum = i == c;
      for (int64_t j = c; j < i; ++j) sum -= s.at(i, j) * u.at(c, j);
      u.at(c, i) = sum / s.at(i, i);
    }
  }
  return u;
}

// Xᵀ·X of T correlated inputs with a few outlier channels, upper triangle poisoned: nothing may read it.
inline Host random_hessian(int64_t k, int64_t t, uint32_t seed, float outlier = 5.0f) {
  Host x = random_host(t, k, seed);
  for (int64_t row = 0; row < t; ++row) {
    for (int64_t i = 1; i < k; ++i) x.at(row, i) += 0.5f * x.at(row, i - 1);
    for (int64_t i = 3; i < k; i += 40) x.at(row, i) *= outlier;
  }
  Host h(k, k, NAN);
  for (int64_t i = 0; i < k; ++i) {
    for (int64_t j = 0; j <= i; ++j) {
      double sum = 0;
      for (int64_t row = 0; row < t; ++row) sum += double{x.at(row, i)} * x.at(row, j);
      h.at(i, j) = static_cast<float>(sum);
    }
  }
  return h;
}

}  // namespace gptq::backend
