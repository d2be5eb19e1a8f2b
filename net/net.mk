# The net service and two exports of it: rf-tap (an interface of the kernel's) and
# rf-netload (a load generator).

SERVICE_NET := $(call objs,sandbox/service/net/*.c) $(addprefix $(B)/obj/sandbox/service/,handed.o lock.o)
NET_PROGRAMS := $(B)/bin/rf-tap $(B)/bin/rf-netload
INC_net := -Inet/tap -Isandbox/service/net $(INC_service)

$(B)/obj/net/tap/%.o $(B)/obj/net/bench/%.o: INC = $(INC_net)
$(call objs,net/tap/*.c net/bench/*.c): | $(B)/gen/service/filters.h

$(B)/bin/rf-tap:     $(call objs,net/tap/*.c)   $(SERVICE_NET) $(B)/lib/libbase.a
$(B)/bin/rf-netload: $(call objs,net/bench/*.c) $(SERVICE_NET) $(B)/lib/libbase.a
$(NET_PROGRAMS):
	@mkdir -p $(@D)
	$(LINK_TRUSTED)
	@images/check-static-pie $@

all: $(NET_PROGRAMS)
