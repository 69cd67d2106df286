// Loading OpenBLAS and its work buffers.
#include "backend/cpu/blas.h"

#include <dlfcn.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>
#include <vector>

#include <gptq/error.h>

namespace gptq::backend {

namespace {

constexpr size_t kBufferBytes = size_t{128} << 20;  // of each buffer mapped by the largest builds of OpenBLAS
constexpr int kMaxBuffers = 256;                    // further buffers are in tables that OpenBLAS creates later
constexpr const char* kThreadsVariable = "OPENBLAS_NUM_THREADS";

// The library reads the variable once, at load time.
void* open_with_one_thread(const char* name) {
  const char* before = std::getenv(kThreadsVariable);
  const std::string saved = before == nullptr ? "" : before;
  ::setenv(kThreadsVariable, "1", 1);
  void* library = ::dlopen(name, RTLD_NOW | RTLD_LOCAL);
  if (before == nullptr) {
    ::unsetenv(kThreadsVariable);
  } else {
    ::setenv(kThreadsVariable, saved.c_str(), 1);
  }
  return library;
}

void* open_openblas() {
  std::string reasons;
  for (const char* name : {"libopenblas.so.0", GPTQ_OPENBLAS}) {  // the program's or the system's; the build's
    if (void* library = open_with_one_thread(name)) return library;
    const char* reason = ::dlerror();
    reasons += std::string("\n  ") + (reason == nullptr ? name : reason);
  }
  // glibc's messages for a library that exists but cannot be mapped for lack of memory.
  for (const char* words : {"failed to map segment", "annot allocate memory"}) {
    if (reasons.find(words) != std::string::npos) throw std::bad_alloc();
  }
  throw Error(
      ErrorKind::kNotFound,
      "loading OpenBLAS: libopenblas.so.0 cannot be opened; install it (Debian and Ubuntu: libopenblas0) or add "
      "its folder to LD_LIBRARY_PATH:" +
          reasons);
}

template <typename Function>
void find(void* library, const char* name, Function& function) {
  void* address = ::dlsym(library, name);
  if (address == nullptr) {
    throw Error(ErrorKind::kNotFound, std::string("loading OpenBLAS: libopenblas.so.0 has no function ") + name +
                                          "; install a complete OpenBLAS 0.3");
  }
  function = reinterpret_cast<Function>(address);
}

Blas load() {
  void* library = open_openblas();
  Blas b{};
  find(library, "cblas_sgemm", b.sgemm);
  find(library, "cblas_ssyrk", b.ssyrk);
  find(library, "cblas_ssymm", b.ssymm);
  find(library, "cblas_strsm", b.strsm);
  find(library, "cblas_dgemm", b.dgemm);
  find(library, "cblas_dsyrk", b.dsyrk);
  find(library, "cblas_dtrsm", b.dtrsm);
  find(library, "spotrf_", b.spotrf);
  find(library, "dpotrf_", b.dpotrf);
  // Not part of its documented interface: if they are missing, buffers are not reserved.
  b.allocate = reinterpret_cast<decltype(b.allocate)>(::dlsym(library, "blas_memory_alloc"));
  b.free = reinterpret_cast<decltype(b.free)>(::dlsym(library, "blas_memory_free"));
  find(library, "openblas_get_config", b.config);
  decltype(&openblas_set_num_threads) set_threads = nullptr;  // for a library that was already loaded
  find(library, "openblas_set_num_threads", set_threads);
  set_threads(1);
  return b;
}

bool can_map(size_t bytes) {
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return memory != MAP_FAILED && ::munmap(memory, bytes) == 0;
}

}  // namespace

const Blas& blas() {
  static const Blas loaded = load();
  return loaded;
}

void reserve_blas_buffers(int threads) {
  const Blas& b = blas();
  if (b.allocate == nullptr || b.free == nullptr) return;
  std::vector<void*> buffers;
  const int wanted = std::min(threads, kMaxBuffers);
  while (static_cast<int>(buffers.size()) < wanted && can_map(kBufferBytes)) buffers.push_back(b.allocate(0));
  const int got = static_cast<int>(buffers.size());
  for (void* buffer : buffers) b.free(buffer);
  if (got < wanted) {
    throw Error(ErrorKind::kOutOfMemory,
                "allocating matrix product buffers: memory is sufficient for " + std::to_string(got) + " of " +
                    std::to_string(wanted) + " threads (" + std::to_string(kBufferBytes >> 20) +
                    " MiB of addresses each); raise the limit (ulimit -v) or use fewer --threads");
  }
}

std::string blas_description() { return blas().config(); }

}  // namespace gptq::backend
