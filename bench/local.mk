# Benchmarks: never part of make check. `make bench` needs Node.js and npm (for the peer).
EXTRA_DIST += bench/compare.sh bench/ilp.sh bench/peer.js
bench: all
	PATH='$(abs_top_builddir)/tools':$$PATH $(SHELL) $(srcdir)/bench/compare.sh '$(abs_top_builddir)/bench'
bench-ilp: all
	PATH='$(abs_top_builddir)/tools':$$PATH $(SHELL) $(srcdir)/bench/ilp.sh '$(abs_top_builddir)/bench'
.PHONY: bench bench-ilp
