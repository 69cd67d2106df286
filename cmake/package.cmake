# The relocatable package: bin/gptq, the shared libraries it needs besides glibc, documents and the demo model.
# The program finds lib/ by DT_RPATH, which, unlike DT_RUNPATH, also holds for the libraries that libraries need.
set_target_properties(gptq PROPERTIES INSTALL_RPATH "$ORIGIN/../lib")
target_link_options(gptq PRIVATE LINKER:--disable-new-dtags)

install(TARGETS gptq RUNTIME DESTINATION bin COMPONENT runtime)
# Manual pages and completion scripts come from the program's own tree of options.
install(CODE "set(program \"$<TARGET_FILE:gptq>\")" COMPONENT runtime)
install(CODE [=[
  set(share "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}/share")
  set(ENV{XDG_CONFIG_HOME} /nonexistent)  # the settings of whoever builds are not the package's
  execute_process(COMMAND ${program} man ${share}/man/man1 --quiet COMMAND_ERROR_IS_FATAL ANY)
  foreach(script bash-completion/completions/gptq zsh/site-functions/_gptq fish/vendor_completions.d/gptq.fish)
    string(REGEX MATCH "^[a-z]+" shell ${script})
    get_filename_component(folder ${share}/${script} DIRECTORY)
    file(MAKE_DIRECTORY ${folder})
    execute_process(COMMAND ${program} completion ${shell} OUTPUT_FILE ${share}/${script} COMMAND_ERROR_IS_FATAL ANY)
  endforeach()
]=] COMPONENT runtime)

install(FILES LICENSE README.md CHANGELOG.md DESTINATION . COMPONENT runtime)
install(DIRECTORY docs models DESTINATION . COMPONENT runtime)

install(CODE "set(program \"$<TARGET_FILE:gptq>\")\nset(openblas \"${GPTQ_OPENBLAS}\")" COMPONENT runtime)
install(SCRIPT cmake/notices.cmake COMPONENT runtime)
install(CODE [=[
  file(GET_RUNTIME_DEPENDENCIES EXECUTABLES ${program} LIBRARIES ${openblas} RESOLVED_DEPENDENCIES_VAR libraries
    PRE_EXCLUDE_REGEXES
      "^ld-linux" "^lib(c|m|mvec|pthread|dl|rt|resolv|util)\\.so" "^libcuda\\." "^libnvidia")
  list(APPEND libraries ${openblas})  # opened by name at run time
  set(root "$ENV{DESTDIR}${CMAKE_INSTALL_PREFIX}")
  file(MAKE_DIRECTORY "${root}/lib")
  foreach(library IN LISTS libraries)
    get_filename_component(name ${library} NAME)
    file(REAL_PATH ${library} file)
    message(STATUS "Bundling: ${name}")
    file(COPY_FILE ${file} "${root}/lib/${name}")
    gptq_copy_notice(${file} "${root}/lib/licenses")
  endforeach()
]=] COMPONENT runtime)

set(CPACK_GENERATOR TGZ)
set(CPACK_PACKAGE_FILE_NAME gptq-${PROJECT_VERSION}-linux-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_STRIP_FILES ON)
set(CPACK_COMPONENTS_ALL runtime)
set(CPACK_COMPONENTS_GROUPING ALL_COMPONENTS_IN_ONE)
set(CPACK_ARCHIVE_COMPONENT_INSTALL ON)
set(CPACK_COMPONENT_INCLUDE_TOPLEVEL_DIRECTORY ON)
include(CPack)
