// Every code, scale and zero of solve_linear_set against a NumPy GPTQ in double precision, for all option combinations.
//
// tests/golden/gptq/README.md describes the files. No decision in them is near a tie, so equality is exact.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "backend/cpu/cpu_backend.h"
#include "checkpoint/safetensors.h"
#include "quantize/solver.h"

namespace gptq::quantization {

using checkpoint::SafetensorsFile;

namespace {

const fs::path kFolder = fs::path(GPTQ_SOURCE_DIR) / "tests/golden/gptq";

template <typename T>
std::vector<T> read(const SafetensorsFile& file, const std::string& name) {
  const TensorView view = file.tensor(name);
  CHECK(view.bytes() % sizeof(T) == 0 && static_cast<size_t>(size_of(view.dtype)) == sizeof(T), name);
  std::vector<T> values(view.bytes() / sizeof(T));
  std::memcpy(values.data(), view.data, view.bytes());
  return values;
}

struct Inputs {
  int64_t columns = 0;                         // K
  std::vector<float> weights, hessian, cross;  // [pool, K], [K, K], [K, K]
};

const Inputs& inputs() {
  static const Inputs result = [] {
    const SafetensorsFile weights(kFolder / "inputs_weights.safetensors");
    const SafetensorsFile hessian(kFolder / "inputs_hessian.safetensors"), cross(kFolder / "inputs_cross.safetensors");
    return Inputs{weights.tensor("weights").shape[1], read<float>(weights, "weights"), read<float>(hessian, "hessian"),
                  read<float>(cross, "cross")};
  }();
  return result;
}

// "bits=4 group_size=32 …" of one case
std::map<std::string, std::string> parse(const std::string& text) {
  std::map<std::string, std::string> options;
  std::istringstream words(text);
  for (std::string word; words >> word;) options[word.substr(0, word.find('='))] = word.substr(word.find('=') + 1);
  return options;
}

struct Mismatches {
  int codes = 0, scales = 0, zeros = 0, rows = 0;
};

Mismatches check_case(const SafetensorsFile& file, const std::string& name, const std::string& text,
                      backend::Backend& backend) {
  std::map<std::string, std::string> options = parse(text);
  const auto rows = read<uint8_t>(file, name + ".rows"), codes = read<uint8_t>(file, name + ".codes");
  const auto zeros = read<uint8_t>(file, name + ".zeros"), g_idx = read<uint8_t>(file, name + ".g_idx");
  const auto scales = read<Half>(file, name + ".scales");
  const int64_t k = inputs().columns, n = static_cast<int64_t>(rows.size());
  std::vector<float> weights;
  for (const uint8_t row : rows) {
    weights.insert(weights.end(), inputs().weights.begin() + row * k, inputs().weights.begin() + (row + 1) * k);
  }
  // The solver may read the lower triangle only.
  std::vector<float> lower = inputs().hessian;
  for (int64_t i = 0; i < k; ++i) std::fill_n(lower.begin() + i * k + i + 1, k - i - 1, NAN);
  const auto put = [&](const std::vector<float>& values) {
    backend::Matrix matrix = backend.allocate(DType::kF32, static_cast<int64_t>(values.size()) / k, k);
    backend.upload(matrix.view(), values);
    return matrix;
  };

  SolveProblem problem;
  problem.weights = put(weights);
  problem.hessian = put(lower);
  problem.damp = std::stod(options.at("damp"));
  problem.gptaq_strength = std::stod(options.at("gptaq"));
  if (problem.gptaq_strength > 0) problem.gptaq = GptaqTerms{put(inputs().cross), put(lower)};
  problem.grid.bits = std::stoi(options.at("bits"));
  problem.grid.group_size = std::stoi(options.at("group_size"));
  problem.grid.sym = options.at("sym") == "1";
  problem.grid.desc_act = options.at("order") == "desc_act";
  problem.grid.group_aware = options.at("order") == "group_aware";
  problem.grid.static_groups = options.at("static_groups") == "1";
  problem.grid.clip = options.at("clip");
  problem.lowest_zero = std::stoi(options.at("lowest_zero"));
  const double damp = problem.damp;
  const SolveResult solution = solve_linear_set(std::move(problem), backend);

  EXPECT_EQ(solution.method, "gptq");
  EXPECT_EQ(solution.damp, damp);
  EXPECT_EQ(std::vector<int32_t>(g_idx.begin(), g_idx.end()), solution.g_idx);
  EXPECT_EQ(solution.scales.size(), scales.size());
  const std::vector<float> solved = backend.download(solution.codes.view());  // rows in processing order
  EXPECT_EQ(solved.size(), codes.size());
  Mismatches wrong;
  std::vector<bool> row_wrong(static_cast<size_t>(n));
  for (size_t i = 0; i < codes.size(); ++i) {
    const size_t row = i % static_cast<size_t>(n),
                 column = static_cast<size_t>(solution.order[i / static_cast<size_t>(n)]);
    if (static_cast<float>(codes[column * static_cast<size_t>(n) + row]) != solved[i]) {
      ++wrong.codes, row_wrong[row] = true;
    }
  }
  for (size_t i = 0; i < scales.size(); ++i) {
    if (to_float(scales[i]) != solution.scales[i]) ++wrong.scales, row_wrong[i % static_cast<size_t>(n)] = true;
    if (static_cast<float>(zeros[i]) != solution.zeros[i]) ++wrong.zeros, row_wrong[i % static_cast<size_t>(n)] = true;
  }
  wrong.rows = static_cast<int>(std::count(row_wrong.begin(), row_wrong.end(), true));
  EXPECT_TRUE(wrong.rows == 0) << wrong.rows << " of " << n << " rows differ: " << wrong.codes << " codes, "
                               << wrong.scales << " scales, " << wrong.zeros << " zeros";
  return wrong;
}

class SolverGolden : public ::testing::TestWithParam<std::string> {};

TEST_P(SolverGolden, MatchesNumPyExactly) {
  const SafetensorsFile file(kFolder / (GetParam() + ".safetensors"));
  const std::unique_ptr<backend::Backend> backend = backend::make_cpu_backend(2);
  EXPECT_FALSE(file.header().metadata.empty());
  for (const auto& [name, text] : file.header().metadata) {
    SCOPED_TRACE(name);
    check_case(file, name, text, *backend);
  }
}

std::vector<std::string> golden_files() {
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(kFolder)) {
    const std::string name = entry.path().stem().string();
    if (entry.path().extension() == ".safetensors" && name.rfind("inputs", 0) != 0) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

INSTANTIATE_TEST_SUITE_P(Files, SolverGolden, ::testing::ValuesIn(golden_files()),
                         [](const auto& file) { return file.param; });

}  // namespace
}  // namespace gptq::quantization
