# Drivers of devices only tests have: built like drivers/, into build/tests/drivers.
TEST_DRIVERS := $(patsubst tests/drivers/%.c,$(B)/tests/drivers/%,$(wildcard tests/drivers/*.c))
$(B)/obj/tests/drivers/%.o: INC = $(INC_drivers) -Itests/drivers
$(B)/obj/tests/drivers/%.o: tests/drivers/%.c | $(DEPS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_DRIVER) $(INC) -MMD -MP -c -o $@ $<
$(B)/tests/drivers/%: $(B)/obj/tests/drivers/%.o $(RUNTIME)
	@mkdir -p $(@D)
	$(LINK_DRIVER)
$(B)/tests/drivers/%.policy: tests/drivers/%.policy
	@mkdir -p $(@D)
	cp $< $@
check-programs: $(TEST_DRIVERS) $(patsubst tests/%,$(B)/tests/%,$(wildcard tests/drivers/*.policy))
