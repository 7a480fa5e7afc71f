# What `cmake --install` puts where: headers, both libraries, a pkg-config file, a CMake package, the program, its
# man pages, and the models beside their cards.
include(CMakePackageConfigHelpers)

install(TARGETS likeness_static likeness_shared EXPORT likeness
        ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR}
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY include/likeness DESTINATION ${CMAKE_INSTALL_INCLUDEDIR} FILES_MATCHING PATTERN "*.h")
if(TARGET likeness)
  install(TARGETS likeness RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
endif()

set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/likeness)
install(EXPORT likeness NAMESPACE likeness:: FILE likeness-targets.cmake DESTINATION ${package_dir})
configure_package_config_file(cmake/likeness-config.cmake.in likeness-config.cmake
                              INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(likeness-config-version.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/likeness-config.cmake ${PROJECT_BINARY_DIR}/likeness-config-version.cmake
        DESTINATION ${package_dir})

# Not libpq: what it needs itself when it is linked in statically is in no package for developers.
set(required ${LK_PACKAGES})
list(REMOVE_ITEM required libpq)
string(REPLACE ";" " " LK_REQUIRES "${required}")
list(TRANSFORM OpenMP_C_LIB_NAMES PREPEND "-l" OUTPUT_VARIABLE openmp)
string(REPLACE ";" " " LK_OPENMP "${openmp}")
# Relative to where the file lies, so that the installed tree may be moved.
file(RELATIVE_PATH LK_PC_PREFIX ${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig ${CMAKE_INSTALL_PREFIX})
configure_file(likeness.pc.in likeness.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/likeness.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

file(GLOB man_pages CONFIGURE_DEPENDS docs/man/*.1)
install(FILES ${man_pages} DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
file(GLOB models CONFIGURE_DEPENDS models/*.safetensors models/*.md)
install(FILES ${models} DESTINATION ${CMAKE_INSTALL_DATADIR}/likeness)
if(TARGET likeness)
  configure_file(src/serve/systemd/likeness-serve@.service.in likeness-serve@.service @ONLY)
  install(FILES ${PROJECT_BINARY_DIR}/likeness-serve@.service DESTINATION lib/systemd/system)
endif()
