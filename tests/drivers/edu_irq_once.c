/* SPDX-License-Identifier: MIT */
/* edu_irq_once.c - edu_irq.c that never re-arms INTx: the control of its test.
 * Room: tests/drivers. */
#include "rt.h"
#define rf_unmask() ((void)0)
#include "edu_irq.c"
