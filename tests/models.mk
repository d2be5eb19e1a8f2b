# Device models: tests/models/NAME.c (and NAME_*.c) with the server library, a static
# program build/models/NAME each.

INC_models := -Itests/models -Itests/models/server -Idrivers/hw $(INC_base)
$(B)/obj/tests/models/%.o: INC = $(INC_models)

MODEL_SERVER := $(call objs,tests/models/server/*.c)
MODEL_NAMES  := $(filter-out %_,$(foreach f,$(wildcard tests/models/*.c),$(if $(findstring _,$(notdir $(f))),,$(basename $(notdir $(f))))))
MODELS       := $(addprefix $(B)/models/,$(MODEL_NAMES))

.SECONDEXPANSION:
$(MODELS): $(B)/models/%: $$(call objs,tests/models/$$*.c tests/models/$$*_*.c) $(MODEL_SERVER) $(B)/lib/libbase.a
	@mkdir -p $(@D)
	$(LINK_TRUSTED)

##@ Build
.PHONY: models
models: $(MODELS) ## software devices behind a vfio-user socket, into build/models/
check-programs: models
