# clang-tidy and cppcheck over our own C. See lint, and rules beside it.

# The first clang-tidy that knows what a file uses and does not include is 17.
DEPS_LINT := clang-19 clang-tidy-19 cppcheck python3-minimal
$(B)/.deps-lint: tests/lint/lint.mk | $(DEPS)
	@images/install-deps $(DEPS_LINT)
	@mkdir -p $(@D)
	@touch $@

# What compiles each file is read from these goals' recipes.
LINT_GOALS := check-needs $(FUZZ) $(B)/tests/bench-lwip $(B)/tests/bench-integrity

##@ Test
.PHONY: lint
# What is generated is included, and so are lwIP's headers.
lint: ## clang-tidy and cppcheck over all our C; FILES="a.c dir" looks at those alone, FIX=includes
lint: ## mends includes
lint: $(GENERATED) $(B)/gen/privileged/filters.h $(LWIP)/.source | $(B)/.deps-lint
	@LINT_GOALS='$(LINT_GOALS)' tests/lint/lint $(if $(filter includes,$(FIX)),--fix-includes) \
		$(FILES)
.PHONY: check-lint
check-lint: | $(B)/.deps-lint ## what `make lint` looks for is found where it is put
	@tests/run tests/lint/check
