// The local Hub as a program, for tests in other languages: one JSON command a line on standard input, one JSON answer
// a line on standard output; ends with its input.
//
//   {"commit": "org/name", "folder": "models/demo"}          -> {"commit": "SHA"}
//   {"user": "ann", "token": "hf_x", "role": "write"}        -> {}
//   {"gated": "org/name", "mode": "manual"}                  -> {}
//   {"requests": true}  -> [{"host", "method", "target", "authorized"}, ...], which are then forgotten
//   {"set": "multipart_from", "value": 1000}                 -> {}
#include <iostream>
#include <string>

#include "core/json.h"
#include "tests/hub/local_hub.h"

namespace gptq::testing {

namespace {

void set(LocalHub& hub, const std::string& name, int64_t value) {
  if (name == "tree_page") hub.tree_page = static_cast<int>(value);
  if (name == "lfs_from") hub.lfs_from = value;
  if (name == "multipart_from") hub.multipart_from = value;
  if (name == "part_size") hub.part_size = value;
  if (name == "gzip") hub.gzip = value != 0;
  if (name == "bytes_per_second" && value > 0)  // of each connection of the storage
    hub.server().add_fault(Fault::slow("", value).on(Host::kStorage).repeated(-1));
  if (name == "resolve_cache") hub.resolve_cache = value != 0;
}

Json answer(LocalHub& hub, const Json& command) {
  if (command.contains("commit")) return {{"commit", hub.commit_folder(command["commit"], command["folder"])}};
  if (command.contains("user")) {
    hub.add_user({.name = command["user"],
                  .full_name = command["user"],
                  .organizations = command.value("organizations", std::vector<std::string>()),
                  .tokens = {{.value = command["token"],
                              .name = command.value("token_name", "token"),
                              .role = command.value("role", "read")}}});
  }
  if (command.contains("gated")) {
    hub.edit(command["gated"], [&](HubRepo& repo) { repo.gated = command["mode"]; });
  }
  if (command.contains("set")) set(hub, command["set"], command["value"]);
  if (command.contains("requests")) {
    Json list = Json::array();
    for (const Request& request : hub.server().requests()) {
      list.push_back({{"host", request.host == Host::kHub ? "hub" : "storage"},
                      {"method", request.method},
                      {"target", request.target},
                      {"authorized", !request.header("authorization").empty()}});
    }
    hub.server().clear_requests();
    return list;
  }
  return Json::object();
}

}  // namespace

}  // namespace gptq::testing

int main() {
  gptq::testing::LocalHub hub;
  std::cout << gptq::Json{{"endpoint", hub.endpoint()}}.dump() << std::endl;
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << gptq::testing::answer(hub, gptq::Json::parse(line)).dump() << std::endl;
  }
  return 0;
}
