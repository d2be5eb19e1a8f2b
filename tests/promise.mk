# The client that keeps a book of what it was promised: build/tests/promise.

INC_promise := -Itests/promise -Itests/models -Isandbox/service/nbd $(INC_base)
$(B)/obj/tests/promise/%.o: INC = $(INC_promise)
$(B)/tests/promise: $(call objs,tests/promise/*.c) $(B)/lib/libbase.a
	@mkdir -p $(@D)
	$(LINK_TRUSTED)
check-programs: $(B)/tests/promise
