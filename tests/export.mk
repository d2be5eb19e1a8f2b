# What the tests of the exports run rather than link.
UNIT_NEEDS_EXPORT := $(B)/bin/rf-nbd $(B)/bin/rf-load
check-unit: $(UNIT_NEEDS_EXPORT)
