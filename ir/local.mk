# Sources of ir/, one a line, sorted.
noinst_LTLIBRARIES += libir.la
libir_la_SOURCES = \
	ir/ops/gather.c \
	ir/ops/generate.c \
	ir/ops/layout.c \
	ir/ops/move.c \
	ir/ops/ops.c \
	ir/ops/scatter.c \
	ir/ops/shape.c \
	ir/ops/slice.c
