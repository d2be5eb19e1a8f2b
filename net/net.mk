# The net engine and an export of it: rf-tap, an interface of the kernel's.

NET_PROGRAMS := $(B)/bin/rf-tap

$(B)/obj/net/export/tap/%.o: INC = -Inet/export/tap $(INC_net)
$(call objs,net/export/tap/*.c): | $(B)/gen/session/filters.h

$(B)/bin/rf-tap:     $(call objs,net/export/tap/*.c)   $(NET_ENGINE) $(B)/lib/libshared.a
$(NET_PROGRAMS):
	$(call making,LD)
	$(LINK_TRUSTED)
	@images/check-static-pie $@

all: $(NET_PROGRAMS)
