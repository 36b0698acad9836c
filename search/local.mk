# Sources of search/, one a line, sorted. GLPK is linked here only.
lib_LTLIBRARIES += libran-search.la
libran_search_la_SOURCES = \
	search/cell.c \
	search/features.c \
	search/hant.c \
	search/hant_assemble.c \
	search/hant_baselines.c \
	search/hant_choose.c \
	search/hant_plan.c \
	search/hant_problem.c \
	search/hant_report.c \
	search/hant_tune.c \
	search/ilp.c \
	search/ilp_baseline.c \
	search/ilp_reduce.c \
	search/ilp_start.c \
	search/ilp_table.c \
	search/images.c \
	search/latency.c \
	search/layers.c \
	search/losses.c \
	search/model.c \
	search/native.c \
	search/pool.c \
	search/pool_attention.c \
	search/pool_conv.c \
	search/pretrain.c \
	search/recalibrate.c \
	search/zoo/builder.c \
	search/zoo/classic.c \
	search/zoo/convnext.c \
	search/zoo/mobile.c \
	search/zoo/ran_e.c \
	search/zoo/resnet.c \
	search/zoo/samples.c \
	search/zoo/zoo.c
noinst_HEADERS += \
	search/cell.h \
	search/features.h \
	search/hant.h \
	search/ilp.h \
	search/ilp_work.h \
	search/latency.h \
	search/layers.h \
	search/model.h \
	search/pool.h \
	search/pretrain.h \
	search/zoo/builder.h \
	search/zoo/families.h \
	search/zoo/samples.h \
	search/zoo/zoo.h
EXTRA_DIST += search/pool.def search/zoo/networks.def
libran_search_la_LIBADD = libran.la $(GLPK_LIBS) $(JANSSON_LIBS) -lm
libran_search_la_LDFLAGS = $(AM_LDFLAGS) -no-undefined $(COMPLETE_LDFLAGS) -version-info 0:0:0
