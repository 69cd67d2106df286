// Waiting, and the chance in it: real for users, replaced by tests.
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
