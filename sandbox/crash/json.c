/* SPDX-License-Identifier: MIT */
/* json.c - a bundle for programs. See crash_report.h. Room: sandbox/crash. */
#include <string.h>

#include "capture.h"
#include "crash.h"
#include "crash_report.h"

typedef unsigned long long ull;

static void put_registers(struct text *t, const struct rf_death *d)
{
	text_add(t, ",\n \"registers\":{");
	for (unsigned i = 0; i < RF_DEATH_REGS; i++)
		text_add(t, "%s\"%s\":\"%#llx\"", i ? "," : "", register_names[i], (ull)d->regs[i]);
	text_add(t, "},\n \"stack\":[");
	for (uint32_t i = 0; i < d->stack_words && i < RF_DEATH_STACK; i++)
		text_add(t, "%s\"%#llx\"", i ? "," : "", (ull)d->stack[i]);
	text_add(t, "]");
}

static void put_frames(struct text *t, const struct findings *f)
{
	uint64_t offset[CRASH_FRAMES];
	unsigned n = backtrace(f, offset);
	char symbol[96];

	text_add(t, ",\n \"backtrace\":[");
	for (unsigned i = 0; i < n; i++) {
		image_symbol(&f->image, offset[i], symbol, sizeof(symbol));
		text_add(t, "%s{\"image_offset\":\"%#llx\",\"symbol\":\"%s\"}", i ? "," : "",
			 (ull)offset[i], symbol);
	}
	text_add(t, "]");
}

static void put_rings(struct text *t, const struct rf_capture_service *a)
{
	text_add(t,
		 ",\n \"heartbeat\":%llu,\"requests_given\":%u,\"answers_given\":%u,\n "
		 "\"requests\":[",
		 (ull)a->heartbeat, a->req_tail, a->resp_tail);
	for (uint32_t i = tail_start(a->req_tail); i != a->req_tail; i++) {
		const struct rf_blk_req *r = &a->req[i % RF_CAPTURE_TAIL];

		text_add(t,
			 "%s{\"tag\":%u,\"generation\":%u,\"op\":\"%s\",\"flags\":%u,\"offset\":%"
			 "llu,"
			 "\"length\":%u}",
			 i == tail_start(a->req_tail) ? "" : ",", r->tag, r->generation,
			 request_name(r->op), r->flags, (ull)r->offset, r->length);
	}
	text_add(t, "],\n \"answers\":[");
	for (uint32_t i = tail_start(a->resp_tail); i != a->resp_tail; i++) {
		const struct rf_blk_resp *r = &a->resp[i % RF_CAPTURE_TAIL];

		text_add(t, "%s{\"tag\":%u,\"generation\":%u,\"status\":%d}",
			 i == tail_start(a->resp_tail) ? "" : ",", r->tag, r->generation,
			 r->status);
	}
	text_add(t, "],\n \"register_writes\":[");
	for (unsigned i = 0; i < RF_BLK_MMIO; i++)
		text_add(t, "%s{\"offset\":\"%#x\",\"value\":\"%#x\"}", i ? "," : "",
			 (unsigned)(a->mmio[i] >> 32), (unsigned)a->mmio[i]);
	text_add(t, "]");
}

static void put_frames_of(struct text *t, const char *what, const struct rf_net_frame *frame,
			  uint32_t tail)
{
	text_add(t, ",\n \"%s\":[", what);
	for (uint32_t i = tail_start(tail); i != tail; i++) {
		const struct rf_net_frame *r = &frame[i % RF_CAPTURE_TAIL];

		text_add(t, "%s{\"at\":%llu,\"length\":%u,\"flags\":%u,\"gso\":%u}",
			 i == tail_start(tail) ? "" : ",", (ull)r->at * RF_NET_UNIT, r->length,
			 r->flags, r->gso);
	}
	text_add(t, "]");
}

static void put_net(struct text *t, const struct rf_capture_net *a)
{
	text_add(t,
		 ",\n "
		 "\"heartbeat\":%llu,\"frames_given\":%u,\"frames_sent\":%u,\"frames_received\":%u",
		 (ull)a->heartbeat, a->tx_tail, a->tx_head, a->rx_tail);
	put_frames_of(t, "to_send", a->tx, a->tx_tail);
	put_frames_of(t, "received", a->rx, a->rx_tail);
}

static void json_put_device(struct text *t, const struct rf_death *d,
			    const struct rf_capture_device *a)
{
	text_add(t, ",\n \"device_registers\":[");
	for (uint32_t i = 0; i < a->count && i < RF_CAPTURE_REGS; i++)
		text_add(t, "%s{\"bar\":%u,\"offset\":\"%#x\",\"name\":\"%s\",\"value\":\"%#x\"}",
			 i ? "," : "", a->reg[i].bar, a->reg[i].offset,
			 device_register(d, a->reg[i].offset), a->reg[i].value);
	text_add(t, "]");
}

static void put_recovery(struct text *t, const struct findings *f)
{
	const struct rf_recovery_device *r = f->recovery;
	const struct rf_recovery_service *s = f->reissue;

	if (r)
		text_add(t, ",\n \"reset\":\"%s\",\"reset_us\":%llu,\"recovery_us\":%llu",
			 reset_name(r->method), (ull)(r->quiesced_ns - r->detect_ns) / 1000,
			 (ull)(r->enabled_ns - r->detect_ns) / 1000);
	if (s)
		text_add(t, ",\n \"inflight\":%u,\"answered_before\":%u,\"reissued\":%u",
			 s->inflight, s->drained, s->reissued);
}

void bundle_json(struct text *t, const struct findings *f)
{
	const struct rf_death *d = f->death;
	char id[48];
	int line = (int)strcspn(d->json, "\n");

	image_build_id(&f->image, id, sizeof(id));
	text_add(t,
		 "{\"ringfence\":\"%s\",\"seq\":%llu,\"device\":\"%s\",\"generation\":%u,"
		 "\"queue\":%u,"
		 "\"driver\":\"%"
		 "s\","
		 "\"build_id\":\"%s\",\"policy\":",
		 RF_VERSION, (ull)d->seq, d->device, d->generation, d->queue, d->driver, id);
	text_add_string(t, d->policy);
	text_add(t, ",\n \"cause\":\"%s\",\"words\":", d->why);
	text_add_string(t, d->words);
	text_add(t, ",\n \"death\":%.*s", line ? line : 4, line ? d->json : "null");
	put_registers(t, d);
	put_frames(t, f);
	if (f->service)
		put_rings(t, f->service);
	if (f->net)
		put_net(t, f->net);
	if (f->device)
		json_put_device(t, d, f->device);
	put_recovery(t, f);
	text_add(t, ",\n \"kernel_log\":[");
	for (unsigned i = 0; i < f->kernel_lines; i++) {
		text_add(t, "%s", i ? "," : "");
		text_add_string(t, f->kernel[i]);
	}
	text_add(t, "]}\n");
}
