# The ring, recovery, queue deletion and the journal, as models a checker walks through state by
# state.

$(B)/.deps-model: images/images.mk | $(DEPS)
	@images/install-deps spin
	@mkdir -p $(@D)
	@touch $@

##@ Prove
.PHONY: model
model: | $(B)/.deps-model ## ring, sleep, recovery, queue deletion and the journal, whatever happens: every state, by SPIN (seconds)
	tests/model/run
