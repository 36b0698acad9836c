# Sources of passes/, one a line, sorted.
noinst_LTLIBRARIES += libpasses.la
libpasses_la_SOURCES =
