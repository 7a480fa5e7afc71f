# Tests, benchmarks and fuzzers: one program a file, found by name.
#   tests/ROOM/test_NAME.c   test_ROOM_NAME, CTest name ROOM_NAME, label ROOM
#   tests/cli/test_NAME.sh   CTest name cli_NAME; the program is in $LIKENESS, the sources in $LK_SOURCE, and what
#                            draws its photos in $LIKENESS_DRAW, its films in $LIKENESS_FILM
#   bench/bench_NAME.c       bench_NAME
#   fuzz/fuzz_NAME.c         with LK_FUZZ a libFuzzer program; else a test over fuzz/corpus/NAME
enable_testing()

add_library(all_rooms INTERFACE)
foreach(room ${LK_ROOMS})
  target_link_libraries(all_rooms INTERFACE room_${room})
endforeach()

target_link_libraries(all_rooms INTERFACE room_serve)

function(lk_test name labels)
  add_test(NAME ${name} COMMAND ${ARGN})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT 420 LABELS "${labels}")
  # The suites that must hold still: leaks inside libraries that are not ours are named one by one.
  set_property(TEST ${name} PROPERTY ENVIRONMENT
    "LSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/cmake/lsan.supp:print_suppressions=0"
    "TSAN_OPTIONS=suppressions=${PROJECT_SOURCE_DIR}/cmake/tsan.supp:halt_on_error=1"
    "UBSAN_OPTIONS=print_stacktrace=1"
    "LK_SOURCE=${PROJECT_SOURCE_DIR}")
endfunction()

pkg_check_modules(cmocka IMPORTED_TARGET cmocka)
if(cmocka_FOUND)
  add_custom_target(tests)
  foreach(room ${LK_ROOMS} serve)
    add_custom_target(tests_${room})
    add_dependencies(tests tests_${room})
    file(GLOB sources CONFIGURE_DEPENDS tests/${room}/test_*.c)
    foreach(source ${sources})
      get_filename_component(name ${source} NAME_WE)
      string(REGEX REPLACE "^test_" "${room}_" name ${name})
      add_executable(test_${name} ${source})
      target_include_directories(test_${name} PRIVATE tests)
      target_link_libraries(test_${name} PRIVATE room_${room} PkgConfig::cmocka)
      add_dependencies(tests_${room} test_${name})
      lk_test(${name} ${room} test_${name})
    endforeach()
  endforeach()
  # The tests of the gallery again, on PostgreSQL.
  lk_test(gallery_on_postgresql gallery bash ${PROJECT_SOURCE_DIR}/tests/gallery/on_postgresql.sh
          $<TARGET_FILE:test_gallery_postgresql> $<TARGET_FILE:test_gallery_store>
          $<TARGET_FILE:test_gallery_search> $<TARGET_FILE:test_gallery_audit> $<TARGET_FILE:test_gallery_seal>
          $<TARGET_FILE:test_gallery_crash> $<TARGET_FILE:test_gallery_pgvector>)
  lk_test(gallery_on_pglite gallery bash ${PROJECT_SOURCE_DIR}/tests/gallery/on_pglite.sh
          $<TARGET_FILE:test_gallery_pgvector>)
  # The same on a processor without AVX-512: blocks of 8 channels, no bf16.
  lk_test(nn_layers_avx2 nn test_nn_layers)
  set_property(TEST nn_layers_avx2 APPEND PROPERTY ENVIRONMENT "ONEDNN_MAX_CPU_ISA=AVX2")
endif()

# The figures beside scikit-learn's, where Debian's is installed.
add_executable(eval_figures tests/eval/figures.c)
target_link_libraries(eval_figures PRIVATE room_eval)
lk_test(eval_sklearn eval /usr/bin/python3 ${PROJECT_SOURCE_DIR}/tests/eval/sklearn_check.py
        $<TARGET_FILE:eval_figures>)

if(TARGET likeness)
  add_executable(cli_draw tests/cli/draw.c)
  target_link_libraries(cli_draw PRIVATE likeness_static)
  add_executable(cli_film tests/cli/film.c)
  target_link_libraries(cli_film PRIVATE likeness_static PkgConfig::ffmpeg m)
  file(GLOB sources CONFIGURE_DEPENDS tests/cli/test_*.sh)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    string(REGEX REPLACE "^test_" "cli_" name ${name})
    lk_test(${name} cli bash ${source})
    set_property(TEST ${name} APPEND PROPERTY ENVIRONMENT "LIKENESS=$<TARGET_FILE:likeness>"
                 "LIKENESS_DRAW=$<TARGET_FILE:cli_draw>" "LIKENESS_FILM=$<TARGET_FILE:cli_film>")
  endforeach()
endif()

# The page in a browser, where node, chromium and playwright-core are.
find_program(LK_NODE node)
if(TARGET likeness AND LK_NODE)
  lk_test(web_serve web ${LK_NODE} ${PROJECT_SOURCE_DIR}/tests/web/serve.cjs)
  set_property(TEST web_serve APPEND PROPERTY ENVIRONMENT "LIKENESS=$<TARGET_FILE:likeness>"
               "LIKENESS_DRAW=$<TARGET_FILE:cli_draw>")
endif()

file(GLOB sources CONFIGURE_DEPENDS bench/bench_*.c)
if(NOT LK_SANITIZE AND NOT LK_FUZZ)
  foreach(source ${sources})
    get_filename_component(name ${source} NAME_WE)
    add_executable(${name} ${source})
    target_link_libraries(${name} PRIVATE all_rooms)
  endforeach()
endif()

file(GLOB sources CONFIGURE_DEPENDS fuzz/fuzz_*.c)
foreach(source ${sources})
  get_filename_component(name ${source} NAME_WE)
  string(REGEX REPLACE "^fuzz_" "" short ${name})
  if(LK_FUZZ)
    add_executable(${name} ${source})
    target_link_options(${name} PRIVATE -fsanitize=fuzzer)
  else()
    add_executable(${name} ${source} fuzz/replay.c)
    if(IS_DIRECTORY ${PROJECT_SOURCE_DIR}/fuzz/corpus/${short})
      lk_test(${name} fuzz ${name} ${PROJECT_SOURCE_DIR}/fuzz/corpus/${short})
    endif()
  endif()
  target_link_libraries(${name} PRIVATE all_rooms)
endforeach()
