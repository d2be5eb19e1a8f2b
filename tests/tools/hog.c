/* SPDX-License-Identifier: MIT */
/*
 * hog.c - uses more memory than there is, and looks whether it comes back from the swap as it
 * was.
 *
 *   hog MIB SEED STOP_FILE
 *
 * Room:   tests/tools. HANDS threads fill MIB of memory; it says "filled"; then they visit
 *         pages in any order: each must be what the last visit wrote, and is written anew.
 *         Once STOP_FILE is there they look at every page once more, and it prints its figures
 *         as JSON members. Exit 1: a page was not what it should be. If the kernel kills
 *         anybody for memory, it is this.
 */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#define PAGE  4096u
#define WORDS (PAGE / sizeof(uint64_t))
#define HANDS 4 /* each waits for the swap by itself: so many requests at a time */

/* What one thread has to itself. */
struct hand {
	pthread_t thread;
	uint64_t  first, pages, visits, bad;
};

static struct hand       hands[HANDS];
static uint64_t         *memory;
static uint8_t          *visit; /* of each page: how often it was written, modulo 256 */
static uint64_t          seed;
static const char       *stop_file;
static pthread_barrier_t filled;

/* splitmix64: every word of every page differs at every visit. */
static uint64_t mixed(uint64_t x)
{
	x += 0x9e3779b97f4a7c15;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
	return x ^ (x >> 31);
}

static uint64_t first_word(uint64_t page)
{
	return mixed(seed ^ page << 8 ^ visit[page]);
}

static void page_write(uint64_t page)
{
	uint64_t word = first_word(page);

	for (unsigned i = 0; i < WORDS; i++)
		memory[page * WORDS + i] = word + i;
}

static void page_look(struct hand *h, uint64_t page)
{
	uint64_t word = first_word(page);

	for (unsigned i = 0; i < WORDS; i++)
		if (memory[page * WORDS + i] != word + i) {
			fprintf(stderr, "hog: page %llu, word %u: %llx, not %llx\n",
				(unsigned long long)page, i,
				(unsigned long long)memory[page * WORDS + i],
				(unsigned long long)(word + i));
			h->bad++;
			return;
		}
}

static void *hand(void *arg)
{
	struct hand *h = arg;
	uint64_t end = h->first + h->pages;

	for (uint64_t page = h->first; page < end; page++)
		page_write(page);
	pthread_barrier_wait(&filled);
	while (access(stop_file, F_OK)) {
		for (unsigned i = 0; i < 64; i++, h->visits++) {
			uint64_t page = h->first + mixed(seed + h->first + h->visits) % h->pages;

			page_look(h, page);
			visit[page]++;
			page_write(page);
		}
	}
	for (uint64_t page = h->first; page < end; page++)
		page_look(h, page);
	return NULL;
}

static void kill_me_first(void)
{
	FILE *f = fopen("/proc/self/oom_score_adj", "w");

	if (!f || fputs("1000", f) < 0 || fclose(f))
		perror("hog: oom_score_adj");
}

static void start(uint64_t pages)
{
	pthread_barrier_init(&filled, NULL, HANDS + 1);
	for (unsigned i = 0; i < HANDS; i++) {
		hands[i].first = pages / HANDS * i;
		hands[i].pages = pages / HANDS;
		if (pthread_create(&hands[i].thread, NULL, hand, &hands[i])) {
			perror("hog: thread");
			exit(71);
		}
	}
	pthread_barrier_wait(&filled);
	puts("filled");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct rusage use;
	uint64_t visits = 0, bad = 0;

	if (argc != 4) {
		fprintf(stderr, "usage: hog MIB SEED STOP_FILE\n");
		return 64;
	}
	uint64_t pages = strtoull(argv[1], NULL, 0) * ((1u << 20) / PAGE);
	seed = strtoull(argv[2], NULL, 0);
	stop_file = argv[3];
	kill_me_first();
	memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	visit = calloc(pages, 1);
	if (memory == MAP_FAILED || !visit) {
		perror("hog");
		return 71;
	}
	start(pages);
	for (unsigned i = 0; i < HANDS; i++) {
		pthread_join(hands[i].thread, NULL);
		visits += hands[i].visits;
		bad += hands[i].bad;
	}
	getrusage(RUSAGE_SELF, &use);
	printf("\"pages\":%llu,\"visits\":%llu,\"from_swap\":%ld,\"bad\":%llu\n",
	       (unsigned long long)pages, (unsigned long long)visits, use.ru_majflt,
	       (unsigned long long)bad);
	return bad != 0;
}
