# Files by which other build systems find what is installed.
pkgconfig_DATA = \
	cmake/ran.pc \
	cmake/ran_rt.pc
cmake_DATA = \
	cmake/ranConfig.cmake \
	cmake/ranConfigVersion.cmake

# [@]: configure would substitute in this very line.
cmake_substitute = sed -e 's|[@]PACKAGE_VERSION@|$(PACKAGE_VERSION)|g' \
	-e 's|[@]cmake_up@|../../..|' -e 's|[@]bindir_of_cmake@|$(bindir)|' \
	-e 's|[@]includedir_of_cmake@|$(includedir)|'

cmake/%.cmake: $(srcdir)/cmake/%.cmake.in Makefile
	$(AM_V_GEN)$(MKDIR_P) cmake && $(cmake_substitute) $< >$@.tmp && mv $@.tmp $@

CLEANFILES += $(cmake_DATA)
EXTRA_DIST += cmake/ranConfig.cmake.in cmake/ranConfigVersion.cmake.in
