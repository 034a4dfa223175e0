# SPDX-License-Identifier: Apache-2.0
find_package(Python3 REQUIRED COMPONENTS Interpreter)
set(WARREN_PREFIXED ${CMAKE_CURRENT_LIST_DIR}/prefixed.py)

# warren_prefixed(NAME PREFIX archives… [WITHOUT sources…] [LIBS …]): a library of all that the archives hold, in which
# what they define is called PREFIX and its name. So two builds of the core, over two descriptions of the entities, lie
# in one program. What comes from the sources behind WITHOUT (sign.c) is left out, for the program's own to take its
# place; LIBS is what the archives need and do not hold. Code that is to see the rows of the second build is compiled
# with it, and is one of the archives.
function(warren_prefixed NAME PREFIX)
  cmake_parse_arguments(PREFIXED "" "" "WITHOUT;LIBS" ${ARGN})
  set(object ${CMAKE_CURRENT_BINARY_DIR}/${NAME}.o)
  set(archives)
  foreach(archive ${PREFIXED_UNPARSED_ARGUMENTS})
    get_target_property(type ${archive} TYPE)
    if(type STREQUAL "STATIC_LIBRARY") # a room without sources is none
      list(APPEND archives ${archive})
    endif()
  endforeach()
  list(TRANSFORM archives REPLACE "(.+)" "$<TARGET_FILE:\\1>" OUTPUT_VARIABLE files)
  list(TRANSFORM PREFIXED_WITHOUT PREPEND "--without=")
  add_custom_command(OUTPUT ${object} VERBATIM
    COMMAND ${Python3_EXECUTABLE} -B ${WARREN_PREFIXED} --out ${object} --prefix ${PREFIX}
            --tools ${CMAKE_LINKER},${CMAKE_NM},${CMAKE_OBJCOPY},${CMAKE_AR} ${PREFIXED_WITHOUT} ${files}
    DEPENDS ${archives} ${WARREN_PREFIXED})
  set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
  add_library(${NAME} STATIC ${object})
  set_target_properties(${NAME} PROPERTIES LINKER_LANGUAGE C)
  target_link_libraries(${NAME} PUBLIC warren_store PkgConfig::MSGPACK PkgConfig::JANSSON ${PREFIXED_LIBS})
endfunction()
