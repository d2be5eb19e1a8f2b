# Drivers that hang, devices that do not answer, processes of every kind that die: natively.

##@ Test
.PHONY: check-recovery
check-recovery: ## hangs and stalls are found in time, honest drivers left alone, dead processes of
check-recovery: ## every kind replaced, many devices served, and devices added and removed (8 min)
check-recovery: all $(MODELS) $(HOSTILE) $(B)/tests/model_ctl $(B)/tests/at_step $(B)/tests/promise
	@tests/recovery/run $(TESTS)
	@$(if $(TESTS),,tests/recovery/words)
	@$(if $(TESTS),,tests/recovery/kill-sets --rounds 100 --ends 10)
	@$(if $(TESTS),,tests/recovery/promises)
	@$(if $(TESTS),,tests/recovery/losses)
	@$(if $(TESTS),,tests/recovery/integrity)
	@$(if $(TESTS),,tests/recovery/many-devices 64)
	@$(if $(TESTS),,tests/recovery/reload)
check-needs: $(MODELS) $(HOSTILE) $(B)/tests/model_ctl $(B)/tests/at_step $(B)/tests/promise
.PHONY: power-cut
power-cut: ## what CUTS= (1000) power cuts leave of a disk whose driver and export are killed
power-cut: ## meanwhile, SEED= (1); INTEGRITY=1: with integrity disk
power-cut: all $(MODELS) $(B)/tests/promise $(B)/tests/model_ctl
	@CUTS=$(or $(CUTS),1000) SEED=$(or $(SEED),1) INTEGRITY=$(INTEGRITY) \
		tests/recovery/promises power_cut_json
.PHONY: kill-every
kill-every: ## each kind of process killed KILLS=1000 times under a verifying client (30 min)
kill-every: all $(MODELS)
	@tests/recovery/kill-every --result --kills $(or $(KILLS),1000) --seed $(or $(SEED),1) \
		$(KINDS)
.PHONY: kill-sets
kill-sets: ## random sets of processes given signals at once, ROUNDS=1000 times, SEED=; each time
kill-sets: ## all is served again unasked (10 min)
kill-sets: all $(MODELS)
	@tests/recovery/kill-sets --result --rounds $(or $(ROUNDS),1000) \
		$(if $(SEED),--seed $(SEED))
.PHONY: kill-steps
kill-steps: ## during a recovery, a second process killed at each system call of it (5 min)
kill-steps: all $(MODELS) $(B)/tests/at_step
	@tests/recovery/kill-steps all
.PHONY: swap swap-control
swap: ## KILLS=50 drivers killed while memory is exhausted and the swap lies on their disk, SEED=1,
swap: ## in a guest (5 min)
swap: all check-programs
	@tests/recovery/swap $(or $(KILLS),50) $(or $(SEED),1)
swap-control: ## the same without what that needs, until a guest stands still (4 to 20 min)
swap-control: all check-programs
	@tests/recovery/swap control
