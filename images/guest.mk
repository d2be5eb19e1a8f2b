# The guest by hand. Tests and benches boot it through images/run-guest.

##@ Guest
.PHONY: guest-shell
guest-shell: all ## a shell in the guest, an NVMe disk in it (GUEST="-d edu ..." adds to it)
	@images/run-guest -s -d nvme,serial=rf0,size=1G $(GUEST)
