# Sources of codegen/, one a line, sorted. LLVM is used here only.
noinst_LTLIBRARIES += libcodegen.la
libcodegen_la_CPPFLAGS = $(AM_CPPFLAGS) $(LLVM_CPPFLAGS) \
	-DRAN_PKGDATADIR='"$(pkgdatadir)"' -DRAN_INCLUDEDIR='"$(includedir)"' \
	-DRAN_SOURCE_RUNTIME='"$(abs_top_srcdir)/runtime"' \
	-DRAN_SOURCE_INCLUDE='"$(abs_top_srcdir)/include"'
libcodegen_la_SOURCES = \
	codegen/bitcode.h \
	codegen/border_table.c \
	codegen/build/build.h \
	codegen/build/function.c \
	codegen/build/vector.c \
	codegen/codegen.h \
	codegen/check.c \
	codegen/compile.c \
	codegen/control.c \
	codegen/conv/conv.c \
	codegen/conv/conv.h \
	codegen/conv/depthwise.h \
	codegen/conv/direct.h \
	codegen/conv/first_layer.h \
	codegen/conv/geometry.c \
	codegen/conv/geometry.h \
	codegen/conv/plain.h \
	codegen/conv/plain_host.c \
	codegen/conv/transposed.h \
	codegen/conv/weight.h \
	codegen/conv/weight_host.c \
	codegen/conv/winograd.h \
	codegen/conv/winograd_filter.h \
	codegen/conv/winograd_host.c \
	codegen/cost_model.c \
	codegen/cpu/cpu.c \
	codegen/cpu/cpu.h \
	codegen/driver.c \
	codegen/driver.h \
	codegen/driver_control.c \
	codegen/driver_sizes.c \
	codegen/elementwise/elementwise.c \
	codegen/elementwise/elementwise.h \
	codegen/elementwise/map.h \
	codegen/emission.c \
	codegen/emit.c \
	codegen/emit.h \
	codegen/emit_archive.c \
	codegen/emit_header.c \
	codegen/emit_linked.c \
	codegen/emit_object.c \
	codegen/emit_text.c \
	codegen/entry.c \
	codegen/entry.h \
	codegen/entry_describe.c \
	codegen/entry_typed.c \
	codegen/epilogue.c \
	codegen/expand.c \
	codegen/expand.h \
	codegen/expand_gradient.c \
	codegen/expand_move.c \
	codegen/expand_normalize.c \
	codegen/expand_parts.c \
	codegen/expand_rearrange.c \
	codegen/expand_signal.c \
	codegen/fuse.c \
	codegen/generate.h \
	codegen/index/cache.h \
	codegen/index/choose.h \
	codegen/index/choose_host.c \
	codegen/index/elements.h \
	codegen/index/grid.h \
	codegen/index/index.h \
	codegen/index/index_host.c \
	codegen/index/rows.h \
	codegen/index/rows_host.c \
	codegen/index/sample.h \
	codegen/index/sample_host.c \
	codegen/jit.c \
	codegen/kernel_cache.c \
	codegen/kernel_cache.h \
	codegen/kernels.c \
	codegen/layout.c \
	codegen/lower.c \
	codegen/lower.h \
	codegen/matmul/determinant.h \
	codegen/matmul/determinant_host.c \
	codegen/matmul/matmul.c \
	codegen/matmul/matmul.h \
	codegen/matmul/tiled.h \
	codegen/matmul/typed.h \
	codegen/memory_plan.c \
	codegen/model.h \
	codegen/move/blocks.h \
	codegen/move/blocks_host.c \
	codegen/move/gather.h \
	codegen/move/gather_host.c \
	codegen/move/move.c \
	codegen/move/move.h \
	codegen/move/pack.h \
	codegen/move/pack_host.c \
	codegen/move/pad.h \
	codegen/move/pad_host.c \
	codegen/move/strided.h \
	codegen/move/strided_host.c \
	codegen/normalize/channels.h \
	codegen/normalize/channels_host.c \
	codegen/normalize/lrn.h \
	codegen/normalize/normalize.c \
	codegen/normalize/normalize.h \
	codegen/normalize/rows.h \
	codegen/parts.c \
	codegen/pool/pool.c \
	codegen/pool/pool.h \
	codegen/pool/window.h \
	codegen/predict.c \
	codegen/random/random.h \
	codegen/random/random_host.c \
	codegen/random/random_spec.h \
	codegen/recurrent/recurrent.h \
	codegen/recurrent/recurrent_host.c \
	codegen/recurrent/recurrent_spec.h \
	codegen/reduce/reduce.h \
	codegen/reduce/reduce_host.c \
	codegen/reduce/reduce_spec.h \
	codegen/reduce/rows.h \
	codegen/reduce/rows_host.c \
	codegen/resize/resize.c \
	codegen/resize/resize.h \
	codegen/resize/taps.h \
	codegen/resize/taps_table.c \
	codegen/select.c \
	codegen/space.c \
	codegen/specialize.c \
	codegen/symbols.c \
	codegen/target.c \
	codegen/updates.c \
	codegen/weights.c

# Kernel bodies: C with vector types. They are not compiled into libcodegen but to bitcode, once for
# each flavour, embedded, and specialised when a model is compiled. One file a line, sorted.
KERNEL_BODIES = \
	codegen/conv/depthwise.c \
	codegen/conv/direct.c \
	codegen/conv/first_layer.c \
	codegen/conv/plain.c \
	codegen/conv/transposed.c \
	codegen/conv/weight.c \
	codegen/conv/weight_sum.c \
	codegen/conv/winograd.c \
	codegen/conv/winograd_filter.c \
	codegen/cpu/detect.c \
	codegen/elementwise/map.c \
	codegen/index/cache.c \
	codegen/index/choose.c \
	codegen/index/elements.c \
	codegen/index/grid.c \
	codegen/index/rows.c \
	codegen/index/sample.c \
	codegen/index/slices.c \
	codegen/matmul/determinant.c \
	codegen/matmul/tiled.c \
	codegen/matmul/typed.c \
	codegen/move/blocks.c \
	codegen/move/gather.c \
	codegen/move/pack.c \
	codegen/move/pad.c \
	codegen/move/strided.c \
	codegen/normalize/channels.c \
	codegen/normalize/lrn.c \
	codegen/normalize/rows.c \
	codegen/pool/gradient.c \
	codegen/pool/whole.c \
	codegen/pool/window.c \
	codegen/random/dropout.c \
	codegen/random/random.c \
	codegen/recurrent/recurrent.c \
	codegen/reduce/arg.c \
	codegen/reduce/reduce.c \
	codegen/reduce/softmax.c \
	codegen/resize/taps.c \
	codegen/vecmath/elementwise.c

# What kernel bodies include (found by -MD too; listed here so that they are distributed).
KERNEL_INCLUDES = \
	codegen/conv/tile.h \
	codegen/index/read.h \
	codegen/vecmath/f32.h \
	codegen/vecmath/f64.h \
	codegen/vecmath/integer.h \
	codegen/vecmath/poly.h \
	codegen/vecmath/vec.h

KERNEL_FLAVOURS = x86-64-vl16 x86-64-vl8 x86-64-vl4 aarch64-vl4
KERNEL_BITCODE = $(foreach f,$(KERNEL_FLAVOURS),$(KERNEL_BODIES:.c=.$(f).bc))
# Freestanding: a body sees neither the C library nor the host's headers. rancc sets CPU, features
# and optimisation when it specialises a body, hence no -march and no passes here.
KERNEL_CFLAGS = -O2 -Xclang -disable-llvm-passes -ffreestanding -nostdlibinc -fno-math-errno \
	-ffp-contract=fast -fwrapv -fvisibility=hidden -std=gnu17 -I$(top_srcdir) -I$(top_srcdir)/include \
	$(WARNING_CFLAGS) $(WERROR_CFLAGS) -Wno-psabi
KERNEL_COMPILE = $(MKDIR_P) $(@D) && $(CLANG) $(KERNEL_CFLAGS) -emit-llvm -MD -MP -MF $@.d -c $< -o $@

%.x86-64-vl16.bc: %.c
	$(AM_V_GEN)$(KERNEL_COMPILE) --target=x86_64-linux-gnu -DRAN_VL=16 -DRAN_BLOCK=16
%.x86-64-vl8.bc: %.c
	$(AM_V_GEN)$(KERNEL_COMPILE) --target=x86_64-linux-gnu -DRAN_VL=8 -DRAN_BLOCK=16
%.x86-64-vl4.bc: %.c
	$(AM_V_GEN)$(KERNEL_COMPILE) --target=x86_64-linux-gnu -DRAN_VL=4 -DRAN_BLOCK=16
%.aarch64-vl4.bc: %.c
	$(AM_V_GEN)$(KERNEL_COMPILE) --target=aarch64-linux-gnu -DRAN_VL=4 -DRAN_BLOCK=8

-include $(wildcard $(KERNEL_BITCODE:=.d))

# bitcode_data.S brings the files in, bitcode_table.c names them (codegen/bitcode.h).
nodist_libcodegen_la_SOURCES = \
	codegen/bitcode_data.S \
	codegen/bitcode_table.c
EMBED_BITCODE = $(SHELL) $(srcdir)/codegen/embed_bitcode.sh

codegen/bitcode_data.S: $(KERNEL_BITCODE) codegen/embed_bitcode.sh Makefile
	$(AM_V_GEN)$(EMBED_BITCODE) data $(KERNEL_BITCODE) >$@.tmp && mv $@.tmp $@
codegen/bitcode_table.c: codegen/embed_bitcode.sh Makefile
	$(AM_V_GEN)$(MKDIR_P) codegen && $(EMBED_BITCODE) table $(KERNEL_BITCODE) >$@.tmp && mv $@.tmp $@

# What each CPU has, as clang knows it: codegen/cpu/cpu.c.
codegen/cpu/table.inc: codegen/cpu/table.sh codegen/cpu/features.def
	$(AM_V_GEN)$(MKDIR_P) codegen/cpu && \
	$(SHELL) $(srcdir)/codegen/cpu/table.sh $(CLANG) $(srcdir)/codegen/cpu/features.def >$@.tmp && \
	mv $@.tmp $@
codegen/libcodegen_la-cpu.lo codegen/cpu/libcodegen_la-cpu.lo: codegen/cpu/table.inc

CLEANFILES += codegen/cpu/table.inc
EXTRA_DIST += codegen/cpu/table.sh
CLEANFILES += codegen/bitcode_data.S codegen/bitcode_table.c $(KERNEL_BITCODE) $(KERNEL_BITCODE:=.d)
EXTRA_DIST += codegen/embed_bitcode.sh $(KERNEL_BODIES) $(KERNEL_INCLUDES)
