# rf-lwip: lwIP, built from Debian's sources, and what runs on it. rf-dial connects for it.

LWIP := $(B)/lwip
LWIP_LTO := -O3 -flto -flto-partition=one
LWIP_AR := gcc-ar # knows objects to be optimised when they are linked
LWIP_CORE := core/def core/dns core/inet_chksum core/init core/ip core/mem core/memp core/netif \
             core/pbuf core/stats core/tcp core/tcp_in core/tcp_out core/timeouts core/udp \
             core/ipv4/acd core/ipv4/dhcp core/ipv4/etharp core/ipv4/icmp core/ipv4/ip4 \
             core/ipv4/ip4_addr \
             core/ipv4/ip4_frag core/ipv6/ethip6 core/ipv6/icmp6 core/ipv6/inet6 core/ipv6/ip6 \
             core/ipv6/ip6_addr core/ipv6/ip6_frag core/ipv6/mld6 core/ipv6/nd6 netif/ethernet
LWIP_OBJ := $(LWIP_CORE:%=$(LWIP)/obj/%.o)
# Our files that lwIP and whoever tries it by itself need.
LWIP_BASE := checksum now peers sack secret share stack stream ticks wire
LWIP_OUR := $(wildcard net/export/lwip/*.h net/export/lwip/arch/*.h)
# Its headers are not ours to warn about.
INC_lwip := -Inet/export/lwip -isystem $(LWIP)/src/include -Isandbox/export/nbd $(INC_blk) \
        -Inet/engine

$(LWIP)/.source: net/export/lwip/get-source $(wildcard net/export/lwip/patches/*.patch) | $(DEPS)
	$(call making,GEN)
	dir=$$(net/export/lwip/get-source) && ln -sfnT "$$dir/src" $(LWIP)/src
	@touch $@
$(LWIP)/obj/%.o: $(LWIP)/.source $(LWIP_OUR)
	$(call making,CC)
	$(CC) -std=c11 $(HARDEN) $(LWIP_LTO) -Dhtonl=__builtin_bswap32 -D_GNU_SOURCE $(MUSLINC) \
		-Inet/export/lwip -I$(LWIP)/src/include -c -o $@ $(LWIP)/src/$*.c

$(B)/obj/net/export/lwip/%.o: INC = $(INC_lwip)
$(call objs,net/export/lwip/*.c): HARDEN += $(LWIP_LTO)
# A new lwIP has other structures, and files older than any object.
$(call objs,net/export/lwip/*.c): $(LWIP)/.source | $(B)/gen/session/filters.h

$(LWIP)/liblwip.a: $(LWIP_OBJ) $(patsubst %,$(B)/obj/net/export/lwip/%.o,$(LWIP_BASE)) \
        $(B)/obj/sandbox/lib/siphash.o
	$(call making,AR)
	rm -f $@; $(LWIP_AR) rcs $@ $^

$(B)/obj/tests/bench/lwip.o: INC = $(INC_lwip) -Itests/bench
$(B)/obj/tests/bench/lwip.o: $(LWIP)/.source
$(B)/tests/bench-lwip: $(B)/obj/tests/bench/lwip.o $(LWIP)/liblwip.a $(B)/lib/libshared.a
	$(call making,LD)
	$(LINK_TRUSTED)

# The same with lwIP's own checksum and the options everything else is built with.
$(B)/tests/bench-lwip-stock: tests/bench/lwip.c $(wildcard net/export/lwip/*.c) $(LWIP_OUR) \
        $(LWIP)/.source $(B)/lib/libshared.a
	$(call making,LD)
	$(LD_PIE) -w -std=c11 $(HARDEN) -D_GNU_SOURCE -DRF_LWIP_STOCK -Dhtonl=__builtin_bswap32 \
		$(MUSLINC) $(INC_lwip) -Itests/bench -o $@ $(CRT1) $< \
		$(LWIP_BASE:%=net/export/lwip/%.c) sandbox/lib/siphash.c \
		$(LWIP_CORE:%=$(LWIP)/src/%.c) $(B)/lib/libshared.a -L$(MUSL) \
		-Wl,--start-group -lc -lgcc -Wl,--end-group $(CRTN)

##@ Measure
.PHONY: bench-lwip
bench-lwip: ## guest instructions per TCP segment through the stack
bench-lwip: $(B)/tests/bench-lwip $(B)/tests/bench-lwip-stock $(COUNT)
	@tests/bench/lwip

# The programs. The NBD server's own main and sockets stay out.
LWIP_NBD := $(filter-out %/main.o %/socket.o,$(call objs,sandbox/export/nbd/*.c))
LWIP_PROGRAMS := $(B)/bin/rf-lwip $(B)/bin/rf-dial

$(B)/obj/net/export/dial/%.o: INC = $(INC_session)
$(B)/bin/rf-lwip: $(filter-out $(LWIP_BASE:%=$(B)/obj/net/export/lwip/%.o), \
                    $(call objs,net/export/lwip/*.c)) \
                  $(LWIP)/liblwip.a $(LWIP_NBD) $(sort $(NET_ENGINE) $(BLK)) $(B)/lib/libshared.a
$(B)/bin/rf-dial: $(call objs,net/export/dial/*.c) $(B)/obj/sandbox/session/lock.o \
        $(B)/lib/libshared.a
$(LWIP_PROGRAMS) $(B)/tests/bench-lwip: LD_PIE += $(LWIP_LTO)
$(LWIP_PROGRAMS):
	$(call making,LD)
	$(LINK_TRUSTED)
	@images/check-static-pie $@
all: $(LWIP_PROGRAMS)

# rf-lwip once more under ASan and UBSan, and what its tests need.
LWIP_ASAN_SRC := $(wildcard net/export/lwip/*.c) $(sort $(NET_C) $(BLK_C)) $(SHARED_C) \
                 $(filter-out %/main.c %/socket.c,$(wildcard sandbox/export/nbd/*.c))
CFLAGS_LWIP_ASAN = -std=c11 -I$(B)/gen/proto -g -O1 -D_GNU_SOURCE -DRF_VERSION='"test"' \
                   -DRF_LWIP_MALLOC -Dhtonl=__builtin_bswap32 \
                   -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
$(B)/tests/rf-lwip-asan: $(LWIP_ASAN_SRC) tests/unit/no_lock.c $(LWIP_OUR) $(LWIP)/.source \
        $(B)/gen/session/filters.h $(B)/gen/proto/syscalls.h
	$(call making,CC)
	$(HOSTCC) $(CFLAGS_LWIP_ASAN) $(INC_lwip) -o $@ tests/unit/no_lock.c \
		$(filter-out sandbox/session/lock.c,$(LWIP_ASAN_SRC)) $(LWIP_CORE:%=$(LWIP)/src/%.c)
$(B)/tests/rf-dial: $(B)/bin/rf-dial
	cp $< $@

UNIT += tests/net/lwip tests/net/lwip-asan
$(B)/unit/test_http.o: INC_unit += -Inet/export/lwip -isystem $(LWIP)/src/include \
        -Isandbox/export/nbd
$(B)/unit/test_http.o: CFLAGS_UNIT += -Dhtonl=__builtin_bswap32
$(B)/unit/test_http.o: $(LWIP)/.source
# Beside what a test includes of it: the stack alone.
LWIP_ALONE := $(patsubst %,net/export/lwip/%.c,$(filter-out now stack stream,$(LWIP_BASE))) \
        sandbox/lib/siphash.c
# The stack alone, with a cable and a clock of the test's.
LWIP_UNIT := $(addprefix $(B)/unit/,test_tcp_loss test_lwip_ages test_lwip_frames \
        test_lwip_metrics)
# Buffers of its own pools are counted, those of malloc() are not.
$(B)/unit/test_lwip_frames: CFLAGS_LWIP_ASAN := $(filter-out -DRF_LWIP_MALLOC,$(CFLAGS_LWIP_ASAN))
$(LWIP_UNIT): $(B)/unit/%: tests/unit/%.c tests/unit/tcp_cable.h tests/unit/lwip_wire.h \
        $(wildcard net/export/lwip/*.c) $(SHARED_C) $(LWIP_OUR) $(LWIP)/.source
	$(call making,CC)
	$(HOSTCC) $(CFLAGS_LWIP_ASAN) $(INC_lwip) -I. -o $@ $< $(LWIP_ALONE) \
		$(LWIP_CORE:%=$(LWIP)/src/%.c) -lcmocka
check-unit check-needs: $(LWIP_PROGRAMS) $(addprefix $(B)/tests/,rf-lwip-asan rf-dial lwip_run \
        tcp_stream impair tcp_rate) | $(B)/.deps-net

# The stack and what runs on it under libFuzzer: lwIP's sources are compiled along.
LWIP_FUZZ := $(addprefix $(B)/fuzz/,fuzz_lwip fuzz_answers fuzz_http fuzz_socks)
$(LWIP_FUZZ): $(B)/fuzz/%: tests/fuzz/%.c $(wildcard tests/fuzz/*.h net/export/lwip/*.c) \
        $(LWIP_OUR) $(LWIP)/.source | $(B)/.deps-fuzz
	$(call making,CC)
	clang $(FUZZ_FLAGS) -DRF_LWIP_MALLOC -Dhtonl=__builtin_bswap32 $(INC_lwip) -I. -o $@ $< \
		$(LWIP_ALONE) \
		$(LWIP_CORE:%=$(LWIP)/src/%.c)
