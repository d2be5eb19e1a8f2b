# libringfence: header, static library and pkg-config file, laid out as they are installed. Of
# the library only what the header declares is visible to who links it.
LIBRINGFENCE   := $(B)/libringfence
LIBRINGFENCE_A := $(LIBRINGFENCE)/lib/libringfence.a
LIBRINGFENCE_H := $(wildcard sandbox/libringfence/*.h) sandbox/abi/blk_types.h \
        sandbox/abi/net_types.h sandbox/abi/poll_window.h
INC_public     := -I$(LIBRINGFENCE)/include/ringfence

$(B)/obj/libringfence.o: $(sort $(BLK) $(NET_ENGINE)) $(B)/lib/libshared.a $(LIBRINGFENCE_H)
	$(call making,LD)
	grep -ohE '\brf_[a-z_]+\(' sandbox/libringfence/*.h | tr -d '(' | sort -u >$@.symbols
	ld -r -o $@ $(filter %.o %.a,$^)
	objcopy --keep-global-symbols=$@.symbols $@
$(LIBRINGFENCE_A): $(B)/obj/libringfence.o
	$(call making,AR)
	rm -f $@; ar rcs $@ $<
$(LIBRINGFENCE)/include/ringfence/ringfence.h: $(LIBRINGFENCE_H)
	$(call making,GEN)
	cp $^ $(@D)
$(LIBRINGFENCE)/lib/pkgconfig/ringfence.pc: sandbox/libringfence/libringfence.mk
	$(call making,GEN)
	printf '%s\n' 'prefix=$${pcfiledir}/../..' 'Name: ringfence' \
		'Description: disks and interfaces behind drivers that are replaced when they die' \
		'Version: $(VERSION)' 'Cflags: -I$${prefix}/include/ringfence' \
		'Libs: -L$${prefix}/lib -lringfence' >$@

##@ Build
.PHONY: libringfence install-libringfence
libringfence: $(LIBRINGFENCE_A) $(LIBRINGFENCE)/include/ringfence/ringfence.h \
        $(LIBRINGFENCE)/lib/pkgconfig/ringfence.pc ## the library for programs of one's own
install-libringfence: libringfence ## copy it to $(DESTDIR)$(PREFIX), /usr/local by default
	mkdir -p $(DESTDIR)$(or $(PREFIX),/usr/local)
	cp -r $(LIBRINGFENCE)/. $(DESTDIR)$(or $(PREFIX),/usr/local)
all: libringfence
