# Sources of ir/, one a line, sorted.
noinst_LTLIBRARIES += libir.la
libir_la_SOURCES = \
	ir/ops/ops.c
noinst_HEADERS += ir/ops/ops.h
