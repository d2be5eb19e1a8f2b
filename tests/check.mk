# make check: every test there is, summed up in one last line.

##@ Test
.PHONY: check check-guest
check: all check-programs ## unit tests and guest tests; ends with `N passed, N failed`
	@tests/check
check-guest: all check-programs $(ATTACKS_NEED) | $(B)/.deps-qemu ## tests/guest/*.sh in a guest; TESTS="a b" runs only those
	@tests/check-guest $(TESTS)

# What guest tests run beside the products: hostile drivers.
.PHONY: check-programs
check-programs: $(HOSTILE)
