# Sources of frontend/, one a line, sorted. protobuf-c is used here only.
noinst_LTLIBRARIES += libfrontend.la
libfrontend_la_CPPFLAGS = $(AM_CPPFLAGS) $(PROTOBUF_C_CFLAGS)
libfrontend_la_SOURCES = \
	frontend/export.c \
	frontend/export.h \
	frontend/export_file.c \
	frontend/export_ops.c \
	frontend/external.c \
	frontend/graph.c \
	frontend/import.c \
	frontend/inline.c \
	frontend/node.c \
	frontend/onnx.h \
	frontend/ops.def \
	frontend/ops/attention.c \
	frontend/ops/compose.c \
	frontend/ops/compose.h \
	frontend/ops/control.c \
	frontend/ops/elementwise.c \
	frontend/ops/function.c \
	frontend/ops/geometry.c \
	frontend/ops/nn.c \
	frontend/ops/quantize.c \
	frontend/ops/scan.c \
	frontend/ops/sequence.c \
	frontend/ops/shape.c \
	frontend/ops/state.c \
	frontend/ops/unroll.c \
	frontend/scope.c \
	frontend/tensor.c \
	frontend/wire.c
nodist_libfrontend_la_SOURCES = \
	frontend/onnx.pb-c.c \
	frontend/onnx.pb-c.h
CLEANFILES += frontend/onnx.pb-c.c frontend/onnx.pb-c.h
EXTRA_DIST += frontend/onnx.proto

# Not BUILT_SOURCES, so that single objects can be made as well.
$(libfrontend_la_OBJECTS): $(filter %.pb-c.h,$(nodist_libfrontend_la_SOURCES))

frontend/onnx.pb-c.c frontend/onnx.pb-c.h &: $(srcdir)/frontend/onnx.proto
	$(AM_V_GEN)$(MKDIR_P) frontend && $(PROTOC_C) --c_out=frontend \
		--proto_path=$(srcdir)/frontend $(srcdir)/frontend/onnx.proto
