# Sources of search/, one a line, sorted. GLPK is linked here only.
lib_LTLIBRARIES += libran-search.la
libran_search_la_SOURCES =
libran_search_la_LIBADD = libran.la $(GLPK_LIBS) -lm
libran_search_la_LDFLAGS = $(AM_LDFLAGS) -no-undefined $(COMPLETE_LDFLAGS) -version-info 0:0:0
