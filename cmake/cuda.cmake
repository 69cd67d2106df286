# The CUDA backend when there is a compiler for it, a file that says so otherwise.
#
# CMAKE_CUDA_ARCHITECTURES defaults to one architecture, for development; the package preset names them all.
set(GPTQ_HAS_CUDA OFF)
if(NOT GPTQ_CUDA STREQUAL "OFF")
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES)
    set(CMAKE_CUDA_ARCHITECTURES 90a-real)
  endif()
  find_program(GPTQ_NVCC nvcc HINTS /usr/local/cuda/bin)
  if(GPTQ_NVCC)
    set(CMAKE_CUDA_COMPILER ${GPTQ_NVCC})
    enable_language(CUDA)
    # CMake 3.25 does not know yet that nvcc has C++20.
    set(CMAKE_CUDA20_STANDARD_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA20_EXTENSION_COMPILE_OPTION -std=c++20)
    set(CMAKE_CUDA_STANDARD 20)
    find_package(CUDAToolkit 13.0 REQUIRED)
    set(GPTQ_HAS_CUDA ON)
    find_program(CCACHE ccache)
    if(CCACHE)
      set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
    endif()
  elseif(GPTQ_CUDA STREQUAL "ON")
    message(FATAL_ERROR "GPTQ_CUDA=ON, but there is no nvcc; install the CUDA toolkit 13.0 or newer")
  endif()
endif()

function(gptq_add_cuda target)
  if(NOT GPTQ_HAS_CUDA)
    target_sources(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src/backend/without_cuda.cc)
    return()
  endif()
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/backend/cuda/*.cc
       ${PROJECT_SOURCE_DIR}/src/backend/cuda/*.cu)
  target_sources(${target} PRIVATE ${sources})
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;-Xcompiler=-Wall>")
  # The runtime is linked statically and loads the driver itself; cuBLAS is loaded when a GPU is used.
  target_link_libraries(${target} PUBLIC CUDA::cudart_static ${CMAKE_DL_LIBS})
endfunction()
