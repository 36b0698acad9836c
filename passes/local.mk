# Sources of passes/, one a line, sorted.
noinst_LTLIBRARIES += libpasses.la
libpasses_la_SOURCES = \
	passes/approx/activation.c \
	passes/approx/channels.c \
	passes/approx/cull_relu.c \
	passes/approx/gain.c \
	passes/approx/relu_reuse.c \
	passes/approx/remove_nonlinearity.c \
	passes/approx/scale_channels.c \
	passes/approx/select.c \
	passes/approx/slopes.c \
	passes/approx/spec.c \
	passes/change.c \
	passes/context.c \
	passes/cost.c \
	passes/exact/bind_dim.c \
	passes/exact/canonicalize.c \
	passes/exact/canonicalize_arithmetic.c \
	passes/exact/canonicalize_shape.c \
	passes/exact/canonicalize_structured.c \
	passes/exact/common_subexpressions.c \
	passes/exact/dead_code.c \
	passes/exact/fold_affine.c \
	passes/exact/fold_batchnorm.c \
	passes/exact/fold_constants.c \
	passes/exact/fold_pad.c \
	passes/exact/linear.c \
	passes/exact/push_transposes.c \
	passes/exact/rebatch.c \
	passes/exact/recognize_gelu.c \
	passes/exact/recognize_hard_swish.c \
	passes/exact/recognize_layernorm.c \
	passes/exact/recognize_silu.c \
	passes/exact/recognize_squeeze_excitation.c \
	passes/grad/differentiate.c \
	passes/grad/updates.c \
	passes/instrument.c \
	passes/manager.c \
	passes/match.c \
	passes/pipeline.c \
	passes/pipeline_parse.c \
	passes/refine.c \
	passes/rules.c
