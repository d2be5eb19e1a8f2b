# Device models: tests/models/NAME.c (and NAME_*.c) with the server library, a static
# program build/models/NAME each.

INC_models := -Itests/models -Itests/models/server -Idrivers/hw $(INC_shared)
$(B)/obj/tests/models/%.o: INC = $(INC_models)

MODEL_SERVER := $(call objs,tests/models/server/*.c)
MODEL_NAMES  := $(filter-out %_,$(foreach f,$(wildcard tests/models/*.c),$(if $(findstring \
        _,$(notdir $(f))),,$(basename $(notdir $(f))))))
MODELS       := $(addprefix $(B)/models/,$(MODEL_NAMES))

.SECONDEXPANSION:
$(MODELS): $(B)/models/%: $$(call objs,tests/models/$$*.c tests/models/$$*_*.c) $(MODEL_SERVER) \
        $(B)/lib/libshared.a
	$(call making,LD)
	$(LINK_TRUSTED)

##@ Build
.PHONY: models
models: $(MODELS) ## software devices behind a vfio-user socket, into build/models/
check-programs: models

# The NVMe model and the server under ASan and UBSan, for the unit tests that run them as
# a process of their own. Its main() is model_main() there.
MODEL_UNIT := $(patsubst %.c,$(B)/unit/obj/%.o,$(wildcard tests/models/server/*.c \
        tests/models/nvme*.c) sandbox/lib/log.c sandbox/lib/unix_listen.c)
$(B)/unit/obj/%.o: %.c
	$(call making,CC)
	$(HOSTCC) $(CFLAGS_UNIT) -Wno-missing-prototypes -Dmain=model_main $(INC_models) \
		-MMD -MP -c -o $@ $<
-include $(shell find $(B)/unit/obj -name '*.d' 2>/dev/null)
$(addprefix $(B)/unit/test_model_,server specified device nvme nvme_faults nvme_order nvme_slow): \
        $(MODEL_UNIT)
