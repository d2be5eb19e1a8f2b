# Coverage-guided fuzzing of everything the trusted side parses: tests/fuzz/fuzz_*.c are
# libFuzzer harnesses under ASan and UBSan. Seeds lie in tests/fuzz/corpus/NAME; what a run
# adds stays in $(B)/fuzz.

ONLY ?= $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ := $(addprefix $(B)/fuzz/,$(ONLY))
FUZZ_FLAGS = -g -O1 -std=gnu11 -D_GNU_SOURCE -DRF_VERSION='"fuzz"' -Wno-everything \
             -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
BUDGET ?= 30

$(B)/.deps-fuzz: images/images.mk | $(DEPS)
	@images/install-deps clang libclang-rt-14-dev
	@mkdir -p $(@D)
	@touch $@
$(B)/fuzz/%: tests/fuzz/%.c $(B)/gen/launch/filters.h $(B)/gen/session/filters.h \
		$(B)/gen/device/filters.h \
		| $(B)/.deps-fuzz
	$(call making,CC)
	clang $(FUZZ_FLAGS) $(INC_unit) -MMD -MP -MF $@.d -o $@ $< $(WITH) -lcmocka
$(B)/fuzz/fuzz_vfio_server: WITH = -Itests/models -Itests/models/server \
	$(filter-out %/loop.c,$(wildcard tests/models/server/*.c)) \
	$(wildcard tests/models/nvme_*.c) \
	sandbox/lib/unix_listen.c
$(B)/fuzz/fuzz_pci: WITH = $(addprefix sandbox/device/core/,bar.c config_space.c dma.c \
	doorbell.c identity.c interrupts.c pci_bringup.c quiesce.c quirks.c) \
	$(addprefix sandbox/device/admin/,e1000e_admin.c igb_admin.c intel_nic.c \
	virtio_blk_id.c virtio_pci.c virtio_queues.c) \
	$(wildcard sandbox/device/admin/nvme_*.c) sandbox/lib/siphash.c
$(B)/fuzz/fuzz_broker: WITH = sandbox/proto/config_check.c sandbox/proto/namespace.c
$(B)/fuzz/fuzz_text: WITH = $(addprefix sandbox/config/,finish.c policy_device.c policy_words.c \
	values.c) \
        sandbox/proto/config_check.c sandbox/proto/namespace.c sandbox/zygote/config_stated.c
$(B)/fuzz/fuzz_bringup: WITH = $(addprefix sandbox/device/admin/,e1000e_admin.c igb_admin.c \
	virtio_blk_id.c virtio_queues.c) \
        sandbox/device/core/identity.c sandbox/lib/siphash.c \
        $(wildcard sandbox/device/admin/nvme_*.c)
-include $(wildcard $(B)/fuzz/*.d)

##@ Prove
.PHONY: fuzz
fuzz: ## fuzz every parser of the trusted side, BUDGET=30 seconds each, ONLY=fuzz_nbd for one
fuzz: $(FUZZ) $(B)/drivers/null_blk
	tests/fuzz/run $(BUDGET) $(FUZZ)
