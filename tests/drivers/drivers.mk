# Drivers of devices only tests have: built like drivers/, into build/tests/drivers.
TEST_DRIVERS := $(patsubst tests/drivers/%.c,$(B)/tests/drivers/%,$(wildcard tests/drivers/*.c))
$(B)/obj/tests/drivers/%.o: INC = $(INC_drivers) -Itests/drivers
$(B)/obj/tests/drivers/%.o: tests/drivers/%.c | $(DEPS)
	$(call making,CC)
	$(CC) $(CFLAGS_DRIVER) $(INC) -MMD -MP -c -o $@ $<
$(B)/tests/drivers/%: $(B)/obj/tests/drivers/%.o $(RUNTIME)
	$(call making,LD)
	$(LINK_DRIVER)
$(B)/tests/drivers/%.policy: tests/drivers/%.policy
	$(call making,GEN)
	cp $< $@
check-programs: $(TEST_DRIVERS) $(patsubst tests/%,$(B)/tests/%,$(wildcard tests/drivers/*.policy))
