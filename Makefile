# ringfence - one Makefile, no recursion. `make help` lists what it does.
#
# Rooms are compiled with their own include path (INC below), so that an include
# across a wall of the house does not build.

.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all
SHELL := bash
B := build
DEPS := $(B)/.deps# what must be installed first: images/deps.mk
VERSION := $(shell git describe --always --dirty 2>/dev/null || echo unversioned)

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
LINK_TRUSTED = $(LD_PIE) -o $@ $(CRT1) $(filter %.o,$^) $(filter %.a,$^) -L$(MUSL) -Wl,--start-group -lc -lgcc -Wl,--end-group $(CRTN)

# ---- the rooms: who may include whom ---------------------------------------
INC_abi        := -Isandbox/abi
INC_runtime    := -Isandbox/runtime $(INC_abi)
INC_drivers    := -Idrivers/hw $(INC_runtime)
INC_base       := -Isandbox/base $(INC_abi)
INC_launcher   := -Isandbox/launcher -I$(B)/gen/launcher $(INC_base)
INC_service    := -Isandbox/service -I$(B)/gen/service $(INC_base)
INC_device     := -Isandbox/device -Idrivers/hw -I$(B)/gen/device $(INC_base)
INC_scribe     := -Isandbox/scribe -I$(B)/gen/scribe $(INC_base)
INC_supervisor := -Isandbox/supervisor -I$(B)/gen/supervisor $(INC_base)
INC_client     := -Isandbox/client $(INC_base)
INC_config     := -Isandbox/config -I$(B)/gen/config $(INC_base)

$(B)/obj/sandbox/base/%.o:       INC = $(INC_base)
$(B)/obj/sandbox/launcher/%.o:   INC = $(INC_launcher)
$(B)/obj/sandbox/service/%.o:    INC = $(INC_service)
$(B)/obj/sandbox/service/net/%.o: INC = -Isandbox/service/net $(INC_service)
$(B)/obj/sandbox/device/%.o:     INC = $(INC_device)
$(B)/obj/sandbox/scribe/%.o:     INC = $(INC_scribe)
$(B)/obj/sandbox/supervisor/%.o: INC = $(INC_supervisor)
$(B)/obj/sandbox/client/%.o:     INC = $(INC_client)
$(B)/obj/sandbox/config/%.o:     INC = $(INC_config)
$(B)/obj/sandbox/runtime/%.o:    INC = $(INC_runtime)
$(B)/obj/drivers/%.o:            INC = $(INC_drivers)
$(B)/obj/tests/fault/%.o:        INC = $(INC_drivers)

objs = $(patsubst %.c,$(B)/obj/%.o,$(wildcard $(1)))

BASE       := $(call objs,sandbox/base/*.c)
RUNTIME    := $(call objs,sandbox/runtime/*.c)
SERVICE    := $(call objs,sandbox/service/*.c)
PROGRAMS   := $(addprefix $(B)/bin/,ringfence rf-keeper rf-supervisor rf-config rf-device rf-nbd rf-load rf-launch rf-scribe)
DRIVERS    := $(patsubst drivers/%.c,$(B)/drivers/%,$(wildcard drivers/*.c))
HOSTILE    := $(patsubst tests/fault/%.c,$(B)/fault/%,$(wildcard tests/fault/*.c))
POLICIES   := $(patsubst policy/%,$(B)/policy/%,$(wildcard policy/*.policy))

##@ Build
.PHONY: all
.PHONY: policies
policies: $(POLICIES)
all: $(PROGRAMS) $(DRIVERS) $(POLICIES) ## build programs, drivers and policies into build/

$(B)/obj/sandbox/runtime/%.o: sandbox/runtime/%.c | $(DEPS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_DRIVER) $(INC) -MMD -MP -c -o $@ $<
$(B)/obj/drivers/%.o: drivers/%.c | $(DEPS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_DRIVER) $(INC) -MMD -MP -c -o $@ $<
$(B)/obj/tests/fault/%.o: tests/fault/%.c | $(DEPS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_DRIVER) $(INC) -MMD -MP -c -o $@ $<
$(B)/obj/%.o: %.c | $(DEPS)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_TRUSTED) $(INC) -MMD -MP -c -o $@ $<

$(B)/lib/libbase.a: $(BASE)
	@mkdir -p $(@D)
	rm -f $@; ar rcs $@ $^

$(B)/bin/ringfence: $(call objs,sandbox/client/*.c)     $(B)/lib/libbase.a
# What keeps, starts and opens is root or has capabilities; what decides has none of either.
KEEPER     := $(addprefix $(B)/obj/sandbox/supervisor/,main.o keeper.o keeper_serve.o spawner.o spawn.o pit.o cgroup.o trace.o \
                call_name.o stopped.o fetch.o fetch_check.o fetch_said.o opener.o pci.o holders.o sysfs.o tap.o death_file.o privilege.o)
SUPERVISOR := $(B)/obj/sandbox/supervisor/privilege.o $(B)/obj/sandbox/supervisor/call_name.o \
              $(filter-out $(KEEPER),$(call objs,sandbox/supervisor/*.c))
$(B)/bin/rf-keeper: $(KEEPER)         $(B)/lib/libbase.a
$(B)/bin/rf-supervisor: $(SUPERVISOR) $(B)/lib/libbase.a
$(B)/bin/rf-config: $(call objs,sandbox/config/*.c)     $(B)/lib/libbase.a
$(B)/bin/rf-device: $(call objs,sandbox/device/*.c)     $(B)/lib/libbase.a
$(B)/bin/rf-nbd:    $(call objs,sandbox/service/nbd/*.c)  $(SERVICE) $(B)/lib/libbase.a
$(B)/bin/rf-load:   $(call objs,sandbox/service/load/*.c) $(SERVICE) $(B)/lib/libbase.a
$(B)/bin/rf-scribe: $(call objs,sandbox/scribe/*.c) $(B)/lib/libbase.a
$(B)/bin/rf-launch: $(call objs,sandbox/launcher/*.c) $(B)/lib/libbase.a
$(PROGRAMS):
	@mkdir -p $(@D)
	$(LINK_TRUSTED)
	@images/check-static-pie $@

# A driver image: our own entry, the runtime, and of libc only what
# images/check-driver-libc lists.
LINK_DRIVER = $(LD_PIE) -Wl,-e,rf_driver_start -Wl,-Map,$@.map -o $@ $(filter %.o,$^) -L$(MUSL) -lc -lgcc \
	&& images/check-static-pie $@ && images/check-driver-libc $@.map
$(B)/drivers/%: $(B)/obj/drivers/%.o $(RUNTIME)
	@mkdir -p $(@D)
	$(LINK_DRIVER)
$(B)/fault/%: $(B)/obj/tests/fault/%.o $(RUNTIME)
	@mkdir -p $(@D)
	$(LINK_DRIVER)

$(B)/policy/%: policy/%
	@mkdir -p $(@D)
	cp $< $@

# System call lists: text in policy/syscalls, compiled to BPF here and embedded.
$(B)/tools/policyc: policy/compile/policyc.c policy/compile/constants.h | $(DEPS)
	@mkdir -p $(@D)
	$(HOSTCC) $(WARN) -O1 -g -D_GNU_SOURCE -o $@ $< -lseccomp
$(B)/gen/launcher/filters.h: $(B)/tools/policyc $(wildcard policy/syscalls/driver-*.list)
	@mkdir -p $(@D)
	$< -o $@ $(filter %.list,$^)
# Learn mode, no part of `all`: what a driver lacks is logged and let through. For
# `unsafe-launcher rf-launch-learn` in a configuration.
$(B)/gen/learn/filters.h: $(B)/tools/policyc $(wildcard policy/syscalls/driver-*.list)
	@mkdir -p $(@D)
	$< --learn -o $@ $(filter %.list,$^)
$(B)/bin/rf-launch-learn: $(wildcard sandbox/launcher/*.[ch]) $(B)/gen/learn/filters.h $(B)/lib/libbase.a
	@mkdir -p $(B)/obj/learn
	for c in sandbox/launcher/*.c; do $(CC) $(CFLAGS_TRUSTED) -I$(B)/gen/learn $(INC_launcher) \
		-DRF_LAUNCH_LEARN -c -o $(B)/obj/learn/$$(basename $$c .c).o $$c || exit 1; done
	$(LD_PIE) -o $@ $(CRT1) $(B)/obj/learn/*.o $(B)/lib/libbase.a -L$(MUSL) -Wl,--start-group -lc -lgcc \
		-Wl,--end-group $(CRTN)
.PHONY: learn
learn: all $(B)/bin/rf-launch-learn ## the launcher that lists what system calls a driver would need: NOT a fence
$(B)/gen/service/filters.h: $(B)/tools/policyc $(wildcard policy/syscalls/export-*.list)
	@mkdir -p $(@D)
	$< -o $@ $(filter %.list,$^)
$(B)/gen/device/filters.h: $(B)/tools/policyc $(wildcard policy/syscalls/device*.list)
	@mkdir -p $(@D)
	$< -o $@ $(filter %.list,$^)
$(B)/gen/config/filters.h: $(B)/tools/policyc policy/syscalls/config.list
	@mkdir -p $(@D)
	$< -o $@ $(filter %.list,$^)
$(B)/gen/supervisor/filters.h: $(B)/tools/policyc $(addprefix policy/syscalls/,supervisor.list keeper.list opener.list)
	@mkdir -p $(@D)
	$< -o $@ $(filter %.list,$^)
$(B)/gen/scribe/filters.h: $(B)/tools/policyc policy/syscalls/scribe.list
	@mkdir -p $(@D)
	$< -o $@ $(filter %.list,$^)
$(call objs,sandbox/scribe/*.c): | $(B)/gen/scribe/filters.h
$(B)/gen/supervisor/syscalls.h: $(B)/tools/policyc
	@mkdir -p $(@D)
	$< --names >$@
$(call objs,sandbox/supervisor/*.c): | $(B)/gen/supervisor/syscalls.h $(B)/gen/supervisor/filters.h
$(call objs,sandbox/launcher/*.c): | $(B)/gen/launcher/filters.h
$(call objs,sandbox/service/*.c sandbox/service/*/*.c): | $(B)/gen/service/filters.h
$(call objs,sandbox/device/*.c): | $(B)/gen/device/filters.h
$(call objs,sandbox/config/*.c): | $(B)/gen/config/filters.h
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

include $(wildcard tests/*.mk tests/*/*.mk images/*.mk net/*.mk)

##@ Housekeeping
.PHONY: clean help
clean: ## remove build/ (downloads stay in $XDG_CACHE_HOME/ringfence)
	rm -rf $(B)
help: ## this list
	@awk 'BEGIN {FS = ":.*## "} /^##@ / {printf "\n%s\n", substr($$0, 5)} \
	     /^[a-z][a-zA-Z_-]*:.*## / {printf "  %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
