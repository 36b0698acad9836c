# Sources of ir/, one a line, sorted.
noinst_LTLIBRARIES += libir.la
libir_la_SOURCES = \
	ir/arena.c \
	ir/attr.c \
	ir/context.c \
	ir/count.c \
	ir/dim.c \
	ir/dim_poly.c \
	ir/elem.c \
	ir/evaluate.c \
	ir/infer.c \
	ir/module.c \
	ir/op.c \
	ir/op_def.c \
	ir/ops/control.c \
	ir/ops/gather.c \
	ir/ops/generate.c \
	ir/ops/layout.c \
	ir/ops/move.c \
	ir/ops/ops.c \
	ir/ops/scatter.c \
	ir/ops/shape.c \
	ir/ops/slice.c \
	ir/rewrite.c \
	ir/tensor.c \
	ir/type.c \
	ir/verify.c \
	ir/text_short.c
noinst_HEADERS += ir/arena.h ir/context.h ir/dim.h ir/infer.h ir/ir.h ir/module.h
