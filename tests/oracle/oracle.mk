# The client that knows which contents are allowed: build/tests/oracle. See tests/oracle/README.md.

INC_oracle := -Itests/oracle -Isandbox/export/nbd $(INC_cli)
$(B)/obj/tests/oracle/%.o: INC = $(INC_oracle)
$(B)/tests/oracle: $(call objs,tests/oracle/*.c sandbox/cli/ask.c sandbox/cli/show*.c) \
        $(B)/lib/libshared.a
	$(call making,LD)
	$(LINK_TRUSTED)
check-programs: $(B)/tests/oracle

ORACLE_NEEDS := all $(MODELS) $(B)/tests/oracle $(B)/tests/model_ctl

##@ Prove
.PHONY: oracle
oracle: ## every block's contents judged while all processes die and the power is cut: SECONDS=20
oracle: ## SEED=1, INTEGRITY=1, QUEUES=1
oracle: $(ORACLE_NEEDS)
	@tests/oracle/run $(or $(SECONDS),20) $(or $(SEED),1)

##@ Test
.PHONY: check-oracle
check-oracle: $(ORACLE_NEEDS) ## the same for 20 s, and lying devices found out (1 min)
	@tests/oracle/run 20 $(or $(SEED),1)
check-needs: $(ORACLE_NEEDS)
