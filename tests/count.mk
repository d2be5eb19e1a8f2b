# The instruction counter: a TCG plugin for the host, marks for the guest.

# One for each version of QEMU's plugin interface; tests/bench/counter picks.
COUNT := $(B)/tests/count.so $(B)/tests/count-7.so $(B)/tests/mark

$(B)/tests/count.so $(B)/tests/count-7.so: tests/bench/count.c | $(DEPS)
	@mkdir -p $(@D)
	$(HOSTCC) $(WARN) -O2 -g -fPIC -shared -fvisibility=hidden -D_GNU_SOURCE \
		-DAPI=$(or $(patsubst count-%.so,%,$(filter count-%,$(@F))),1) -o $@ $< -pthread
$(B)/tests/mark: $(B)/obj/tests/bench/mark.o
	@mkdir -p $(@D)
	$(LINK_TRUSTED)

# Those files are read before this one, where COUNT would still be empty.
bench-block-guest bench-net-guest bench-lwip bench-appliance: $(COUNT)

##@ Test
.PHONY: check-count
check-count: $(COUNT) ## the instruction counter against code whose count is known
	@tests/bench/check-count
check-needs: $(COUNT)
