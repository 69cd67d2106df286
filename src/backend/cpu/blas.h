// OpenBLAS, loaded when the first CPU backend is made. If linked, it would start threads and map memory for each of
// them before main() of every command, and never return if a memory limit prevents that.
#pragma once

#include <cblas.h>

#include <cstddef>
#include <string>

namespace gptq::backend {

// LAPACK in Fortran's convention: column-major, every argument by address, lengths of strings last.
struct Blas {
  decltype(&cblas_sgemm) sgemm;
  decltype(&cblas_ssyrk) ssyrk;
  decltype(&cblas_ssymm) ssymm;
  decltype(&cblas_strsm) strsm;
  decltype(&cblas_dgemm) dgemm;
  decltype(&cblas_dsyrk) dsyrk;
  decltype(&cblas_dtrsm) dtrsm;
  void (*spotrf)(const char* uplo, const int* n, float* a, const int* lda, int* info, size_t);
  void (*dpotrf)(const char* uplo, const int* n, double* a, const int* lda, int* info, size_t);
  void* (*allocate)(int position);  // a work buffer of OpenBLAS, which keeps it for later calls
  void (*free)(void* buffer);
  decltype(&openblas_get_config) config;
};

// Loads the library at the first call, with one thread: it is called from tasks. Throws Error(kNotFound).
const Blas& blas();

// Makes OpenBLAS map the work buffers for `threads` simultaneous callers; without memory, OpenBLAS would otherwise
// retry endlessly. Throws Error(kOutOfMemory).
void reserve_blas_buffers(int threads);

// "OpenBLAS 0.3.21 ... Zen": loads the library. Throws like blas().
std::string blas_description();

}  // namespace gptq::backend
