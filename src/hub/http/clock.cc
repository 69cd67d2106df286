// The clock of the machine.
#include "hub/http/clock.h"

#include <chrono>
#include <random>
#include <thread>

namespace gptq::hub {

namespace {

class SystemClock : public Clock {
 public:
  void sleep(double seconds) override { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }
  double chance() override {
    thread_local std::minstd_rand generator(std::random_device{}());
    return std::uniform_real_distribution<double>(0, 1)(generator);
  }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

}  // namespace gptq::hub
