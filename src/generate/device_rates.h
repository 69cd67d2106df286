// The limits of the device, measured at run time, with which every speed is compared.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "backend/backend.h"

namespace gptq::generate {

struct DeviceRates {
  double memory = 0;    // bytes per second
  double products = 0;  // operations per second, two for each product
  // On a GPU the rates are those of copies between large matrices (bytes read and written) and of a large dense 16-bit
  // linear; on a CPU those of reading memory and of products of 8-bit integers in registers.
  const char* memory_kind = "copy";    // or "read"
  const char* products_kind = "gemm";  // or "int8"
};

// Takes about a second and, on a GPU, 0.9 GB of its memory. Each rate is the best of several passes: a limit.
DeviceRates measure_device(backend::Backend& backend);

// A dense BF16 weight of random numbers that are neither zero nor denormal                            [N, K]
std::unique_ptr<backend::Weight> random_dense_weight(backend::Backend& backend, int64_t n, int64_t k, uint64_t seed);

backend::Matrix allocate_activations(backend::Backend& backend, int64_t m,
                                     int64_t k);  // of the backend's type, not cleared

// The same, filled with random numbers as above                          [M, K]
backend::Matrix random_activations(backend::Backend& backend, int64_t m, int64_t k);

}  // namespace gptq::generate
