# The CUDA backend when there is a compiler for it, a file that says so otherwise.
#
# CMAKE_CUDA_ARCHITECTURES is the one option that says which GPUs are served. Without it, or with "native": the GPUs of
# this machine, else every architecture that the package has, which is also what "package" means. Each costs as much compile time as the others.
set(GPTQ_PACKAGE_ARCHITECTURES 80-real 86-real 89-real 90a-real 120-real 90-virtual)

# The architectures of the GPUs that the driver finds; empty without a driver or GPU.
function(gptq_native_architectures result)
  set(architectures "")
  find_program(NVIDIA_SMI nvidia-smi)
  if(NVIDIA_SMI)
    execute_process(COMMAND ${NVIDIA_SMI} --query-gpu=compute_cap --format=csv,noheader
      OUTPUT_VARIABLE capabilities ERROR_QUIET)
    string(REGEX MATCHALL "[0-9]+\\.[0-9]" capabilities "${capabilities}")
    foreach(capability IN LISTS capabilities)
      string(REPLACE "." "" number ${capability})
      if(number EQUAL 90)
        set(number 90a)  # its tensor cores have instructions of their own
      endif()
      if(NOT number MATCHES "^[1-7][0-9]$")
        list(APPEND architectures ${number}-real)
      endif()
    endforeach()
    list(REMOVE_DUPLICATES architectures)
  endif()
  set(${result} "${architectures}" PARENT_SCOPE)
endfunction()

set(GPTQ_HAS_CUDA OFF)
if(NOT GPTQ_CUDA STREQUAL "OFF")
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES AND DEFINED ENV{CUDAARCHS})  # as CMake itself does, but before the check
    set(CMAKE_CUDA_ARCHITECTURES $ENV{CUDAARCHS})
  endif()
  if(NOT DEFINED CMAKE_CUDA_ARCHITECTURES OR CMAKE_CUDA_ARCHITECTURES STREQUAL "native")
    gptq_native_architectures(CMAKE_CUDA_ARCHITECTURES)
    if(NOT CMAKE_CUDA_ARCHITECTURES)
      set(CMAKE_CUDA_ARCHITECTURES ${GPTQ_PACKAGE_ARCHITECTURES})
    endif()
  endif()
  if(CMAKE_CUDA_ARCHITECTURES STREQUAL "package")
    set(CMAKE_CUDA_ARCHITECTURES ${GPTQ_PACKAGE_ARCHITECTURES})
  endif()
  foreach(architecture IN LISTS CMAKE_CUDA_ARCHITECTURES)
    if(NOT architecture MATCHES "^[0-9]+[af]?(-real|-virtual)?$")
      message(FATAL_ERROR "CMAKE_CUDA_ARCHITECTURES has \"${architecture}\"; expected native, package, or a list such as 86-real;90-virtual")
    endif()
  endforeach()
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
    message(STATUS "GPU code for: ${CMAKE_CUDA_ARCHITECTURES}")
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${GPTQ_CCACHE})
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
  # Each kernel file has names of its own; newer versions of CMake would compile several as one.
  set(kernels ${sources})
  list(FILTER kernels INCLUDE REGEX "\\.cu$")
  set_source_files_properties(${kernels} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:--expt-relaxed-constexpr;-Xcompiler=-Wall>")
  string(REPLACE ";" "," architectures "${CMAKE_CUDA_ARCHITECTURES}")
  set_source_files_properties(${PROJECT_SOURCE_DIR}/src/backend/cuda/cuda_backend.cc PROPERTIES
    COMPILE_DEFINITIONS GPTQ_CUDA_TARGETS="${architectures}")
  # The runtime is linked statically and loads the driver itself; cuBLAS is loaded when a GPU is used.
  target_link_libraries(${target} PUBLIC CUDA::cudart_static ${CMAKE_DL_LIBS})
endfunction()
