# Sources of frontend/, one a line, sorted. protobuf-c is used here only.
noinst_LTLIBRARIES += libfrontend.la
libfrontend_la_CPPFLAGS = $(AM_CPPFLAGS) $(PROTOBUF_C_CFLAGS)
libfrontend_la_SOURCES =
nodist_libfrontend_la_SOURCES =

# Not BUILT_SOURCES, so that single objects can be made as well.
$(libfrontend_la_OBJECTS): $(filter %.pb-c.h,$(nodist_libfrontend_la_SOURCES))

frontend/onnx.pb-c.c frontend/onnx.pb-c.h &: $(srcdir)/frontend/onnx.proto
	$(AM_V_GEN)$(MKDIR_P) frontend && $(PROTOC_C) --c_out=frontend \
		--proto_path=$(srcdir)/frontend $(srcdir)/frontend/onnx.proto
