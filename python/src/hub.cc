// The Hugging Face Hub for Python: downloads, uploads and logins.
#include <gptq/error.h>
#include <gptq/hub.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "module.h"
#include "running_calls.h"

namespace {

// `progress` is None or a function (file, bytes done, bytes in all) -> False to stop, which worker threads call. It must
// outlive the sink: copies of the sink do not count references, since they are made without the GIL.
gptq::TransferSink sink_of(const nb::object& progress) {
  return [callback = progress.ptr()](const gptq::TransferProgress& at) {
    const nb::gil_scoped_acquire gil;
    if (PyErr_CheckSignals() != 0) throw nb::python_error();
    const nb::object called = nb::borrow(callback);
    if (called.is_none()) return true;
    return nb::cast<bool>(called(at.file, at.bytes_done, at.bytes_total));
  };
}

nb::dict dict_of(const gptq::Identity& identity) {
  nb::dict all;
  all["name"] = identity.name;
  all["fullname"] = identity.full_name;
  all["orgs"] = identity.organizations;
  all["token_name"] = identity.token_name;
  all["token_role"] = identity.token_role;
  all["token_source"] = identity.token_source;
  return all;
}

nb::dict pull(const std::string& model, const std::string& revision, const std::string& token,
              const std::string& local_dir, const std::string& cache_dir, bool local_files_only, bool force_download,
              const std::vector<std::string>& include, const std::vector<std::string>& exclude, int max_workers,
              const nb::object& progress) {
  gptq::PullOptions options;
  options.revision = revision;
  options.token = token;
  options.local_dir = local_dir;
  options.cache_dir = cache_dir;
  options.local_files_only = local_files_only;
  options.force_download = force_download;
  options.include = include;
  options.exclude = exclude;
  options.max_workers = max_workers;
  gptq::PullResult result;
  const gptq::TransferSink sink = sink_of(progress);
  {
    const WithoutGil released;
    result = gptq::pull(model, options, sink);
  }
  nb::dict all;
  all["folder"] = result.folder;
  all["commit"] = result.commit;
  nb::list files;
  for (const gptq::PulledFile& file : result.files) files.append(file.path);
  all["files"] = files;
  all["bytes_total"] = result.bytes_total;
  all["bytes_fetched"] = result.bytes_fetched;
  return all;
}

nb::dict push(const std::string& folder, const std::string& repo, const std::string& token, const std::string& revision,
              const std::string& message, bool private_repo, bool create_pr, bool write_card,
              const nb::object& progress) {
  gptq::PushOptions options;
  options.token = token;
  options.revision = revision;
  if (!message.empty()) options.message = message;
  options.private_repo = private_repo;
  options.create_pr = create_pr;
  options.write_card = write_card;
  gptq::PushResult result;
  const gptq::TransferSink sink = sink_of(progress);
  {
    const WithoutGil released;
    result = gptq::push(folder, repo, options, sink);
  }
  nb::dict all;
  all["url"] = result.url;
  all["commit"] = result.commit;
  all["notes"] = result.notes;
  return all;
}

}  // namespace

void add_hub(nb::module_& m) {
  const auto released = nb::call_guard<WithoutGil>();
  m.def("is_hub_model", &gptq::is_hub_model, nb::arg("model"));
  m.def("pull", pull, nb::arg("model"), nb::kw_only(), nb::arg("revision") = "", nb::arg("token") = "",
        nb::arg("local_dir") = "", nb::arg("cache_dir") = "", nb::arg("local_files_only") = false,
        nb::arg("force_download") = false, nb::arg("include") = std::vector<std::string>(),
        nb::arg("exclude") = std::vector<std::string>(), nb::arg("max_workers") = 8,
        nb::arg("progress").none() = nb::none());
  m.def("push", push, nb::arg("folder"), nb::arg("repo"), nb::kw_only(), nb::arg("token") = "",
        nb::arg("revision") = "", nb::arg("message") = "", nb::arg("private_repo") = false,
        nb::arg("create_pr") = false, nb::arg("write_card") = true, nb::arg("progress").none() = nb::none());
  m.def(
      "log_in",
      [](const std::string& token, const std::string& name) {
        gptq::Identity identity;
        {
          const WithoutGil free;
          identity = gptq::log_in(token, name);
        }
        return dict_of(identity);
      },
      nb::arg("token"), nb::arg("token_name") = "");
  m.def(
      "who_am_i",
      [](const std::string& token) {
        gptq::Identity identity;
        {
          const WithoutGil free;
          identity = gptq::who_am_i(token);
        }
        return dict_of(identity);
      },
      nb::arg("token") = "");
  m.def("log_out", &gptq::log_out, nb::arg("token_name") = "", released);
}
