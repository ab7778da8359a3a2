get_filename_component(MGRAL_ROOT_DIR ${CMAKE_CURRENT_LIST_DIR}/.. ABSOLUTE)

# A test program per mirrored folder. mgral_add_test(NAME name SOURCES ... LIBS ... [LABELS ...])
# registers one ctest entry per program: a suite keeps its fixtures (a Postgres cluster, a trained
# detector) across its tests. [COST seconds] lets ctest start the long ones first; [PROCESSORS n] are
# the cores that it keeps busy: ctest runs beside it only what fits.
function(mgral_add_test)
  cmake_parse_arguments(ARG "" "NAME;TIMEOUT;COST;PROCESSORS" "SOURCES;LIBS;LABELS" ${ARGN})
  if(NOT ARG_TIMEOUT)
    set(ARG_TIMEOUT 300)
  endif()
  if(NOT ARG_COST)
    set(ARG_COST 1)
  endif()
  if(NOT ARG_PROCESSORS)
    set(ARG_PROCESSORS 1)
  endif()
  add_executable(${ARG_NAME} ${ARG_SOURCES})
  if(COMMAND mgral_unity)  # not where server/core is built alone
    mgral_unity(${ARG_NAME})
  endif()
  target_link_libraries(${ARG_NAME} PRIVATE ${ARG_LIBS} GTest::gmock GTest::gtest GTest::gtest_main)
  add_test(NAME ${ARG_NAME} COMMAND ${ARG_NAME} --gtest_brief=0)
  set_tests_properties(${ARG_NAME} PROPERTIES TIMEOUT ${ARG_TIMEOUT} COST ${ARG_COST}
    PROCESSORS ${ARG_PROCESSORS}
    LABELS "${ARG_LABELS}" ENVIRONMENT "MGRAL_SOURCE_DIR=${MGRAL_ROOT_DIR}")
endfunction()
