# Long runs under a verifying load: see tests/soak/run.

##@ Prove
.PHONY: soak
HOURS ?= 1
HOGS  ?= 0
soak: ## a kill a second for HOURS= (1), SEED=, each block verified; HOGS=n busy processes a core
soak: ## beside it
soak: all check-programs $(MODELS)
	@tests/soak/run $(HOURS) $(or $(SEED),1) $(HOGS)
