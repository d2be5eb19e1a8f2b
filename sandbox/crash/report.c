/* SPDX-License-Identifier: MIT */
/* report.c - a bundle for people. See crash_report.h. Room: sandbox/crash. */
#include "capture.h"
#include "crash.h"
#include "crash_report.h"

static void report_frames(struct text *t, const struct findings *f)
{
	uint64_t offset[CRASH_FRAMES];
	unsigned n = backtrace(f, offset);
	char symbol[96];

	for (unsigned i = 0; i < n; i++) {
		image_symbol(&f->image, offset[i], symbol, sizeof(symbol));
		text_add(t, "  %s image+%#llx  %s\n", i ? "from" : "at  ",
			 (unsigned long long)offset[i], symbol);
	}
}

static void report_registers(struct text *t, const struct rf_death *d)
{
	text_add(t, "\nRegisters\n");
	for (unsigned i = 0; i < RF_DEATH_REGS; i++)
		text_add(t, "  %-8s %016llx%s", register_names[i], (unsigned long long)d->regs[i],
			 i % 3 == 2 ? "\n" : "");
}

static void report_rings(struct text *t, const struct rf_capture_service *a)
{
	text_add(t,
		 "\nIt had made %llu turns, was given %u requests and gave %u answers. The last "
		 "requests:\n",
		 (unsigned long long)a->heartbeat, a->req_tail, a->resp_tail);
	for (uint32_t i = tail_start(a->req_tail); i != a->req_tail; i++) {
		const struct rf_blk_req *r = &a->req[i % RF_CAPTURE_TAIL];

		text_add(t, "  %08x %-8s %10u bytes at %llu\n", r->tag, request_name(r->op),
			 r->length, (unsigned long long)r->offset);
	}
	text_add(t, "The last answers:\n");
	for (uint32_t i = tail_start(a->resp_tail); i != a->resp_tail; i++)
		text_add(t, "  %08x status %d\n", a->resp[i % RF_CAPTURE_TAIL].tag,
			 a->resp[i % RF_CAPTURE_TAIL].status);
	text_add(t, "Its last register writes, in no order (offset = value):\n ");
	for (unsigned i = 0; i < RF_BLK_MMIO; i++)
		text_add(t, " %#x=%#x", (unsigned)(a->mmio[i] >> 32), (unsigned)a->mmio[i]);
	text_add(t, "\n");
}

static void report_frames_of(struct text *t, const char *what, const struct rf_net_frame *frame,
			   uint32_t tail)
{
	text_add(t, "The last it %s:\n", what);
	for (uint32_t i = tail_start(tail); i != tail; i++)
		text_add(t, "  %5u bytes at arena+%#llx, flags %#x\n",
			 frame[i % RF_CAPTURE_TAIL].length,
			 (unsigned long long)frame[i % RF_CAPTURE_TAIL].at * RF_NET_UNIT,
			 frame[i % RF_CAPTURE_TAIL].flags);
}

static void report_net(struct text *t, const struct rf_capture_net *a)
{
	text_add(t,
		 "\nIt had made %llu turns, was given %u frames to send, said %u were sent, and "
		 "gave %u "
		 "frames.\n",
		 (unsigned long long)a->heartbeat, a->tx_tail, a->tx_head, a->rx_tail);
	report_frames_of(t, "was to send", a->tx, a->tx_tail);
	report_frames_of(t, "gave", a->rx, a->rx_tail);
}

static void report_device(struct text *t, const struct rf_death *d,
			  const struct rf_capture_device *a)
{
	text_add(t, "\nThe device's registers before the reset\n");
	for (uint32_t i = 0; i < a->count && i < RF_CAPTURE_REGS; i++)
		text_add(t, "  BAR%u+%#x %s = %#x\n", a->reg[i].bar, a->reg[i].offset,
			 device_register(d, a->reg[i].offset), a->reg[i].value);
}

void bundle_report(struct text *t, const struct findings *f)
{
	const struct rf_death *d = f->death;
	char id[48];

	image_build_id(&f->image, id, sizeof(id));
	text_add(t, "%s: driver %u %s\nCause: %s. Image %s, build %s, policy %s. ringfence %s. "
		    "Queue %u.\n",
		 d->device, d->generation, d->words, d->why, d->driver, id, d->policy, RF_VERSION,
		 d->queue);
	report_frames(t, f);
	report_registers(t, d);
	if (f->service)
		report_rings(t, f->service);
	if (f->net)
		report_net(t, f->net);
	if (f->device)
		report_device(t, d, f->device);
	if (f->recovery)
		text_add(t,
			 "\nReset: %s, quiet after %llu us, the next driver ran after %llu us.\n",
			 reset_name(f->recovery->method),
			 (unsigned long long)(f->recovery->quiesced_ns - f->recovery->detect_ns) /
				 1000,
			 (unsigned long long)(f->recovery->enabled_ns - f->recovery->detect_ns) /
				 1000);
	if (f->reissue)
		text_add(
			t,
			"%u requests in flight: %u answered before, %u given to the next driver.\n",
			f->reissue->inflight, f->reissue->drained, f->reissue->reissued);
	if (f->kernel_lines)
		text_add(t, "\nThe kernel said since the last bundle\n");
	for (unsigned i = 0; i < f->kernel_lines; i++)
		text_add(t, "  %s\n", f->kernel[i]);
}
