# The ring, recovery, queue deletion and the journal, as models a checker walks through state by
# state.

$(B)/.deps-model: images/images.mk | $(DEPS)
	@images/install-deps spin
	@mkdir -p $(@D)
	@touch $@

##@ Prove
.PHONY: model
model: ## ring, sleep, recovery, queue deletion and the journal: every state, by SPIN (seconds)
model: | $(B)/.deps-model
	tests/model/run
