# The guest by hand. Tests and benches boot it through images/run-guest.

##@ Guest
.PHONY: guest-shell
guest-shell: all ## a shell in the guest, an NVMe disk in it (GUEST="-d edu ..." adds to it)
	@images/run-guest -s -d nvme,serial=rf0,size=1G $(GUEST)

##@ Run
.PHONY: run appliance
run: appliance ## the main job; the same as `make appliance` until there is a native default
appliance: all check-programs ## the main job in a guest with an IOMMU: verified I/O while the driver is killed
	@rm -f $(B)/results/appliance.part $(B)/results/appliance.json
	@images/run-guest -n appliance -t 300 -d nvme,serial=rf0,size=256M -f build/tests -f images/appliance.sh \
		images/appliance.sh $(or $(KILLS),60) $(or $(SEED),1); code=$$?; \
	[ ! -f $(B)/results/appliance.part ] || images/figures appliance; \
	[ $$code = 0 ] || { echo "make appliance: failed; the console is in $(B)/logs/appliance.log" >&2; exit 1; }
	@echo "figures: $(B)/results/appliance.json"
