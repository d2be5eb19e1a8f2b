# Programs that lack one wall, for the controls of attacks: README.md says which. Each is the
# shipped program with tests/lax/NAME.patch applied to copies of its sources, never to the tree.
#   build/lax/src/NAME/   the patched copies
#   build/lax/bin/NAME/   the programs made of them and of the shipped objects
LAX_DIR := $(B)/lax
# The load generator is no shipped program. Its own sources stay as they are, those of the
# library do not.
OF_rf-load := $(filter-out %/frames.o,$(call objs,tests/load/*.c)) $(BLK)

# Patches of a variant, where they are not its own alone.
LAX_OF_unfenced   := walls
LAX_OF_open       := walls
LAX_OF_unchecked  := walls unchecked
LAX_OF_served     := ring service
LAX_OF_served-net := ring frames
# What a variant is compiled with besides. Walls are left out as the last argument says; where
# there is none, the system call list, or as here the exact descriptors too.
LAX_open  := -D'LAX_WALLS_OFF=LAX_BITS(SECCOMP)|LAX_BITS(FDS)|LAX_BITS(FSIZE)'
LAX_learn := -I$(B)/gen/learn
LAX_GEN_learn := $(B)/gen/learn/filters.h

lax_patches = $(patsubst %,tests/lax/%.patch,$(or $(LAX_OF_$(1)),$(1)))
# PATCH:FILE of all that the patches name; make reads this once.
LAX_FILES := $(shell awk '/^\+\+\+ b\// { print FILENAME ":" substr($$2, 3) }' tests/lax/*.patch)
lax_files = $(sort $(foreach p,$(lax_patches),$(patsubst $(p):%,%,$(filter $(p):%,$(LAX_FILES)))))
lax_copies = $(addprefix $(LAX_DIR)/src/$(1)/,$(lax_files))
# Where a patched header lies before the shipped one.
lax_include = $(sort $(patsubst %/,-I$(LAX_DIR)/src/$(1)/%,$(dir $(filter %.h,$(lax_files)))))
# Objects of a program, those of patched sources in the place of the shipped ones.
lax_object = $(if $(filter $(2:$(B)/obj/%.o=%.c),$(lax_files)), \
        $(2:$(B)/%=$(LAX_DIR)/obj/$(1)/%),$(2))
lax_objects = $(foreach o,$(OF_$(2)),$(call lax_object,$(1),$(o)))

# $(call lax_sources,NAME)
define lax_sources
$(LAX_DIR)/src/$(1)/.applied: tests/lax/apply $(lax_patches) $(lax_files)
	$$(call making,GEN)
	tests/lax/apply $$(@D) $(lax_patches)
$(lax_copies): $(LAX_DIR)/src/$(1)/.applied ;
endef
# $(call lax_program,NAME,PROGRAM,INCLUDE PATH)
define lax_program
$(LAX_DIR)/obj/$(1)/obj/%.o: $(LAX_DIR)/src/$(1)/%.c | $(GENERATED) $(LAX_GEN_$(1))
	$$(call making,CC)
	$$(CC) $$(CFLAGS_TRUSTED) $(lax_include) $$(LAX_$(1)) $(3) -MMD -MP -c -o $$@ $$<
$(LAX_DIR)/bin/$(1)/$(2): $(lax_objects) $(B)/lib/libshared.a
	$$(call making,LD)
	$$(LINK_TRUSTED)
LAX_PROGRAMS += $(LAX_DIR)/bin/$(1)/$(2)
endef
lax_variant = $(eval $(call lax_sources,$(1))) \
        $(foreach p,$(2),$(eval $(call lax_program,$(1),$(p),$(3))))

LAX_PROGRAMS :=
$(foreach v,walls served served-net peer lwip,$(call lax_variant,$(v)))
$(call lax_variant,unfenced,rf-launch,$(INC_launch))
$(call lax_variant,open,rf-launch,$(INC_launch))
$(call lax_variant,unchecked,rf-launch,$(INC_launch))
$(call lax_variant,wide-windows,rf-device,$(INC_device_admin))
$(call lax_variant,admin-writable,rf-device,$(INC_device))
$(call lax_variant,queue-reset,rf-device,$(INC_device))
$(call lax_variant,reuse-early,rf-device rf-load,$(INC_device) $(INC_blk))
$(call lax_variant,no-reissue,rf-nbd rf-load,$(INC_blk))
check-programs check-needs check-unit attacks check-attacks: $(LAX_PROGRAMS)
UNIT += tests/lax/shipped
check-unit check-needs: $(LAX_DIR)/learn/bin/rf-launch $(B)/fault/evil_uname
-include $(shell find $(LAX_DIR)/obj -name '*.d' 2>/dev/null)

# rf-lwip without what holds off whoever shares its link, and of lwIP as it comes.
LWIP_LAX := $(B)/lax/src/lwip
$(B)/lax/lwip/.source: net/export/lwip/get-source | $(LWIP)/.source
	$(call making,GEN)
	dir=$$(net/export/lwip/get-source --unpatched) && ln -sfnT "$$dir/src" $(@D)/src
	@touch $@
LWIP_LAX_SRC := $(filter-out %/session/lock.c %/lwip/sack.c %/lwip/ticks.c,$(LWIP_ASAN_SRC))
LWIP_LAX_SRC := $(foreach f,$(LWIP_LAX_SRC),$(or $(filter %/$f,$(call lax_copies,lwip)),$f))
$(B)/attacks/rf-lwip-lax: $(LWIP_LAX)/.applied $(B)/lax/lwip/.source $(LWIP_ASAN_SRC) \
        $(LWIP_OUR) tests/unit/no_lock.c tests/lax/lax_tcp.c $(B)/gen/session/filters.h \
        $(B)/gen/proto/syscalls.h
	$(call making,CC)
	$(HOSTCC) -w -I$(B)/gen/proto -std=c11 -g -O2 -D_GNU_SOURCE -DRF_VERSION='"lax"' \
		-Dhtonl=__builtin_bswap32 -include $(LWIP_LAX)/net/export/lwip/share.h \
		$(subst $(LWIP)/,$(B)/lax/lwip/,$(INC_lwip)) -o $@ tests/unit/no_lock.c \
		tests/lax/lax_tcp.c $(LWIP_LAX_SRC) $(LWIP_CORE:%=$(B)/lax/lwip/src/%.c)

# Learn mode: what a driver's list lacks is logged and let through. The keeper beside the command
# is this one, so that the command is a copy too.
$(B)/gen/learn/filters.h: $(B)/tools/policyc $(wildcard policy/syscalls/driver-*.list)
	$(call making,GEN)
	$< --learn -o $@ $(filter %.list,$^)
$(call lax_variant,learn,rf-launch rf-keeper,$(INC_launch) $(INC_keeper))
.PHONY: learn
learn: ## a ringfence that lists what system calls a driver would need: NOT a fence
learn: $(LAX_DIR)/learn/bin/rf-launch
$(LAX_DIR)/learn/bin/rf-launch: $(PROGRAMS) $(NET_PROGRAMS) $(LWIP_PROGRAMS) \
        $(addprefix $(LAX_DIR)/bin/learn/,rf-launch rf-keeper) | $(DRIVERS) $(POLICIES)
	$(call making,GEN)
	cp $(filter $(B)/bin/%,$^) $(@D)
	cp $(filter $(LAX_DIR)/%,$^) $(@D)
	ln -sfn ../../drivers ../../policy $(LAX_DIR)/learn
