# The client that keeps a book of what it was promised: build/tests/promise.

INC_promise := -Itests/promise -Itests/models -Isandbox/export/nbd $(INC_shared)
$(B)/obj/tests/promise/%.o: INC = $(INC_promise)
$(B)/tests/promise: $(call objs,tests/promise/*.c) $(B)/lib/libshared.a
	$(call making,LD)
	$(LINK_TRUSTED)
check-programs: $(B)/tests/promise
