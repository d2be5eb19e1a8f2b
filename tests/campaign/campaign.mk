# Faults planted in a running driver and its device: see tests/campaign/README.md.

INC_campaign := -Itests/campaign -Isandbox/runtime $(INC_cli)
$(B)/obj/tests/campaign/%.o: INC = $(INC_campaign)
$(B)/tests/inject: $(call objs,tests/campaign/*.c sandbox/cli/ask.c sandbox/cli/show*.c) \
        $(B)/lib/libshared.a
	$(call making,LD)
	$(LINK_TRUSTED)

##@ Prove
.PHONY: campaign
FAULTS ?= 1000
campaign: ## FAULTS= (1000) faults planted in a running driver, SEED=; as root. REPLAY=seed:index
campaign: ## does one again
campaign: all $(MODELS) $(B)/tests/model_ctl $(B)/tests/inject
	@tests/campaign/run --faults $(FAULTS) --seed $(or $(SEED),1) $(if $(JOBS),--jobs $(JOBS)) \
		$(if $(UNTIL),--until "$(UNTIL)") $(if $(REPLAY),--replay $(REPLAY))

##@ Test
.PHONY: check-campaign
check-campaign: ## a short fault campaign, a replay and its controls; as root (1 min)
check-campaign: all $(MODELS) $(B)/tests/model_ctl $(B)/tests/inject
	@tests/campaign/check $(TESTS)
check-needs: $(B)/tests/model_ctl $(B)/tests/inject
