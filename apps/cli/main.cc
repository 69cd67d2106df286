// The gptq program: prepares the process, then runs the command.
#include <signal.h>

#include "bus_error.h"
#include "run.h"
#include "streams.h"

int main(int argc, char** argv) {
  gptq::cli::open_standard_streams();
  signal(SIGPIPE, SIG_IGN);  // a closed pager must not end a long quantization; put() notices closed pipes
  signal(SIGXFSZ, SIG_IGN);  // exceeding a file size limit is then an error of the write
  gptq::cli::explain_bus_errors();
  return gptq::cli::run(argc, argv);
}
