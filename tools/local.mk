# The programs, each a thin main.
bin_PROGRAMS += \
	tools/ran-design \
	tools/ran-opt \
	tools/ran-run \
	tools/ran-search \
	tools/ran-stat \
	tools/ran-train \
	tools/rancc

TOOLS_COMMON = \
	tools/bug.c \
	tools/bug.h \
	tools/common.c \
	tools/common.h \
	tools/files.c \
	tools/files.h \
	tools/model.c \
	tools/model.h \
	tools/progress.c \
	tools/progress.h

# Programs that compile on the way.
TOOLS_COMPILE = \
	tools/approx_options.c \
	tools/approx_options.h \
	tools/compile_options.c \
	tools/compile_options.h \
	tools/pass_rows.h \
	$(TOOLS_COMMON)

TOOLS_PASSES = \
	tools/approx_options.c \
	tools/approx_options.h \
	tools/pass_options.c \
	tools/pass_options.h \
	tools/pass_rows.h

tools_ran_design_SOURCES = tools/ran-design.c $(TOOLS_COMMON)
tools_ran_design_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tools_ran_design_LDADD = libran-search.la libran.la $(JANSSON_LIBS)
tools_ran_opt_SOURCES = \
	tools/list.h \
	tools/list_kernels.c \
	tools/list_ops.c \
	tools/list_targets.c \
	tools/ran-opt.c \
	$(TOOLS_PASSES) \
	$(TOOLS_COMMON)
tools_ran_opt_LDADD = libran.la
tools_ran_run_SOURCES = \
	tools/ran-run.c \
	tools/run/compare.c \
	tools/run/data.c \
	tools/run/interpret.c \
	tools/run/native.c \
	tools/run/profile.c \
	tools/run/report.c \
	tools/run/run.h \
	tools/run/runner.c \
	tools/run/signature.c \
	tools/run/specialize.c \
	tools/run/timer.c \
	$(TOOLS_COMPILE)
tools_ran_run_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tools_ran_run_LDADD = libran.la $(JANSSON_LIBS) -lm
tools_ran_search_SOURCES = \
	tools/ran-search.c \
	tools/search/budget.c \
	tools/search/hant.c \
	tools/search/ilp.c \
	tools/search/latency.c \
	tools/search/layers.c \
	tools/search/model.c \
	tools/search/model.h \
	tools/search/pool.c \
	tools/search/progress.c \
	tools/search/progress.h \
	tools/search/search.h \
	$(TOOLS_COMMON)
tools_ran_search_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tools_ran_search_LDADD = libran-search.la libran.la $(JANSSON_LIBS)
tools_ran_stat_SOURCES = \
	tools/ran-stat.c \
	tools/stat/json.c \
	tools/stat/library.c \
	tools/stat/stages.c \
	tools/stat/stat.h \
	tools/stat/table.c \
	$(TOOLS_COMMON)
tools_ran_stat_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tools_ran_stat_LDADD = libran.la $(JANSSON_LIBS)
tools_ran_train_SOURCES = \
	tools/ran-train.c \
	tools/train/page.c \
	tools/train/report.c \
	tools/train/train.h \
	$(TOOLS_COMMON)
tools_ran_train_LDADD = libran.la -lm
tools_rancc_SOURCES = \
	tools/rancc.c \
	tools/report/chart.c \
	tools/report/model.c \
	tools/report/page.c \
	tools/report/page.h \
	tools/report/report.c \
	tools/report/report.h \
	tools/run/compare.c \
	tools/run/data.c \
	tools/run/interpret.c \
	tools/run/native.c \
	tools/run/profile.c \
	tools/run/report.c \
	tools/run/run.h \
	tools/run/timer.c \
	$(TOOLS_COMPILE)
tools_rancc_CPPFLAGS = $(AM_CPPFLAGS) $(JANSSON_CFLAGS)
tools_rancc_LDADD = libran.la $(JANSSON_LIBS) -lm

# Man pages are made of --help.
tools/man/%.1: tools/% $(srcdir)/tools/man/make_man.sh
	$(AM_V_GEN)$(MKDIR_P) tools/man && \
	$(SHELL) $(srcdir)/tools/man/make_man.sh tools/$* $(PACKAGE_VERSION) >$@.tmp && mv $@.tmp $@
man1_MANS = \
	tools/man/ran-design.1 \
	tools/man/ran-opt.1 \
	tools/man/ran-run.1 \
	tools/man/ran-search.1 \
	tools/man/ran-stat.1 \
	tools/man/ran-train.1 \
	tools/man/rancc.1
CLEANFILES += $(man1_MANS)

# Reference tables: what the programs run by, printed.
listed_docs = docs/kernels.md docs/ops.md docs/targets.md
$(listed_docs): docs/%.md: tools/ran-opt
	$(AM_V_GEN)$(MKDIR_P) docs && { printf '# List of $*\n\n' && tools/ran-opt --list-$*; } \
		>$@.tmp && mv $@.tmp $@
docs/pass-list.md: tools/ran-opt
	$(AM_V_GEN)$(MKDIR_P) docs && { printf '# List of passes\n\n' && tools/ran-opt --list-passes; } \
		>$@.tmp && mv $@.tmp $@
nodist_doc_DATA = $(listed_docs) docs/pass-list.md
dist_doc_DATA = \
	docs/codegen.md \
	docs/collapse.md \
	docs/embedding.md \
	docs/hant.md \
	docs/ir.md \
	docs/onnx.md \
	docs/passes.md \
	docs/training.md
CLEANFILES += $(nodist_doc_DATA)

bashcompletiondir = $(datadir)/bash-completion/completions
zshcompletiondir = $(datadir)/zsh/site-functions
dist_zshcompletion_DATA = tools/completion/_rancc
completed_programs = rancc ran-design ran-opt ran-run ran-search ran-stat ran-train

# bash finds a completion by the command's name.
install-data-local:
	$(MKDIR_P) '$(DESTDIR)$(bashcompletiondir)'
	for p in $(completed_programs); do \
		$(INSTALL_DATA) $(srcdir)/tools/completion/rancc.bash \
			"$(DESTDIR)$(bashcompletiondir)/$$p" || exit 1; \
	done
uninstall-local:
	for p in $(completed_programs); do rm -f "$(DESTDIR)$(bashcompletiondir)/$$p"; done

EXTRA_DIST += tools/completion/rancc.bash tools/man/make_man.sh
