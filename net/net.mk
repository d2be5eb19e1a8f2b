# The net service and two exports of it: rf-tap (an interface of the kernel's) and
# rf-netload (a load generator).

NET_PROGRAMS := $(B)/bin/rf-tap $(B)/bin/rf-netload

$(B)/obj/net/export/tap/%.o: INC = -Inet/export/tap $(INC_net)
$(B)/obj/net/export/load/%.o: INC = $(INC_net)
$(call objs,net/export/tap/*.c net/export/load/*.c): | $(B)/gen/session/filters.h

$(B)/bin/rf-tap:     $(call objs,net/export/tap/*.c)   $(NET_ENGINE) $(B)/lib/libshared.a
$(B)/bin/rf-netload: $(call objs,net/export/load/*.c) $(NET_ENGINE) $(B)/lib/libshared.a
$(NET_PROGRAMS):
	$(call making,LD)
	$(LINK_TRUSTED)
	@images/check-static-pie $@

all: $(NET_PROGRAMS)
