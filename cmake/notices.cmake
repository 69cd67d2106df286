# Included by install scripts: gptq_copy_notice(LIBRARY FOLDER) copies the licence of the package that owns a shared library.
# The licences ask for their notices to accompany copies; Debian stores them by package.
find_program(dpkg_query dpkg-query)

function(gptq_copy_notice library folder)
  if(NOT dpkg_query)
    return()
  endif()
  execute_process(COMMAND ${dpkg_query} -S ${library} OUTPUT_VARIABLE owner ERROR_QUIET)
  if(NOT owner)  # dpkg knows the files of /usr/lib by the path they were packed with
    string(REGEX REPLACE "^/usr/" "/" packed ${library})
    execute_process(COMMAND ${dpkg_query} -S ${packed} OUTPUT_VARIABLE owner ERROR_QUIET)
  endif()
  string(REGEX REPLACE ":.*" "" owner "${owner}")
  if(owner AND EXISTS /usr/share/doc/${owner}/copyright)
    file(MAKE_DIRECTORY ${folder})
    file(REAL_PATH /usr/share/doc/${owner}/copyright notice)
    file(COPY_FILE ${notice} ${folder}/${owner}.txt)
  endif()
endfunction()
