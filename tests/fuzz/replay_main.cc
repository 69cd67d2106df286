// Runs a fuzz target on every file of its corpus and on variations of each: cut short, and with bytes changed.
//
// Usage: NAME_fuzz FOLDER. The variations are the same in every run. Exploring is the fuzzer's work: scripts/fuzz.sh.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

using Bytes = std::vector<uint8_t>;

constexpr int kVariations = 20;  // of each seed

void run(const Bytes& input) { LLVMFuzzerTestOneInput(input.data(), input.size()); }

Bytes varied(Bytes input, std::mt19937& random) {
  if (input.empty()) return input;
  if (random() % 4 == 0) input.resize(random() % input.size());
  for (size_t changes = random() % 4; changes > 0 && !input.empty(); --changes) {
    input[random() % input.size()] = static_cast<uint8_t>(random());
  }
  return input;
}

}  // namespace

int main(int argc, char** argv) {
  namespace fs = std::filesystem;
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
    return 2;
  }
  std::mt19937 random(1);
  run({});
  size_t seeds = 0;
  if (fs::is_directory(argv[1])) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(argv[1])) {
      if (!entry.is_regular_file()) continue;
      std::ifstream file(entry.path(), std::ios::binary);
      const Bytes input{std::istreambuf_iterator<char>(file), {}};
      run(input);
      for (int i = 0; i < kVariations; ++i) run(varied(input, random));
      ++seeds;
    }
  }
  std::printf("%zu seeds, %d variations of each\n", seeds, kVariations);
}
