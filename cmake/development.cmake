# For C++ programs outside this tree: libgptq.so with everything in it, the headers, find_package(gptq) and pkg-config.
#   cmake --install build/release --prefix /usr/local                          the program and these
#   cmake --install build/release --prefix /usr/local --component development  these alone
set(CMAKE_INSTALL_LIBDIR lib CACHE STRING "Where libraries go below the prefix")
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

file(WRITE ${PROJECT_BINARY_DIR}/empty.cc "")
add_library(gptq_shared SHARED ${PROJECT_BINARY_DIR}/empty.cc)
set_target_properties(gptq_shared PROPERTIES OUTPUT_NAME gptq EXPORT_NAME gptq
  SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR})
target_include_directories(gptq_shared INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(gptq_shared INTERFACE cxx_std_20)
set(modules gptq_quantize gptq_generate gptq_model gptq_checkpoint gptq_hub gptq_corpus gptq_chat gptq_tokenizer gptq_unicode
  gptq_backend gptq_core)
target_link_libraries(gptq_shared PRIVATE ${modules})
list(JOIN modules "," whole)
set_property(TARGET gptq_shared PROPERTY LINK_LIBRARY_OVERRIDE "WHOLE_ARCHIVE,${whole}")

install(TARGETS gptq_shared EXPORT gptq LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT development)
install(DIRECTORY include/gptq DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} COMPONENT development)
set(config ${CMAKE_INSTALL_LIBDIR}/cmake/gptq)
install(EXPORT gptq NAMESPACE gptq:: FILE gptq-config.cmake DESTINATION ${config} COMPONENT development)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/gptq-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/gptq-config-version.cmake DESTINATION ${config} COMPONENT development)
configure_file(cmake/gptq.pc.in gptq.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/gptq.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig COMPONENT development)

if(GPTQ_TESTS)
  add_test(NAME install COMMAND ${PROJECT_SOURCE_DIR}/tests/install_test.sh ${PROJECT_BINARY_DIR})
  set_tests_properties(install PROPERTIES TIMEOUT 600)
endif()
