/* SPDX-License-Identifier: MIT */
/*
 * evil_config.c - looks for its device's file descriptor, and by it changes the function's
 * configuration space or resets it: which of these, the place of a request says.
 *
 * Room:   tests/fault, hostile. Stopped by: no such descriptor in a driver.
 * Tells:  in queue memory, what the last attempt got.
 */
#include "evil.h"

#include "evil_ring.h"

#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <sys/syscall.h>

#define CONFIG (7l << 40) /* where VFIO has configuration space in a device's descriptor */
#define FDS    64

enum what { COMMAND = 1, POWER, BAR, RESET };

static long try(int fd, enum what what)
{
	static const uint16_t nothing = 0, sleep = 3;
	static const uint32_t elsewhere = 0xd0000000;
	static uint8_t space[256];
	long ret = evil_call(SYS_pread64, fd, EVIL_P(space), sizeof(space), CONFIG, 0, 0);

	if (what == RESET)
		return evil_call(SYS_ioctl, fd, VFIO_DEVICE_RESET, 0, 0, 0, 0);
	/* Memory has nothing there. */
	if (ret != sizeof(space))
		return ret < 0 ? ret : -22;
	if (what == COMMAND)
		return evil_call(SYS_pwrite64, fd, EVIL_P(&nothing), 2, CONFIG + PCI_COMMAND, 0, 0);
	if (what == BAR)
		return evil_call(SYS_pwrite64, fd, EVIL_P(&elsewhere), 4,
				 CONFIG + PCI_BASE_ADDRESS_0, 0, 0);
	for (uint8_t at = space[PCI_CAPABILITY_LIST]; at; at = space[at + 1])
		if (space[at] == PCI_CAP_ID_PM)
			return evil_call(SYS_pwrite64, fd, EVIL_P(&sleep), 2,
					 CONFIG + at + PCI_PM_CTRL, 0, 0);
	return -19;
}

_Noreturn void rf_driver_start(const struct rf_boot *boot)
{
	struct evil_ring r;

	evil_attach(&r, boot);
	for (;;) {
		struct rf_blk_req req = evil_take(&r);
		long ret = -9;

		for (int fd = 2; req.offset && fd < FDS && ret < 0; fd++)
			ret = try(fd, (enum what)(req.offset >> 12));
		if (req.offset) {
			evil_page(boot)->value = ret;
			evil_page(boot)->stage = ret < 0 ? EVIL_REFUSED : EVIL_THROUGH;
		}
		evil_answer(&r, &req);
	}
}
