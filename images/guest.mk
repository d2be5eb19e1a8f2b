# The guest by hand. Tests and benches boot it through images/run-guest.

##@ Guest
.PHONY: guest-shell
guest-shell: all ## a shell in the guest, an NVMe disk in it (GUEST="-d edu ..." adds to it)
	@images/run-guest -s -d nvme,serial=rf0,size=1G $(GUEST)

##@ Run
RUN_NEEDS := $(addprefix $(B)/bin/,ringfence rf-keeper rf-supervisor rf-config rf-device rf-nbd rf-launch rf-scribe) $(B)/drivers/nvme $(B)/policy/nvme.policy \
             $(B)/models/nvme $(B)/tests/killer $(B)/tests/tell $(B)/tests/nbd_verify
.PHONY: run appliance storage
run: $(RUN_NEEDS) ## the main job on this machine, without root or a guest: a device model, kills and faults
	@rm -f $(B)/results/run.part $(B)/results/run.json
	@images/run.sh $(or $(KILLS),50) $(or $(SEED),1); code=$$?; \
	[ ! -f $(B)/results/run.part ] || images/figures run; \
	[ $$code = 0 ] || { echo "make run: failed; the log is $(B)/logs/run.log" >&2; exit 1; }
	@echo "figures: $(B)/results/run.json"
appliance: all check-programs ## the main job in a guest with an IOMMU: verified I/O while the driver is killed; then the storage appliance
	@rm -f $(B)/results/appliance.part $(B)/results/appliance.json
	@images/run-guest -n appliance -t 300 -d nvme,serial=rf0,size=256M -f build/tests -f images/job.sh -f images/appliance.sh \
		images/appliance.sh $(or $(KILLS),60) $(or $(SEED),1); code=$$?; \
	[ ! -f $(B)/results/appliance.part ] || images/figures appliance; \
	[ $$code = 0 ] || { echo "make appliance: failed; the console is in $(B)/logs/appliance.log" >&2; exit 1; }
	@echo "figures: $(B)/results/appliance.json"
	@$(MAKE) --no-print-directory storage
# NIC=virtio_net takes the other adapter.
storage: all check-programs ## the storage appliance alone: a guest whose kernel drives no NIC and no disk, its clients outside
	@rm -f $(B)/results/storage.part $(B)/results/storage.json
	@images/storage.sh $(or $(KILLS),60) $(or $(SEED),1) $(or $(NIC),e1000e); code=$$?; \
	[ ! -f $(B)/results/storage.part ] || images/figures storage; \
	[ $$code = 0 ] || { echo "make storage: failed; the console is in $(B)/logs/storage.log" >&2; exit 1; }
	@echo "figures: $(B)/results/storage.json"
