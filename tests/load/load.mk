# The load generators, of disks and of interfaces: programs of `export program`, which see the
# library as anybody's do. Every test and bench that wants load starts them.
LOADS := $(B)/tests/rf-load $(B)/tests/rf-netload
$(B)/obj/tests/load/%.o: INC = -Itests/load $(INC_public)
$(call objs,tests/load/*.c): | $(LIBRINGFENCE)/include/ringfence/ringfence.h
$(B)/tests/rf-load: $(filter-out %/frames.o,$(call objs,tests/load/*.c)) $(LIBRINGFENCE_A)
$(B)/tests/rf-netload: $(addprefix $(B)/obj/tests/load/,frames.o say.o) $(LIBRINGFENCE_A)
$(LOADS):
	$(call making,LD)
	$(LINK_TRUSTED)
	@images/check-static-pie $@
check-programs: $(LOADS)
# Whose tests start them and do not ask for all programs.
check-recovery kill-every kill-sets kill-steps check-campaign campaign check-interop check-unit \
        bench-integrity bench-net-guest bench-net-native check-needs: $(LOADS)
