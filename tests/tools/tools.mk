# Small programs tests run in the guest beside the products: static, musl.
TOOLS := $(patsubst tests/tools/%.c,$(B)/tests/%,$(wildcard tests/tools/*.c))
$(B)/obj/tests/tools/%.o: INC = $(INC_shared)
$(B)/tests/%: $(B)/obj/tests/tools/%.o $(B)/lib/libshared.a
	$(call making,LD)
	$(LINK_TRUSTED)
# Those that read `status` do it as the command line does; one takes lines of a configuration.
$(addprefix $(B)/obj/tests/tools/,killer.o throughput_kept.o others_kept.o): INC = $(INC_cli)
$(B)/tests/killer $(B)/tests/throughput_kept $(B)/tests/others_kept: \
		$(call objs,sandbox/cli/ask.c sandbox/cli/show*.c)
$(B)/obj/tests/tools/lwip_run.o: INC = $(INC_config)
$(B)/tests/lwip_run: $(B)/obj/sandbox/config/lwip_words.o
check-programs: $(TOOLS)
