# Small programs tests run in the guest beside the products: static, musl.
TOOLS := $(patsubst tests/tools/%.c,$(B)/tests/%,$(wildcard tests/tools/*.c))
$(B)/obj/tests/tools/%.o: INC = $(INC_base)
$(B)/tests/%: $(B)/obj/tests/tools/%.o $(B)/lib/libbase.a
	@mkdir -p $(@D)
	$(LINK_TRUSTED)
check-programs: $(TOOLS)
