# What people read: man pages, links, figures, pictures, the README's tour.

##@ Test
.PHONY: check-docs
check-docs: all $(MODELS) | $(B)/.deps-docs ## pages, links, figures, and the README's tour
	tests/run tests/docs/pages tests/docs/texts tests/docs/tour

##@ Measure
.PHONY: figures
figures: | $(B)/.deps-docs ## pages and pictures out of their sources
	tests/figures/figures make
	tests/docs/draw sandbox/picture.txt >sandbox/picture.svg
