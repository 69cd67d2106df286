// Results do not depend on the number of threads, to the last bit; and the instruction set asked for is the one used.
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "backend/cpu/cpu_backend.h"
#include "backend/cpu/cpu_features.h"
#include "tests/backend/packed_cases.h"
#include "tests/backend/plain_matrix.h"
#include "tests/backend/ragged.h"

namespace gptq::backend {
namespace {

// Every operation that splits its work, one after the other; all the numbers that came out.
std::vector<float> run_everything(Backend& backend) {
  std::vector<float> numbers;
  const auto keep = [&](const std::vector<float>& values) {
    numbers.insert(numbers.end(), values.begin(), values.end());
  };
  const auto put = [&](Host host) {
    Matrix matrix = backend.allocate(DType::kF32, host.rows, host.cols);
    backend.upload(matrix.view(), host.values);
    return matrix;
  };
  const auto a = backend.load_weight(random_packed({4, 32, 288, 320, false, Grouping::kScattered, true}, 1));
  const auto b = backend.load_weight(random_packed({3, 96, 288, 96, true, Grouping::kNatural, false}, 2));
  const Tensor dense = [] {
    Tensor tensor(DType::kF16, {301, 288});
    const Host values = random_host(301, 288, 3);
    for (size_t i = 0; i < values.values.size(); ++i) tensor.values<Half>()[i] = to_half(values.values[i]);
    return tensor;
  }();
  const auto d = backend.load_weight(dense.view(), nullptr);
  const Weight* const weights[] = {a.get(), b.get(), d.get()};
  for (const int64_t m : {1, 7, 24, 25, 1030}) {
    const Matrix x = put(random_host(m, 288, 4)), y = backend.allocate(DType::kF32, m, 717);
    backend.linear(y.view(), x.view(), weights);
    keep(backend.download(y.view()));
  }
  for (const int64_t t : {1, 130}) {
    const RaggedBatch batch(backend, {static_cast<int32_t>(t), 3}, {9, 70}, 16);
    AttentionCase attention{random_host(t + 3, 192, 5), random_host(t + 82, 64, 6), random_host(t + 82, 64, 7), {}};
    attention.args.heads = 6;
    attention.args.kv_heads = 2;
    attention.args.head_dim = 32;
    attention.args.scale = 0.2f;
    keep(run_attention(backend, attention, batch).values);
    const Matrix q = put(random_host(t, 192, 5));
    const Matrix norm = put(Host(1, 64, 1.5f));
    const Matrix out = backend.allocate(DType::kF32, t, 192), half = backend.allocate(DType::kF32, t, 96);
    backend.norm(out.view(), q.view(), NormKind::kRms, norm.view(), {}, 1e-6f);
    backend.activate(half.view(), out.view(), Activation::kSilu, true);
    backend.add(half.view(), out.view().column_range(0, 96));
    keep(backend.download(half.view()));
    keep(backend.cross_entropy(q.view(), std::vector<int>(static_cast<size_t>(t), 11)));
  }
  const int64_t k = 1056;
  const Matrix x = put(random_host(700, k, 8)), target = put(random_host(700, k, 9)), h = put(Host(k, k));
  const Matrix cross = put(Host(k, k)), s = put(Host(k, k)), w = put(random_host(320, k, 10, 0.05f));
  backend.accumulate_hessian(h.view(), x.view());
  backend.accumulate_cross(cross.view(), target.view(), x.view());
  keep(backend.download(h.view()));
  keep(backend.download(cross.view()));
  std::vector<int> order(static_cast<size_t>(k));
  std::iota(order.rbegin(), order.rend(), 0);
  EXPECT_TRUE(backend.solve_gptaq_target(w.view(), cross.view(), h.view(), 7.0f, 0.5f));
  EXPECT_TRUE(backend.factorize(s.view(), h.view(), order, 7.0f, false));
  keep(backend.download(w.view()));
  const Matrix rows = put(random_host(320, k, 13, 0.05f)), product = put(Host(320, k));
  backend.accumulate_cross_of_rows(product.view(), rows.view(), target.view(), x.view());
  EXPECT_TRUE(backend.solve_gptaq_target(rows.view(), product.view(), h.view(), 7.0f, 0.5f));
  keep(backend.download(rows.view()));
  for (const double value : backend.row_quadratic_forms(w.view(), h.view())) keep({static_cast<float>(value)});
  std::vector<int32_t> group(static_cast<size_t>(k));
  for (int64_t j = 0; j < k; ++j) group[static_cast<size_t>(j)] = static_cast<int32_t>(j / 96);
  const Matrix codes = backend.allocate(DType::kU8, k, 320);
  const Matrix scales = put(Host(11, 320)), zeros = put(Host(11, 320));
  backend.solve_columns(
      {w.view(), s.view(), group, {4, false, Clip::kHessian, 0}, false, scales.view(), zeros.view(), codes.view()});
  keep(backend.download(w.view()));
  keep(backend.download(scales.view()));
  keep(backend.download(codes.view()));
  backend.gather_columns(w.view(), put(random_host(320, k, 11)).view(), order);
  backend.subtract_columns(w.view(), put(random_host(320, k, 12)).view(), order);
  keep(backend.download(w.view()));
  const Tensor words = backend.pack_codes(codes.view(), order, 4, 0, 320);
  for (const int32_t word : words.values<int32_t>())
    keep({static_cast<float>(word >> 16), static_cast<float>(word & 0xFFFF)});
  return numbers;
}

TEST(Determinism, TheNumberOfThreadsChangesNothing) {
  const std::vector<float> one = run_everything(*make_cpu_backend(1));
  for (const int threads : {2, 3, 8}) {
    const std::vector<float> many = run_everything(*make_cpu_backend(threads));
    ASSERT_EQ(one.size(), many.size());
    EXPECT_EQ(std::memcmp(one.data(), many.data(), one.size() * sizeof(float)), 0) << threads << " threads";
  }
}

TEST(InstructionSet, IsTheOneAskedFor) {
  const char* wanted = std::getenv("GPTQ_ISA");
  std::printf("instruction set: %s\n", to_string(instruction_set()));
  if (wanted == nullptr) GTEST_SKIP() << "GPTQ_ISA is not set";
  if (to_string(instruction_set()) != std::string(wanted)) GTEST_SKIP() << "this processor has no " << wanted;
}

}  // namespace
}  // namespace gptq::backend
