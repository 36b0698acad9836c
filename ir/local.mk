# Sources of ir/, one a line, sorted.
noinst_LTLIBRARIES += libir.la
libir_la_SOURCES =
