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
	tools/common.c \
	tools/common.h

tools_ran_design_SOURCES = tools/ran-design.c $(TOOLS_COMMON)
tools_ran_design_LDADD = libran-search.la libran.la
tools_ran_opt_SOURCES = tools/ran-opt.c $(TOOLS_COMMON)
tools_ran_opt_LDADD = libran.la
tools_ran_run_SOURCES = tools/ran-run.c $(TOOLS_COMMON)
tools_ran_run_LDADD = libran.la
tools_ran_search_SOURCES = tools/ran-search.c $(TOOLS_COMMON)
tools_ran_search_LDADD = libran-search.la libran.la
tools_ran_stat_SOURCES = tools/ran-stat.c $(TOOLS_COMMON)
tools_ran_stat_LDADD = libran.la
tools_ran_train_SOURCES = tools/ran-train.c $(TOOLS_COMMON)
tools_ran_train_LDADD = libran.la
tools_rancc_SOURCES = tools/rancc.c $(TOOLS_COMMON)
tools_rancc_LDADD = libran.la
