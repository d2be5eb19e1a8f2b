# The shape of the source: its figures against limits that may only fall. See measure.py.

$(B)/.deps-quality: images/images.mk | $(DEPS)
	@images/install-deps $(DEPS_QUALITY)
	@mkdir -p $(@D)
	@touch $@

##@ Test
.PHONY: quality
quality: ## lengths, columns, circles, names and banners against their limits; V=1 names the places
quality: | $(B)/.deps-quality
	@tests/quality/measure.py $(if $(V),--list)
UNIT += tests/quality/check tests/quality/within-limits
check-unit: | $(B)/.deps-quality
