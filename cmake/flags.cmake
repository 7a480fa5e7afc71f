# How everything is compiled: portable (no -march: fast kernels choose the processor at run time), every warning on.
set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden) # only what a public header marks LK_API leaves the shared library
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

add_compile_definitions(_GNU_SOURCE)
add_compile_options(-Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
                    -Wvla -Wformat=2)
if(LK_WERROR)
  add_compile_options(-Werror)
endif()

set(sanitize ${LK_SANITIZE})
if(LK_FUZZ)
  set(sanitize fuzzer-no-link,address,undefined)
endif()
if(sanitize)
  add_compile_options(-fsanitize=${sanitize} -fno-sanitize-recover=all -fno-omit-frame-pointer)
  add_link_options(-fsanitize=${sanitize})
  if(sanitize MATCHES thread)
    # ThreadSanitizer cannot see into the OpenMP runtime and would call every loop a race.
    # And it is not there yet when the loader picks a clone of a kernel.
    add_compile_definitions(LK_PTHREAD_POOL LK_NO_CLONES)
  endif()
elseif(CMAKE_BUILD_TYPE STREQUAL Release)
  # It reads files from strangers: the usual hardening of a distribution, at no cost worth naming.
  add_compile_options(-fstack-protector-strong -D_FORTIFY_SOURCE=2)
  add_link_options(-Wl,-z,relro,-z,now)
endif()
