// Quantizes a model folder to 4 bits: hello_quantize MODEL OUTPUT
#include <cstdio>

#include <gptq/gptq.h>

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: hello_quantize MODEL OUTPUT\n");
    return 2;
  }
  try {
    gptq::QuantizeOptions options;
    options.model = argv[1];
    options.output = argv[2];
    options.grid.bits = 4;
    options.grid.group_size = 128;
    options.samples = 64;
    options.seqlen = 256;

    const gptq::QuantizeReport report = gptq::quantize(options, [](const gptq::QuantizeProgress& progress) {
      if (progress.module != nullptr) {
        std::printf("%3.0f%%  %s  error %.2e\n", 100 * progress.fraction, progress.module->name.c_str(),
                    progress.module->error);
      }
    });
    std::printf("%.1f MB -> %.1f MB in %.1f s: %s\n", static_cast<double>(report.bytes_in) / 1e6,
                static_cast<double>(report.bytes_out) / 1e6, report.seconds, report.output.c_str());
    return 0;
  } catch (const gptq::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return error.exit_code();
  }
}
