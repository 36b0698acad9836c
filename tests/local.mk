# Tests. A golden IR test or a program's test is added by dropping a file into tests/ir/<pass>/ or
# tests/tools/; a unit test or helper program in C is added to the list below.

# ---- Unit tests (Check), one a line, sorted: tests/unit/NAME.c -------------------------------
# It includes tests/harness/unit.h and sees all that begins with ran_.
UNIT_TESTS = \
	tests/unit/approx_spec \
	tests/unit/bitcode \
	tests/unit/collapse_linear \
	tests/unit/compile_random \
	tests/unit/compile_sizes \
	tests/unit/compile_step \
	tests/unit/hant_losses \
	tests/unit/hant_pool \
	tests/unit/hant_recalibrate \
	tests/unit/ilp \
	tests/unit/gradients \
	tests/unit/ir_control \
	tests/unit/ir_core \
	tests/unit/ir_dim \
	tests/unit/ir_edit \
	tests/unit/ir_tensor \
	tests/unit/ir_text \
	tests/unit/ir_text_mutations \
	tests/unit/ir_text_random \
	tests/unit/onnx_export \
	tests/unit/onnx_import \
	tests/unit/onnx_sequences \
	tests/unit/ops_compute \
	tests/unit/passes_patterns \
	tests/unit/passes_random \
	tests/unit/pool \
	tests/unit/tensor_file \
	tests/unit/train_data \
	tests/unit/zoo

LDADD = libran-search.la libran.la $(CHECK_LIBS) -lm
if HAVE_CHECK
check_PROGRAMS += $(UNIT_TESTS)
TESTS += $(UNIT_TESTS)
endif

tests_unit_train_data_LDADD = $(LDADD) $(ZIP_LIBS)
tests_unit_onnx_import_SOURCES = \
	tests/harness/onnx_builder.c \
	tests/harness/onnx_builder.h \
	tests/harness/onnx_unit.h \
	tests/unit/onnx_import.c
tests_unit_onnx_import_LDADD = $(LDADD) $(PROTOBUF_C_LIBS)
tests_unit_onnx_sequences_SOURCES = \
	tests/harness/onnx_builder.c \
	tests/harness/onnx_builder.h \
	tests/harness/onnx_unit.h \
	tests/unit/onnx_sequences.c
tests_unit_onnx_sequences_LDADD = $(LDADD) $(PROTOBUF_C_LIBS)
tests_unit_pool_LDADD = librantime.la $(LDADD) -lpthread
tests_unit_ir_text_mutations_SOURCES = tests/unit/ir_text_mutations.c tests/fuzz/ir_text.c

# `make fuzz` builds the libFuzzer target of the IR's text, with its own instrumented copy of ir/:
#     tests/fuzz/ir_text -max_len=4000 CORPUS $(srcdir)/tests/ir/text
FUZZ_CFLAGS = -std=gnu17 -g -O1 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined
tests/fuzz/ir_text: $(srcdir)/tests/fuzz/ir_text.c $(libir_la_SOURCES)
	@$(MKDIR_P) tests/fuzz
	$(AM_V_CCLD)$(CLANG) $(DEFS) $(AM_CPPFLAGS) $(FUZZ_CFLAGS) -o $@ \
		$(srcdir)/tests/fuzz/ir_text.c $(addprefix $(srcdir)/,$(filter %.c,$(libir_la_SOURCES))) \
		-lm -lpthread
fuzz: tests/fuzz/ir_text
.PHONY: fuzz
CLEANFILES += tests/fuzz/ir_text
EXTRA_DIST += tests/fuzz/ir_text.h

# Programs that tests start, one a line, sorted: tests/harness/NAME.c
TEST_HELPERS = \
	tests/accuracy/classify \
	tests/conformance/run_node_cases \
	tests/fuzz/onnx_mutations \
	tests/train/sgd_steps
check_PROGRAMS += $(TEST_HELPERS)
# Those with this flag see what is installed, and nothing else of ours.
tests_accuracy_classify_CPPFLAGS = -I$(top_srcdir)/include
tests_accuracy_classify_LDADD = libran.la
tests_train_sgd_steps_CPPFLAGS = -I$(top_srcdir)/include
tests_train_sgd_steps_LDADD = libran.la
tests_conformance_run_node_cases_SOURCES = \
	tests/conformance/case.h \
	tests/conformance/interpret_case.c \
	tests/conformance/run_node_cases.c
tests_conformance_run_node_cases_LDADD = libran.la -lm
tests_fuzz_onnx_mutations_SOURCES = \
	tests/fuzz/onnx_model.c \
	tests/fuzz/onnx_model.h \
	tests/fuzz/onnx_mutations.c \
	tests/harness/onnx_builder.c \
	tests/harness/onnx_builder.h
tests_fuzz_onnx_mutations_LDADD = libran.la $(PROTOBUF_C_LIBS)

# ---- The harness ------------------------------------------------------------------------------
IR_TESTS = $(call found,tests/ir/*.ran tests/ir/*/*.ran tests/ir/*/*/*.ran)
TOOL_TESTS = $(call found,tests/tools/*.sh)
TESTS += $(DROPPED_TESTS)
TEST_EXTENSIONS = .ran .sh

AM_TESTS_ENVIRONMENT = \
	RAN_SRCDIR='$(abs_top_srcdir)'; \
	RAN_BUILDDIR='$(abs_top_builddir)'; \
	RAN_CC='$(CC)'; \
	XDG_CACHE_HOME='$(abs_top_builddir)/tests/cache'; \
	RAN_SANITIZED='$(SANITIZER_CFLAGS)'; \
	RAN_CLANG='$(CLANG)'; \
	RAN_LLVM_BINDIR='$(LLVM_BINDIR)'; \
	RAN_AARCH64_CC='$(AARCH64_CC)'; \
	RAN_QEMU_AARCH64='$(QEMU_AARCH64)'; \
	PATH='$(abs_top_builddir)/tools':$$PATH; \
	LC_ALL=C; \
	export RAN_SRCDIR RAN_BUILDDIR RAN_CC XDG_CACHE_HOME RAN_SANITIZED RAN_CLANG RAN_LLVM_BINDIR \
		RAN_AARCH64_CC RAN_QEMU_AARCH64 PATH LC_ALL;
RAN_LOG_COMPILER = $(SHELL) $(srcdir)/tests/harness/ir_runner
SH_LOG_COMPILER = $(SHELL)

# Behind the harness's own summary: why tests were skipped, and one line with the counts.
check:
	@$(MAKE) $(AM_MAKEFLAGS) -s check-summary

print-check-programs:
	@echo $(check_PROGRAMS)

check-summary:
	@$(SHELL) $(srcdir)/tests/harness/summary '$(TEST_LOGS)'

.PHONY: check-summary print-check-programs

EXTRA_DIST += \
	tests/harness/ir_runner \
	tests/harness/kernels.sh \
	tests/harness/lib.sh \
	tests/harness/summary \
	$(IR_TESTS) \
	$(TOOL_TESTS) \
	$(call found,tests/kernels/* tests/sizes/* tests/steps/*) \
	tests/vecmath/ulp.c \
	$(call found,tests/*/*.c tests/*/*.def tests/*/*.h tests/*/*.py tests/*/*.txt tests/data/* tests/data/*/*)

clean-local:
	rm -rf tests/tmp tests/cache tests/real_models
