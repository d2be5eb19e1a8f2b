# The ring, recovery and the journal, as models a checker walks through state by state.

$(B)/.deps-model: images/images.mk | $(DEPS)
	@images/install-deps spin
	@mkdir -p $(@D)
	@touch $@

##@ Prove
.PHONY: model
model: ## ring, sleep, recovery and the journal, whatever happens: every state, by SPIN (seconds)
model: | $(B)/.deps-model
	tests/model/run
