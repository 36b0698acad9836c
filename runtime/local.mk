# runtime/rt: what a compiled model may link; it depends on the C library only. One file a line, sorted.
# The sources are installed as well: rancc has the target's cc compile them into executables.
RT_FILES = \
	runtime/rt/call.h \
	runtime/rt/load.c \
	runtime/rt/run.c \
	runtime/rt/tensor_file.c \
	runtime/rt/tensor_format.h \
	runtime/rt/tensor_npy.c \
	runtime/rt/tensor_proto.c \
	runtime/rt/threads.c

rtdir = $(pkgdatadir)/rt
dist_rt_DATA = $(RT_FILES) runtime/rt/main.c

# The same files three times: inside libran, as a shared library, and as an archive to embed.
noinst_LTLIBRARIES += librantime.la
librantime_la_SOURCES = $(RT_FILES)

lib_LTLIBRARIES += libran_rt.la
libran_rt_la_SOURCES =
libran_rt_la_LIBADD = librantime.la -ldl -lpthread
libran_rt_la_LDFLAGS = $(AM_LDFLAGS) -no-undefined $(COMPLETE_LDFLAGS) -version-info 0:0:0

lib_LIBRARIES += libran_rt.a
libran_rt_a_CFLAGS = $(AM_CFLAGS) -fPIC
libran_rt_a_SOURCES = $(RT_FILES)

# runtime/train: the training loop and what belongs to it.
noinst_LTLIBRARIES += librantrain.la
librantrain_la_SOURCES = \
	runtime/train/ahead.c \
	runtime/train/checkpoint.c \
	runtime/train/cluster.c \
	runtime/train/config.c \
	runtime/train/data/augment.c \
	runtime/train/data/cifar.c \
	runtime/train/data/dataset.c \
	runtime/train/data/file.c \
	runtime/train/data/idx.c \
	runtime/train/data/image_decode.c \
	runtime/train/data/image_dir.c \
	runtime/train/data/npy.c \
	runtime/train/data/randaugment.c \
	runtime/train/data/random.c \
	runtime/train/data/tensor_dir.c \
	runtime/train/engine.c \
	runtime/train/engines.c \
	runtime/train/export.c \
	runtime/train/fit.c \
	runtime/train/loader.c \
	runtime/train/loop.c \
	runtime/train/overflow.c \
	runtime/train/recipe.c \
	runtime/train/share.c \
	runtime/train/state.c \
	runtime/train/step.c \
	runtime/train/teacher.c \
	runtime/train/trainer.c
librantrain_la_CPPFLAGS = $(AM_CPPFLAGS) $(TRAIN_CFLAGS) $(MPI_CFLAGS)
