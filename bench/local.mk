# Benchmarks: never part of make check. `make bench` needs Node.js and npm (for the peer).
EXTRA_DIST += bench/training.sh bench/training_accuracy.sh bench/training_peer.py bench/compare.sh \
	bench/ilp.sh bench/peer.js bench/hant.sh bench/hant_table.py bench/collapse.sh bench/collapse.awk
bench: all
	PATH='$(abs_top_builddir)/tools':$$PATH $(SHELL) $(srcdir)/bench/compare.sh '$(abs_top_builddir)/bench'
bench-collapse: all
	PATH='$(abs_top_builddir)/tools':$$PATH $(SHELL) $(srcdir)/bench/collapse.sh '$(abs_top_builddir)/bench'
bench-ilp: all
	PATH='$(abs_top_builddir)/tools':$$PATH $(SHELL) $(srcdir)/bench/ilp.sh '$(abs_top_builddir)/bench'
# Hours, with the default settings; bench/hant.sh says what makes it shorter.
bench-hant: all
	PATH='$(abs_top_builddir)/tools':$$PATH $(SHELL) $(srcdir)/bench/hant.sh '$(abs_top_builddir)/bench/hant'

# Needs python3-torch.
EXTRA_PROGRAMS = bench/training_step
bench_training_step_LDADD = libran.la -lm
CLEANFILES += bench/training_step
bench-training: all bench/training_step
	PATH='$(abs_top_builddir)/tools':$$PATH $(SHELL) $(srcdir)/bench/training.sh \
		'$(abs_top_builddir)/bench' '$(abs_top_builddir)/bench/training_step'
# Half an hour on one core.
bench-accuracy: all
	PATH='$(abs_top_builddir)/tools':$$PATH $(SHELL) $(srcdir)/bench/training_accuracy.sh \
		'$(abs_top_builddir)/bench/accuracy'
.PHONY: bench bench-accuracy bench-collapse bench-hant bench-ilp bench-training
