/* SPDX-License-Identifier: MIT */
/*
 * count.c - TCG plugin: executed instructions by virtual CPU, user and kernel apart.
 *
 * Runs inside QEMU on the build host; no part of the product.
 *
 *   -plugin build/tests/count.so,out=FILE[,blocks=on][,yield=on]
 *
 * When the guest executes a mark (mark.h) it appends one JSON line to FILE with every
 * CPU's counters up to, and without, that mark; and a last one, id -1, when QEMU ends:
 *   {"seq":0,"id":49,"vcpu":1,"user":[U0,U1],"kernel":[K0,K1],"pauses":[[[N,TIMES],...],...]}
 * The last member is for loops that poll: by CPU, how often N user instructions lay
 * between one `pause` of user code and the next (N below MAX_GAP only). With blocks=on
 * there is one more, for those who want to know where instructions went: what was run of
 * user code since the last line, "blocks":[[CPU,ADDRESS,INSTRUCTIONS,TIMES],...]. With
 * yield=on a `pause` of user code lets other host threads run: where there are more CPUs
 * than the host has, one that spins would else keep the one it waits for from working.
 *
 * What is exact: instructions of the CPU that executes the mark. The other CPUs run on
 * meanwhile; their counters are at most one translation block old. A block cut short by
 * a fault is counted whole, once a fault. A repeated string instruction counts once a
 * step, which is why the guest is booted without erms. A halted CPU counts nothing.
 *
 * Debian's QEMUs ship no qemu-plugin.h: what follows declares the part used here, as QEMU's
 * documentation gives it for plugin API version 1 (QEMU 7.2) and version 7 (11.1), which
 * refuse each other's plugins. -DAPI=7 makes the newer one; tests/bench/counter knows which
 * one a QEMU takes.
 */
#include <inttypes.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <pthread.h>
#include <sched.h>

#ifndef API
#define API 1
#endif

typedef uint64_t qemu_plugin_id_t;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef struct {
	const char *target_name;
	struct {
		int min, cur;
	} version;
	bool system_emulation;
	struct {
		int smp_vcpus, max_vcpus;
	} system;
} qemu_info_t;
enum qemu_plugin_cb_flags { QEMU_PLUGIN_CB_NO_REGS };

typedef void (*vcpu_cb)(unsigned vcpu, void *userdata);
#if API >= 7
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*cb)(struct qemu_plugin_tb *, void *),
					   void *userdata);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(void *), void *userdata);
size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *insn, void *to, size_t bytes);
#else
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
					   void (*cb)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*cb)(qemu_plugin_id_t, void *),
				    void *userdata);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
#endif
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *tb, vcpu_cb cb,
					  enum qemu_plugin_cb_flags flags, void *userdata);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn, vcpu_cb cb,
					    enum qemu_plugin_cb_flags flags, void *userdata);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
uint64_t qemu_plugin_tb_vaddr(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);

#define EXPORT __attribute__((visibility("default")))
EXPORT extern int qemu_plugin_version;
EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv);
int qemu_plugin_version = API;

#define MAX_CPUS 64
#define MAX_GAP  4096
#define BUCKETS  65536u
#define MARK_BYTES 8u

/* One writer each: the thread of that CPU. Relaxed atomics for the readers' sake. */
static struct counter {
	_Alignas(64) _Atomic uint64_t by_mode[2]; /* user, kernel */
	uint64_t         last_pause;              /* by_mode[0] at it */
	_Atomic uint64_t gaps[MAX_GAP];
} counters[MAX_CPUS];

struct mark {
	int      id;
	unsigned mode;
	unsigned rest; /* instructions of the block from the mark on: counted already */
};

/* A block of user code: never freed, since translated code may be run as long as QEMU lives.
 * One that is translated again is the same one. */
static struct block {
	struct block *next;
	uint64_t      at;
	size_t        n;
	struct {
		_Atomic uint64_t times;
		uint64_t         told;
	} by_cpu[];
} *blocks[BUCKETS];

static int cpus;
static bool with_blocks, with_yield;
static FILE *out;
static pthread_mutex_t out_lock = PTHREAD_MUTEX_INITIALIZER;

/* The block's length and mode travel in the pointer: no memory to chase. */
static void block_run(unsigned vcpu, void *userdata)
{
	uintptr_t word = (uintptr_t)userdata;
	_Atomic uint64_t *c = &counters[vcpu].by_mode[word & 1];

	atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + (word >> 1),
			      memory_order_relaxed);
}

static void print_counters(const char *name, unsigned mode, unsigned vcpu, const struct mark *mark)
{
	fprintf(out, ",\"%s\":[", name);
	for (int i = 0; i < cpus; i++) {
		uint64_t n = atomic_load_explicit(&counters[i].by_mode[mode], memory_order_relaxed);

		if (mark && (unsigned)i == vcpu && mark->mode == mode)
			n -= mark->rest;
		fprintf(out, "%s%" PRIu64, i ? "," : "", n);
	}
	fputc(']', out);
}

static void print_gaps(void)
{
	fputs(",\"pauses\":[", out);
	for (int i = 0; i < cpus; i++) {
		const char *comma = "";

		fputs(i ? ",[" : "[", out);
		for (int n = 0; n < MAX_GAP; n++) {
			uint64_t times =
				atomic_load_explicit(&counters[i].gaps[n], memory_order_relaxed);

			if (!times)
				continue;
			fprintf(out, "%s[%d,%" PRIu64 "]", comma, n, times);
			comma = ",";
		}
		fputc(']', out);
	}
	fputc(']', out);
}

static void print_blocks(void)
{
	const char *comma = "";

	fputs(",\"blocks\":[", out);
	for (size_t i = 0; i < BUCKETS; i++)
		for (struct block *b = blocks[i]; b; b = b->next)
			for (int cpu = 0; cpu < cpus; cpu++) {
				uint64_t times = atomic_load_explicit(&b->by_cpu[cpu].times,
								      memory_order_relaxed);

				if (times == b->by_cpu[cpu].told)
					continue;
				fprintf(out, "%s[%d,%" PRIu64 ",%zu,%" PRIu64 "]", comma, cpu,
					b->at, b->n, times - b->by_cpu[cpu].told);
				b->by_cpu[cpu].told = times;
				comma = ",";
			}
	fputc(']', out);
}

static void snapshot(unsigned vcpu, const struct mark *mark)
{
	static unsigned seq;

	pthread_mutex_lock(&out_lock);
	fprintf(out, "{\"seq\":%u,\"id\":%d,\"vcpu\":%u", seq++, mark ? mark->id : -1, vcpu);
	print_counters("user", 0, vcpu, mark);
	print_counters("kernel", 1, vcpu, mark);
	print_gaps();
	if (with_blocks)
		print_blocks();
	fputs("}\n", out);
	fflush(out);
	pthread_mutex_unlock(&out_lock);
}

static void mark_run(unsigned vcpu, void *userdata)
{
	snapshot(vcpu, userdata);
}

/* The block was counted when it began: what comes after the pause is taken off again. */
static void pause_run(unsigned vcpu, void *userdata)
{
	struct counter *c = &counters[vcpu];
	uint64_t now =
		atomic_load_explicit(&c->by_mode[0], memory_order_relaxed) - (uintptr_t)userdata;
	uint64_t gap = now - c->last_pause;

	c->last_pause = now;
	if (gap < MAX_GAP)
		atomic_fetch_add_explicit(&c->gaps[gap], 1, memory_order_relaxed);
	if (with_yield)
		sched_yield();
}

/* The instruction's first bytes, zeroes behind a shorter one. Its length. */
static size_t bytes_of(const struct qemu_plugin_insn *insn, uint8_t b[MARK_BYTES])
{
	size_t n = qemu_plugin_insn_size(insn), most = n < MARK_BYTES ? n : MARK_BYTES;

	memset(b, 0, MARK_BYTES);
#if API >= 7
	qemu_plugin_insn_data(insn, b, most);
#else
	memcpy(b, qemu_plugin_insn_data(insn), most);
#endif
	return n;
}

static bool is_pause(const struct qemu_plugin_insn *insn)
{
	uint8_t b[MARK_BYTES];

	return bytes_of(insn, b) == 2 && !memcmp(b, "\xf3\x90", 2);
}

/* Returns the mark's id, or -1 if the instruction is none. See mark.h. */
static int mark_id(const struct qemu_plugin_insn *insn)
{
	uint8_t b[MARK_BYTES];

	if (bytes_of(insn, b) != MARK_BYTES || memcmp(b, "\x0f\x1f\x84\x00", 4) ||
	    memcmp(b + 5, "MFR", 3))
		return -1;
	return b[4];
}

static void block_times(unsigned vcpu, void *userdata)
{
	struct block *b = userdata;
	_Atomic uint64_t *times = &b->by_cpu[vcpu].times;

	atomic_store_explicit(times, atomic_load_explicit(times, memory_order_relaxed) + 1,
			      memory_order_relaxed);
}

static struct block *block_of(uint64_t at, size_t n)
{
	struct block **list = &blocks[(at ^ at >> 16) % BUCKETS], *b;

	pthread_mutex_lock(&out_lock);
	for (b = *list; b && (b->at != at || b->n != n); b = b->next)
		;
	if (!b) {
		b = calloc(1, sizeof(*b) + (size_t)cpus * sizeof(b->by_cpu[0]));
		if (!b)
			abort();
		b->at = at;
		b->n = n;
		b->next = *list;
		*list = b;
	}
	pthread_mutex_unlock(&out_lock);
	return b;
}

static void block_translated(struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb);
	unsigned mode = qemu_plugin_tb_vaddr(tb) >> 63;

	if (with_blocks && !mode)
		qemu_plugin_register_vcpu_tb_exec_cb(tb, block_times, QEMU_PLUGIN_CB_NO_REGS,
						     block_of(qemu_plugin_tb_vaddr(tb), n));
	qemu_plugin_register_vcpu_tb_exec_cb(tb, block_run, QEMU_PLUGIN_CB_NO_REGS,
					     (void *)(n << 1 | mode));
	for (size_t i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		int which = mark_id(insn);
		struct mark *mark;

		if (!mode && is_pause(insn))
			qemu_plugin_register_vcpu_insn_exec_cb(insn, pause_run,
							       QEMU_PLUGIN_CB_NO_REGS,
							       (void *)(n - i - 1));
		if (which < 0)
			continue;
		mark = malloc(sizeof(*mark)); /* never freed, as blocks are not */
		if (!mark)
			abort();
		*mark = (struct mark){ which, mode, (unsigned)(n - i) };
		qemu_plugin_register_vcpu_insn_exec_cb(insn, mark_run, QEMU_PLUGIN_CB_NO_REGS,
						       mark);
	}
}

static void end(void)
{
	snapshot(0, NULL);
	fclose(out);
}

#if API >= 7
static void on_block(struct qemu_plugin_tb *tb, void *userdata)
{
	(void)userdata;
	block_translated(tb);
}

static void at_exit(void *userdata)
{
	(void)userdata;
	end();
}

static void listen_to(qemu_plugin_id_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_block, NULL);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
}
#else
static void on_block(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	(void)id;
	block_translated(tb);
}

static void at_exit(qemu_plugin_id_t id, void *userdata)
{
	(void)id, (void)userdata;
	end();
}

static void listen_to(qemu_plugin_id_t id)
{
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_block);
	qemu_plugin_register_atexit_cb(id, at_exit, NULL);
}
#endif

int qemu_plugin_install(qemu_plugin_id_t id, const qemu_info_t *info, int argc, char **argv)
{
	const char *path = NULL;

	for (int i = 0; i < argc; i++) {
		if (!strncmp(argv[i], "out=", 4))
			path = argv[i] + 4;
		with_blocks |= !strcmp(argv[i], "blocks=on");
		with_yield |= !strcmp(argv[i], "yield=on");
	}
	if (!path || !info->system_emulation || info->system.max_vcpus > MAX_CPUS) {
		fprintf(stderr, "count: needs out=FILE and a system of at most %d CPUs\n",
			MAX_CPUS);
		return -1;
	}
	cpus = info->system.max_vcpus;
	out = fopen(path, "w");
	if (!out) {
		perror(path);
		return -1;
	}
	listen_to(id);
	return 0;
}
