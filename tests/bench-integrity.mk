# What `integrity` costs.

INC_bench_integrity := -Itests/unit -Isandbox/export/format $(INC_integrity)
$(B)/obj/tests/bench/integrity.o: INC = $(INC_bench_integrity)
$(B)/tests/bench-integrity: $(B)/obj/tests/bench/integrity.o $(B)/obj/sandbox/export/format/format.o $(BLK) $(B)/lib/libshared.a
	@mkdir -p $(@D)
	$(LINK_TRUSTED)

##@ Measure
.PHONY: bench-integrity
bench-integrity: all $(MODELS) $(B)/tests/bench-integrity ## instructions and throughput of each kind of integrity, PAIRS= (5) turns
	@tests/bench/integrity $(PAIRS)
