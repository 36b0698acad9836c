# Public headers, one a line, sorted.
ranincludedir = $(includedir)/ran
raninclude_HEADERS = \
	include/ran/compile.h \
	include/ran/elem.def \
	include/ran/elementwise.def \
	include/ran/ir.h \
	include/ran/onnx.h \
	include/ran/op.def \
	include/ran/parallel_openmp.h \
	include/ran/parallel_pthreadpool.h \
	include/ran/pass.h \
	include/ran/ran.h \
	include/ran/rt.h \
	include/ran/tensor_file.h \
	include/ran/train.h
