// Time and randomness of waits; tests replace them.
#pragma once

namespace gptq::hub {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual void sleep(double seconds) = 0;
  virtual double chance() = 0;  // in [0, 1)
};

Clock& system_clock();

}  // namespace gptq::hub
