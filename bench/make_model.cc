// A model folder of any supported shape with random weights, dense or GPTQ-packed, for measuring time and memory.
#include <CLI/CLI.hpp>
#include <chrono>
#include <cstdio>
#include <string>

#include <gptq/error.h>

#include "bench/random_checkpoint.h"
#include "bench/random_tokenizer.h"
#include "core/json.h"

namespace {

using namespace gptq;

struct Arguments {
  std::string config, output, dtype = "bfloat16";
  int64_t layers = 0;
  uint64_t seed = 0;
  int packed = 0, threads = 0;
  GridOptions grid;
  bool asym = false;
};

void make(const Arguments& a) {
  bench::RandomCheckpoint wanted;
  wanted.config = parse_ordered_json(read_file(a.config), a.config);
  if (a.layers > 0) wanted.config["num_hidden_layers"] = a.layers;
  if (a.layers > 0 && wanted.config.contains("layer_types")) {
    auto& types = wanted.config["layer_types"];
    while (static_cast<int64_t>(types.size()) > a.layers) types.erase(types.size() - 1);
  }
  wanted.dtype = a.dtype == "float16" ? DType::kF16 : DType::kBF16;
  wanted.seed = a.seed;
  if (a.packed > 0) {
    wanted.grid = a.grid;
    wanted.grid->bits = a.packed;
    wanted.grid->sym = !a.asym;
  }
  const fs::path folder = a.output;
  if (fs::exists(folder)) {
    throw Error(ErrorKind::kUsage, "making " + a.output + ": it exists already; remove it or choose another folder");
  }
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) throw_system_error("creating the folder", folder, error.value());
  const Json config = wanted.config;
  const JsonReader reader(config, a.config);
  bench::write_tokenizer(folder, reader.integer("vocab_size"), reader.integer("max_position_embeddings"));
  ThreadPool pool(a.threads);
  bench::write_random_checkpoint(wanted, folder, pool);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments a;
  CLI::App app("Makes a model folder with random weights from a config.json.");
  app.add_option("CONFIG", a.config, "config.json of the shape")->required();
  app.add_option("OUT_DIR", a.output, "Folder to create")->required();
  app.add_option("--seed", a.seed, "Chooses the weights");
  app.add_option("--layers", a.layers, "Instead of the config's number of layers");
  app.add_option("--dtype", a.dtype, "bfloat16 or float16")->check(CLI::IsMember({"bfloat16", "float16"}));
  app.add_option("--packed", a.packed, "GPTQ-packed linears of this many bits")->check(CLI::IsMember({2, 3, 4, 8}));
  app.add_option("--group-size", a.grid.group_size, "Columns per scale, with --packed")->capture_default_str();
  app.add_flag("--desc-act", a.grid.desc_act, "Groups scattered by activation order, with --packed");
  app.add_flag("--asym", a.asym, "Zero points, with --packed");
  app.add_option("--threads", a.threads, "0 takes one for each hardware thread");
  CLI11_PARSE(app, argc, argv);
  try {
    const auto start = std::chrono::steady_clock::now();
    make(a);
    std::printf("%s in %.1f s\n", a.output.c_str(),
                std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  } catch (const Error& error) {
    std::fprintf(stderr, "make_model: %s\n", error.what());
    return error.exit_code();
  }
}
