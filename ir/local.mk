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
	ir/map.c \
	ir/module.c \
	ir/noise.c \
	ir/number.c \
	ir/op.c \
	ir/op_def.c \
	ir/ops/cast.c \
	ir/ops/compute.c \
	ir/ops/control.c \
	ir/ops/conv.c \
	ir/ops/detect.c \
	ir/ops/dropout.c \
	ir/ops/einsum.c \
	ir/ops/elementwise.c \
	ir/ops/gather.c \
	ir/ops/generate.c \
	ir/ops/layout.c \
	ir/ops/matmul.c \
	ir/ops/move.c \
	ir/ops/normalize.c \
	ir/ops/ops.c \
	ir/ops/order.c \
	ir/ops/pool.c \
	ir/ops/quantize.c \
	ir/ops/rearrange.c \
	ir/ops/recurrent.c \
	ir/ops/reduce.c \
	ir/ops/resize.c \
	ir/ops/sample.c \
	ir/ops/scatter.c \
	ir/ops/shape.c \
	ir/ops/signal.c \
	ir/ops/slice.c \
	ir/ops/softmax.c \
	ir/ops/unique.c \
	ir/ops/values.c \
	ir/ops/walk.c \
	ir/ops/window.c \
	ir/rewrite.c \
	ir/stage.c \
	ir/statistics.c \
	ir/tensor.c \
	ir/text_data.c \
	ir/text_file.c \
	ir/text_lex.c \
	ir/text_parse.c \
	ir/text_print.c \
	ir/text_type.c \
	ir/type.c \
	ir/verify.c
noinst_HEADERS += ir/arena.h ir/context.h ir/cost.h ir/dim.h ir/infer.h ir/ir.h ir/map.h ir/module.h ir/noise.h ir/number.h \
	ir/ops/compute.h ir/source.h ir/statistics.h ir/text.h
