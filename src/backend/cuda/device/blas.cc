// Finding cuBLAS and calling it with row-major matrices.
#include "backend/cuda/device/blas.h"

#include <cublas_v2.h>
#include <dlfcn.h>
#include <glob.h>

#include <cstdlib>
#include <string>
#include <vector>

#include <gptq/error.h>

#include "core/check.h"

namespace gptq::backend::cuda {

namespace {

constexpr size_t kWorkspaceBytes = size_t{32} << 20;  // recommended by cuBLAS for Hopper

// Folders in search order; "" is the loader's search (the program's folder, LD_LIBRARY_PATH, ldconfig).
std::vector<std::string> library_folders() {
  std::vector<std::string> patterns = {"/usr/local/cuda/lib64/", "/usr/local/cuda-13*/lib64/", "/opt/cuda/lib64/"};
  std::vector<std::string> prefixes = {"/usr/local", "/usr"};
  for (const char* name : {"HOME", "CONDA_PREFIX", "VIRTUAL_ENV"}) {
    const char* value = std::getenv(name);
    if (value == nullptr) continue;
    prefixes.insert(prefixes.begin(), name == std::string("HOME") ? std::string(value) + "/.local" : value);
  }
  for (const std::string& prefix : prefixes) {
    for (const char* packages : {"/lib/python3*/site-packages/", "/lib/python3*/dist-packages/"}) {
      patterns.push_back(prefix + packages + "nvidia/cu13/lib/");
    }
  }
  std::vector<std::string> folders = {""};
  for (const std::string& pattern : patterns) {
    glob_t found{};
    if (::glob(pattern.c_str(), 0, nullptr, &found) == 0) {
      for (size_t i = 0; i < found.gl_pathc; ++i) folders.emplace_back(found.gl_pathv[i]);
    }
    ::globfree(&found);
  }
  return folders;
}

void* open_cublas() {
  std::string tried;
  for (const std::string& folder : library_folders()) {
    // libcublas depends on libcublasLt by file name only: it is found if it was loaded before.
    if (!folder.empty()) ::dlopen((folder + "libcublasLt.so.13").c_str(), RTLD_NOW | RTLD_GLOBAL);
    if (void* library = ::dlopen((folder + "libcublas.so.13").c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    tried += "\n  " + (folder.empty() ? std::string("the system's library path") : folder);
  }
  throw Error(
      ErrorKind::kNotFound,
      "loading cuBLAS: libcublas.so.13 is in none of these folders; install the CUDA 13 toolkit, or `pip install "
      "nvidia-cublas` in the active environment, or add its folder to LD_LIBRARY_PATH, or use "
      "--device cpu:" +
          tried);
}

cudaDataType_t data_type(DType dtype) {
  switch (dtype) {
    case DType::kF16: return CUDA_R_16F;
    case DType::kBF16: return CUDA_R_16BF;
    case DType::kF64: return CUDA_R_64F;
    default: CHECK(dtype == DType::kF32); return CUDA_R_32F;
  }
}

}  // namespace

struct Blas::Api {
  decltype(&cublasCreate_v2) create;
  decltype(&cublasDestroy_v2) destroy;
  decltype(&cublasSetStream_v2) set_stream;
  decltype(&cublasSetWorkspace_v2) set_workspace;
  // Explicit type: the header overloads the function for C++.
  cublasStatus_t (*gemm)(cublasHandle_t, cublasOperation_t, cublasOperation_t, int, int, int, const void*, const void*,
                         cudaDataType, int, long long, const void*, cudaDataType, int, long long, const void*, void*,
                         cudaDataType, int, long long, int, cublasComputeType_t, cublasGemmAlgo_t);
  decltype(&cublasGetStatusString) status_string;
  cublasHandle_t handle = nullptr;
  void* workspace = nullptr;

  void check(cublasStatus_t status, const std::string& what) const {
    if (status == CUBLAS_STATUS_SUCCESS) return;
    const bool full = status == CUBLAS_STATUS_ALLOC_FAILED;
    throw Error(full ? ErrorKind::kOutOfMemory : ErrorKind::kGeneral,
                what + " failed in cuBLAS: " + status_string(status));
  }
};

Blas::Blas(cudaStream_t stream) : api_(std::make_unique<Api>()) {
  void* library = open_cublas();  // stays loaded: unloading CUDA libraries at exit is not safe
  const auto find = [&](auto& function, const char* name) {
    function = reinterpret_cast<std::remove_reference_t<decltype(function)>>(::dlsym(library, name));
    if (function == nullptr) throw Error(ErrorKind::kNotFound, std::string("loading cuBLAS: it has no ") + name);
  };
  find(api_->create, "cublasCreate_v2");
  find(api_->destroy, "cublasDestroy_v2");
  find(api_->set_stream, "cublasSetStream_v2");
  find(api_->set_workspace, "cublasSetWorkspace_v2");
  find(api_->gemm, "cublasGemmStridedBatchedEx");
  find(api_->status_string, "cublasGetStatusString");
  api_->check(api_->create(&api_->handle), "creating a handle");
  api_->check(api_->set_stream(api_->handle, stream), "choosing the stream");
  if (cudaMalloc(&api_->workspace, kWorkspaceBytes) != cudaSuccess) {
    throw Error(ErrorKind::kOutOfMemory, "allocating 32 MiB of workspace for cuBLAS: the GPU's memory is full");
  }
  api_->check(api_->set_workspace(api_->handle, api_->workspace, kWorkspaceBytes), "setting the workspace");
}

Blas::~Blas() {
  if (api_->handle != nullptr) api_->destroy(api_->handle);
  cudaFree(api_->workspace);
}

// cuBLAS is column-major: row-major c = a·b is computed as cᵀ = bᵀ·aᵀ.
void Blas::multiply(const Product& p) const {
  if (p.m == 0 || p.n == 0) return;
  const bool wide = p.a.dtype == DType::kF64;
  const float alpha32 = static_cast<float>(p.alpha), beta32 = static_cast<float>(p.beta);
  const void* alpha = wide ? static_cast<const void*>(&p.alpha) : &alpha32;
  const void* beta = wide ? static_cast<const void*>(&p.beta) : &beta32;
  const cublasComputeType_t compute =
      wide ? CUBLAS_COMPUTE_64F : (p.tf32 ? CUBLAS_COMPUTE_32F_FAST_TF32 : CUBLAS_COMPUTE_32F);
  api_->check(
      api_->gemm(api_->handle, p.b.transposed ? CUBLAS_OP_T : CUBLAS_OP_N, p.a.transposed ? CUBLAS_OP_T : CUBLAS_OP_N,
                 static_cast<int>(p.n), static_cast<int>(p.m), static_cast<int>(p.k), alpha, p.b.data,
                 data_type(p.b.dtype), static_cast<int>(p.b.stride), p.b_step, p.a.data, data_type(p.a.dtype),
                 static_cast<int>(p.a.stride), p.a_step, beta, p.c, data_type(p.c_dtype), static_cast<int>(p.c_stride),
                 p.c_step, p.batches, compute, CUBLAS_GEMM_DEFAULT),
      "multiplying [" + std::to_string(p.m) + ", " + std::to_string(p.k) + "] by [" + std::to_string(p.k) + ", " +
          std::to_string(p.n) + "]");
}

}  // namespace gptq::backend::cuda
