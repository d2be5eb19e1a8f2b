# ringfence - one Makefile and parts of it, no recursion. `make help` lists what it does.
#
# Rooms are compiled with their own include path (INC below), so that an include
# across a wall of the house does not build.

.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all
SHELL := bash
B := build
DEPS := $(B)/.deps# what must be installed first: images/images.mk
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unversioned)

# On all processors, unless the command line says on how many. Goals that are named together
# come in turn; files may come at once.
ifeq ($(MAKELEVEL)$(word 2,$(filter-out $(B)/%,$(MAKECMDGOALS))),0)
MAKEFLAGS += -j$(shell nproc)
endif

# A recipe says in a word what it makes; V=1 shows the commands.
ifndef V
.SILENT:
endif
making = @$(if $(V),,echo '  $(1)	$(if $(filter CC,$(1)),$(or $(filter %.c,$<),$@),$@)';) \
        mkdir -p $(@D)

# ---- tools ------------------------------------------------------------------
CC      ?= gcc
HOSTCC  ?= gcc
WARN    := -std=c11 -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
           -Wno-missing-field-initializers -Wno-format-truncation
HARDEN  := -O2 -g -fPIE -fstack-protector-strong -fno-plt -fcf-protection=none -ffunction-sections
MUSL    := /usr/lib/x86_64-linux-musl
GCCINC   = $(shell $(CC) -print-file-name=include)
MUSLINC  = -nostdinc -isystem /usr/include/x86_64-linux-musl -isystem $(GCCINC) \
           -idirafter /usr/include -idirafter /usr/include/x86_64-linux-gnu
CFLAGS_TRUSTED = $(WARN) $(HARDEN) -D_GNU_SOURCE -DRF_VERSION='"$(VERSION)"' $(MUSLINC)
CFLAGS_DRIVER  = $(WARN) $(HARDEN) $(MUSLINC) -ffreestanding -fbuiltin -fno-builtin-printf
# musl-gcc -static-pie silently links dynamically: the link line is our own.
LD_PIE   = $(CC) -nostdlib -nostartfiles -static-pie -Wl,-z,relro,-z,now,-z,noexecstack \
           -Wl,-z,separate-code,--gc-sections,--build-id=sha1
CRT1    := $(MUSL)/rcrt1.o $(MUSL)/crti.o
CRTN    := $(MUSL)/crtn.o
LIBC     = -L$(MUSL) -lc -lgcc -lgcc_eh
LINK_TRUSTED = $(LD_PIE) -o $@ $(CRT1) $(filter %.o,$^) $(filter %.a,$^) -L$(MUSL) \
        -Wl,--start-group -lc -lgcc -Wl,--end-group $(CRTN)

# ---- the rooms: who may include whom ---------------------------------------
INC_abi        := -Isandbox/abi
INC_runtime    := -Isandbox/runtime $(INC_abi)
INC_drivers    := -Idrivers/hw $(INC_runtime)
INC_lib        := -Isandbox/lib $(INC_abi)
# What any two programs of ours may share: what passes between them, and the library.
INC_shared     := -Isandbox/proto $(INC_lib)
INC_proto      := $(INC_shared) -I$(B)/gen/proto
# rf-keeper is three processes with three privileges: no room sees another's headers.
INC_zygote     := -Isandbox/zygote $(INC_shared)
INC_keeper     := -Isandbox/keeper -I$(B)/gen/keeper $(INC_shared)
INC_broker     := -Isandbox/broker -I$(B)/gen/broker $(INC_shared)
INC_supervisor := -Isandbox/supervisor -I$(B)/gen/supervisor $(INC_shared)
INC_config     := -Isandbox/config -I$(B)/gen/config $(INC_shared)
INC_cli        := -Isandbox/cli $(INC_shared)
INC_crash      := -Isandbox/crash -I$(B)/gen/crash $(INC_shared)
INC_launch     := -Isandbox/launch -I$(B)/gen/launch $(INC_shared)
INC_device     := -Isandbox/device/core -I$(B)/gen/device $(INC_shared)
INC_device_admin := -Isandbox/device/admin -Idrivers/hw $(INC_device)
INC_session    := -Isandbox/session -Isandbox/libringfence -I$(B)/gen/session $(INC_shared)
INC_blk        := -Isandbox/blk $(INC_session)
INC_integrity  := -Isandbox/blk/integrity $(INC_blk)
INC_net        := -Inet/engine $(INC_session)

$(B)/obj/sandbox/lib/%.o:        INC = $(INC_lib)
$(B)/obj/sandbox/proto/%.o:      INC = $(INC_proto)
$(B)/obj/sandbox/zygote/%.o:     INC = $(INC_zygote)
$(B)/obj/sandbox/keeper/%.o:     INC = $(INC_keeper)
$(B)/obj/sandbox/broker/%.o:     INC = $(INC_broker)
$(B)/obj/sandbox/supervisor/%.o: INC = $(INC_supervisor)
$(B)/obj/sandbox/config/%.o:     INC = $(INC_config)
$(B)/obj/sandbox/cli/%.o:        INC = $(INC_cli)
$(B)/obj/sandbox/crash/%.o:      INC = $(INC_crash)
$(B)/obj/sandbox/launch/%.o:     INC = $(INC_launch)
$(B)/obj/sandbox/device/%.o:     INC = $(INC_device)
$(B)/obj/sandbox/device/vfio_user/%.o: INC = -Isandbox/device/vfio_user $(INC_device)
$(B)/obj/sandbox/device/admin/%.o: INC = $(INC_device_admin)
$(B)/obj/sandbox/session/%.o:    INC = $(INC_session)
$(B)/obj/sandbox/libringfence/%.o: INC = $(INC_session)
$(B)/obj/sandbox/blk/%.o:        INC = $(INC_blk)
$(B)/obj/sandbox/blk/integrity/%.o: INC = $(INC_integrity)
$(B)/obj/sandbox/export/nbd/%.o: INC = -Isandbox/export/nbd $(INC_blk)
$(B)/obj/sandbox/export/format/%.o: INC = -Isandbox/export/format $(INC_integrity)
$(B)/obj/net/engine/%.o:         INC = $(INC_net)
$(B)/obj/sandbox/runtime/%.o:    INC = $(INC_runtime)
$(B)/obj/drivers/%.o:            INC = $(INC_drivers)
$(B)/obj/tests/fault/%.o:        INC = $(INC_drivers)

objs = $(patsubst %.c,$(B)/obj/%.o,$(wildcard $(1)))

RUNTIME    := $(call objs,sandbox/runtime/*.c)
# Sources of what several programs, here and in the tests, are linked with.
SHARED_C   := $(wildcard sandbox/lib/*.c sandbox/proto/*.c)
DEVICE_C   := $(wildcard sandbox/device/*.c sandbox/device/*/*.c)
SESSION_C  := $(wildcard sandbox/session/*.c) sandbox/libringfence/housekeeping.c
BLK_C      := $(SESSION_C) $(wildcard sandbox/blk/*.c sandbox/blk/integrity/*.c)
NET_C      := $(SESSION_C) $(wildcard net/engine/*.c)
BLK        := $(BLK_C:%.c=$(B)/obj/%.o)
NET_ENGINE := $(NET_C:%.c=$(B)/obj/%.o)
PROGRAMS   := $(addprefix $(B)/bin/,ringfence rf-keeper rf-supervisor rf-config rf-device rf-nbd \
        rf-format rf-launch rf-crash)
DRIVERS    := $(patsubst drivers/%.c,$(B)/drivers/%,$(wildcard drivers/*.c))
HOSTILE    := $(patsubst tests/fault/%.c,$(B)/fault/%,$(wildcard tests/fault/*.c))
POLICIES   := $(patsubst policy/%,$(B)/policy/%,$(wildcard policy/*.policy))

##@ Build
.PHONY: all
.PHONY: policies
policies: $(POLICIES)
all: $(PROGRAMS) $(DRIVERS) $(POLICIES) ## build programs, drivers and policies into build/

$(B)/obj/sandbox/runtime/%.o: sandbox/runtime/%.c | $(DEPS)
	$(call making,CC)
	$(CC) $(CFLAGS_DRIVER) $(INC) -MMD -MP -c -o $@ $<
$(B)/obj/drivers/%.o: drivers/%.c | $(DEPS)
	$(call making,CC)
	$(CC) $(CFLAGS_DRIVER) $(INC) -MMD -MP -c -o $@ $<
$(B)/obj/tests/fault/%.o: tests/fault/%.c | $(DEPS)
	$(call making,CC)
	$(CC) $(CFLAGS_DRIVER) $(INC) -MMD -MP -c -o $@ $<
$(B)/obj/%.o: %.c | $(DEPS)
	$(call making,CC)
	$(CC) $(CFLAGS_TRUSTED) $(INC) -MMD -MP -c -o $@ $<

$(B)/lib/libshared.a: $(SHARED_C:%.c=$(B)/obj/%.o)
	$(call making,AR)
	rm -f $@; ar rcs $@ $^

# What keeps, starts and opens is root or has capabilities; what decides has none of either.
OF_rf-keeper     := $(call objs,sandbox/zygote/*.c sandbox/keeper/*.c sandbox/broker/*.c)
OF_rf-supervisor := $(call objs,sandbox/supervisor/*.c)
OF_rf-config     := $(call objs,sandbox/config/*.c)
OF_ringfence     := $(call objs,sandbox/cli/*.c)
OF_rf-crash     := $(call objs,sandbox/crash/*.c)
OF_rf-launch     := $(call objs,sandbox/launch/*.c)
OF_rf-device     := $(DEVICE_C:%.c=$(B)/obj/%.o)
OF_rf-nbd        := $(call objs,sandbox/export/nbd/*.c) $(BLK)
OF_rf-format     := $(call objs,sandbox/export/format/*.c) $(BLK)
$(foreach p,$(PROGRAMS),$(eval $(p): $(OF_$(notdir $(p))) $(B)/lib/libshared.a))
$(PROGRAMS):
	$(call making,LD)
	$(LINK_TRUSTED)
	@images/check-static-pie $@

# A driver image: our own entry, the runtime, and of libc only what
# images/check-driver-libc lists.
LINK_DRIVER = $(LD_PIE) -Wl,-e,rf_driver_start -Wl,-Map,$@.map -o $@ $(filter %.o,$^) \
	-L$(MUSL) -lc -lgcc \
	&& images/check-static-pie $@ && images/check-driver-libc $@.map
$(B)/drivers/%: $(B)/obj/drivers/%.o $(RUNTIME)
	$(call making,LD)
	$(LINK_DRIVER)
$(B)/fault/%: $(B)/obj/tests/fault/%.o $(RUNTIME)
	$(call making,LD)
	$(LINK_DRIVER)

$(B)/policy/%: policy/%
	$(call making,GEN)
	cp $< $@

# System call lists: text in policy/syscalls, compiled to BPF here and embedded.
$(B)/tools/policyc: policy/compile/policyc.c policy/compile/constants.h | $(DEPS)
	$(call making,CC)
	$(HOSTCC) $(WARN) -O1 -g -D_GNU_SOURCE -o $@ $< -lseccomp
$(B)/gen/launch/filters.h: $(B)/tools/policyc $(wildcard policy/syscalls/driver-*.list)
	$(call making,GEN)
	$< -o $@ $(filter %.list,$^)
$(B)/gen/session/filters.h: $(B)/tools/policyc $(wildcard policy/syscalls/export-*.list)
	$(call making,GEN)
	$< -o $@ $(filter %.list,$^)
$(B)/gen/device/filters.h: $(B)/tools/policyc $(wildcard policy/syscalls/device*.list)
	$(call making,GEN)
	$< -o $@ $(filter %.list,$^)
$(B)/gen/config/filters.h: $(B)/tools/policyc policy/syscalls/config.list
	$(call making,GEN)
	$< -o $@ $(filter %.list,$^)
$(B)/gen/keeper/filters.h: $(B)/tools/policyc policy/syscalls/keeper.list
	$(call making,GEN)
	$< -o $@ $(filter %.list,$^)
$(B)/gen/broker/filters.h: $(B)/tools/policyc policy/syscalls/broker.list
	$(call making,GEN)
	$< -o $@ $(filter %.list,$^)
$(B)/gen/supervisor/filters.h: $(B)/tools/policyc policy/syscalls/supervisor.list
	$(call making,GEN)
	$< -o $@ $(filter %.list,$^)
$(B)/gen/crash/filters.h: $(B)/tools/policyc policy/syscalls/crash.list
	$(call making,GEN)
	$< -o $@ $(filter %.list,$^)
$(B)/gen/proto/syscalls.h: $(B)/tools/policyc
	$(call making,GEN)
	$< --names >$@
# Whoever compiles sources of several rooms at once waits for all of them.
GENERATED := $(B)/gen/proto/syscalls.h $(patsubst %,$(B)/gen/%/filters.h,launch session device \
        config keeper broker supervisor crash)
$(call objs,sandbox/proto/*.c): | $(B)/gen/proto/syscalls.h
$(call objs,sandbox/keeper/*.c): | $(B)/gen/keeper/filters.h
$(call objs,sandbox/broker/*.c): | $(B)/gen/broker/filters.h
$(call objs,sandbox/supervisor/*.c): | $(B)/gen/supervisor/filters.h
$(call objs,sandbox/crash/*.c): | $(B)/gen/crash/filters.h
$(call objs,sandbox/launch/*.c): | $(B)/gen/launch/filters.h
$(call objs,sandbox/session/*.c): | $(B)/gen/session/filters.h
$(DEVICE_C:%.c=$(B)/obj/%.o): | $(B)/gen/device/filters.h
$(call objs,sandbox/config/*.c): | $(B)/gen/config/filters.h
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# One a folder, beside what it builds. Whose lists others name as prerequisites comes first.
PARTS := images/images.mk net/net.mk sandbox/libringfence/libringfence.mk \
           $(patsubst %,tests/%.mk,tools/tools drivers/drivers models/models \
             unit/unit attacks/attacks tests bench/bench) net/export/lwip/lwip.mk
include $(PARTS) $(filter-out $(PARTS),$(wildcard tests/*/*.mk))

##@ Housekeeping
.PHONY: clean help
clean: ## remove build/ (downloads stay in $XDG_CACHE_HOME/ringfence)
	rm -rf $(B)
# `goal: ## text` is its line here; several of one goal add up.
help: ## this list
	@awk 'BEGIN { FS = ":.*## " } \
	     /^##@ / { at = substr($$0, 5); if (!(at in text)) name[++n] = at; last = "" } \
	     /^[a-z][a-zA-Z_-]*:.*## / { text[at] = text[at] ($$1 == last ? " " $$2 : \
	         sprintf("\n  %-22s %s", $$1, $$2)); last = $$1 } \
	     END { for (i = 1; i <= n; i++) printf "\n%s%s\n", name[i], text[name[i]] }' \
	     $(MAKEFILE_LIST)
	@echo; echo "V=1 shows commands. All processors are used unless -jN says otherwise."
