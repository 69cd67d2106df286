// Detects other work on the machine that distorts measurements.
#include "machine_load.h"

#include <fmt/format.h>
#include <cstdlib>

namespace gptq::cli {

namespace {

constexpr double kBusyShare = 0.5;

}  // namespace

double load_average() {
  double load = 0;
  return getloadavg(&load, 1) == 1 ? load : 0;
}

std::string load_warning(double load, unsigned threads) {
  if (threads == 0 || load <= kBusyShare * threads) return "";
  return fmt::format(
      "the machine is busy: its load average is {:.1f} on {} hardware threads, so the numbers are too low; "
      "measure again when it is idle",
      load, threads);
}

}  // namespace gptq::cli
