// OpenBLAS, loaded when the first CPU backend is made. Linked in the ordinary way it would start threads, and map
// memory for each, in every command before main(); where a limit forbids that, it never returns.
#pragma once

#include <cblas.h>

#include <cstddef>
#include <string>

namespace gptq::backend {

// LAPACK as Fortran has it: column-major, every argument by address, lengths of texts last.
struct Blas {
  decltype(&cblas_sgemm) sgemm;
  decltype(&cblas_ssyrk) ssyrk;
  decltype(&cblas_ssymm) ssymm;
  void (*spotrf)(const char* uplo, const int* n, float* a, const int* lda, int* info, size_t);
  void (*dpotrf)(const char* uplo, const int* n, double* a, const int* lda, int* info, size_t);
  void (*strtri)(const char* uplo, const char* diag, const int* n, float* a, const int* lda, int* info, size_t, size_t);
  void (*spotrs)(const char* uplo, const int* n, const int* nrhs, const float* a, const int* lda, float* b,
                 const int* ldb, int* info, size_t);
  void* (*allocate)(int position);  // a work buffer of OpenBLAS, which keeps it for later calls
  void (*free)(void* buffer);
  decltype(&openblas_get_config) config;
};

// Loads the library at the first call, with one thread: it works inside our tasks. Throws Error(kNotFound).
const Blas& blas();

// Lets OpenBLAS map the work buffers that `threads` callers need at the same time. Later it would try again without
// end where there is no memory. Throws Error(kOutOfMemory).
void reserve_blas_buffers(int threads);

// "OpenBLAS 0.3.21 ... Zen": loads the library. Throws like blas().
std::string blas_description();

}  // namespace gptq::backend
