# make check: every test there is, summed up in one last line.

##@ Test
.PHONY: check check-needs check-guest
check: check-needs ## every test there is; ends with `N passed, N failed`
	@RF_CHECK_BEGAN=$(CHECK_BEGAN) tests/check
CHECK_BEGAN := $(shell date +%s)
# Groups run side by side: all that they need is built before, so that no two build it.
check-needs: all check-programs
check-guest: ## tests/guest/*.sh in a guest; TESTS="a b" runs only those
check-guest: all check-programs $(ATTACKS_NEED) | $(B)/.deps-qemu
	@tests/check-guest $(TESTS)
check-needs: $(ATTACKS_NEED) | $(B)/.deps-qemu

# What guest tests run beside the products: hostile drivers.
.PHONY: check-programs
check-programs: $(HOSTILE)
