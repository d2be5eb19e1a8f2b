/* SPDX-License-Identifier: MIT */
/*
 * policyc.c - compiles system call lists into the filters that get embedded.
 *
 * Room:   policy/compile, a tool of the build host; nothing of it is shipped.
 * Usage:  policyc -o OUT.h LIST...    C header with one struct rf_filter a list
 *         policyc --learn -o ...      the same, but a call that is not listed asks the tracer
 *         policyc --count LIST...     "name N" a list: system calls it allows
 *         policyc --names             C header: names of the system calls by number
 * List:   one line a system call, the hottest first; '#' starts a comment.
 *             NAME [aN OP VALUE]... -- why it is needed
 *         OP is == != < <= > >=, or "& MASK ==". VALUE and MASK are numbers or names
 *         of constants.h, joined by '|'. All conditions of a line must hold; several
 *         lines of one system call are alternatives.
 * Filter: anything else kills the process, i386 and x32 entry included.
 * Errors: "FILE:LINE: what is wrong", exit code 2, no output left behind.
 */
#include <ctype.h>
#include <errno.h>
#include <linux/filter.h>
#include <seccomp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "constants.h"

#define MAX_RULES 256
#define MAX_ARGS  6
#define POLICYC_REFUSED 2 /* exit code: nothing was written */

struct rule {
	char                name[64];
	int                 nr;
	int                 line;
	unsigned            cond_count;
	struct scmp_arg_cmp cond[MAX_ARGS];
};

struct list {
	const char *path;
	char        name[64]; /* file name without .list */
	unsigned    rule_count;
	unsigned    syscalls; /* different ones */
	struct rule rules[MAX_RULES];
};

static const char *output; /* removed when anything goes wrong */
static uint32_t    otherwise = SCMP_ACT_KILL_PROCESS; /* what becomes of a call not listed */

_Noreturn static void fail(const char *path, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

_Noreturn static void fail(const char *path, int line, const char *fmt, ...)
{
	va_list args;

	if (line)
		fprintf(stderr, "%s:%d: ", path, line);
	else
		fprintf(stderr, "%s: ", path);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	if (output)
		unlink(output);
	exit(POLICYC_REFUSED);
}

/* ---- values ---------------------------------------------------------------- */

static bool value_one(const char *text, uint64_t *value)
{
	char *end;

	if (!isdigit((unsigned char)*text)) {
		for (size_t i = 0; i < sizeof(constants) / sizeof(constants[0]); i++) {
			if (!strcmp(constants[i].name, text)) {
				*value = constants[i].value;
				return true;
			}
		}
		return false;
	}
	errno = 0;
	*value = strtoull(text, &end, 0);
	return !errno && !*end;
}

/* NAME|NAME|0x10 */
static uint64_t value_parse(const struct list *l, int line, const char *text)
{
	char     copy[256], *save = NULL;
	uint64_t value = 0, one;

	if (strlen(text) >= sizeof(copy) || !*text || text[strlen(text) - 1] == '|')
		fail(l->path, line, "\"%s\" is not a value", text);
	strcpy(copy, text);
	for (char *p = strtok_r(copy, "|", &save); p; p = strtok_r(NULL, "|", &save)) {
		if (!value_one(p, &one))
			fail(l->path, line, "\"%s\" is neither a number nor a known constant", p);
		value |= one;
	}
	return value;
}

/* ---- one line -------------------------------------------------------------- */

static const struct {
	const char       *text;
	enum scmp_compare op;
} compare_ops[] = {
	{ "==", SCMP_CMP_EQ }, { "!=", SCMP_CMP_NE }, { "<", SCMP_CMP_LT },
	{ "<=", SCMP_CMP_LE }, { ">", SCMP_CMP_GT },  { ">=", SCMP_CMP_GE },
};

static enum scmp_compare op_parse(const struct list *l, int line, const char *text)
{
	for (size_t i = 0; i < sizeof(compare_ops) / sizeof(compare_ops[0]); i++)
		if (!strcmp(compare_ops[i].text, text))
			return compare_ops[i].op;
	fail(l->path, line, "\"%s\" is no operator (== != < <= > >=, or & MASK ==)", text);
}

static const char *word(const struct list *l, int line, char **save, const char *what)
{
	const char *w = strtok_r(NULL, " \t", save);

	if (!w)
		fail(l->path, line, "%s is missing", what);
	return w;
}

static void cond_parse(const struct list *l, struct rule *r, const char *key, char **save)
{
	struct scmp_arg_cmp *c = &r->cond[r->cond_count];
	const char          *op;

	if (key[0] != 'a' || key[1] < '0' || key[1] > '5' || key[2])
		fail(l->path, r->line, "unknown key \"%s\" (a0 to a5, or \"-- reason\")", key);
	for (unsigned i = 0; i < r->cond_count; i++)
		if (r->cond[i].arg == (unsigned)(key[1] - '0'))
			fail(l->path, r->line, "%s is compared twice in one line", key);
	c->arg = (unsigned)(key[1] - '0');
	op = word(l, r->line, save, "operator");
	if (!strcmp(op, "&")) {
		c->op = SCMP_CMP_MASKED_EQ;
		c->datum_a = value_parse(l, r->line, word(l, r->line, save, "mask"));
		if (strcmp(word(l, r->line, save, "\"==\""), "=="))
			fail(l->path, r->line, "a mask needs \"==\" after it");
		c->datum_b = value_parse(l, r->line, word(l, r->line, save, "value"));
		if (c->datum_b & ~c->datum_a)
			fail(l->path, r->line, "the value has bits outside the mask: never true");
	} else {
		c->op = op_parse(l, r->line, op);
		c->datum_a = value_parse(l, r->line, word(l, r->line, save, "value"));
	}
	/* The kernel reads 32 bits of an ioctl number, and a libc may sign-extend them. */
	if (c->op == SCMP_CMP_EQ && c->arg == 1 && !strcmp(r->name, "ioctl")) {
		c->op = SCMP_CMP_MASKED_EQ;
		c->datum_b = c->datum_a;
		c->datum_a = 0xffffffffu;
	}
	r->cond_count++;
}

/* The reason: what stands after the first "--" that is a word. Cut off. */
static void reason_check(const struct list *l, int line, char *text)
{
	char *p = text;

	while ((p = strstr(p, "--")) != NULL) {
		bool starts = p > text && isspace((unsigned char)p[-1]);
		bool ends = !p[2] || isspace((unsigned char)p[2]);

		if (starts && ends)
			break;
		p += 2;
	}
	if (!p)
		fail(l->path, line, "no reason: end the line with \" -- why it is needed\"");
	*p = 0;
	for (p += 2; isspace((unsigned char)*p); p++)
		;
	if (!*p)
		fail(l->path, line, "the reason after \"--\" is empty");
}

/* A second line of a system call must say something the others do not. */
static void alternatives_check(const struct list *l, const struct rule *r)
{
	for (unsigned i = 0; i < l->rule_count; i++) {
		const struct rule *o = &l->rules[i];

		if (o->nr != r->nr)
			continue;
		if (!o->cond_count || !r->cond_count ||
		    (o->cond_count == r->cond_count &&
		     !memcmp(o->cond, r->cond, sizeof(r->cond[0]) * r->cond_count)))
			fail(l->path, r->line, "%s: line %d makes one of the two needless", r->name,
			     o->line);
	}
}

static void line_parse(struct list *l, int line, char *text)
{
	struct rule *r = &l->rules[l->rule_count];
	char        *save = NULL;
	const char  *w;
	bool         seen = false;

	text[strcspn(text, "\r\n")] = 0;
	text += strspn(text, " \t");
	if (!*text || *text == '#')
		return;
	if (l->rule_count == MAX_RULES)
		fail(l->path, line, "more than %d lines", MAX_RULES);
	reason_check(l, line, text);
	memset(r, 0, sizeof(*r));
	r->line = line;
	w = strtok_r(text, " \t", &save);
	if (!w || strlen(w) >= sizeof(r->name))
		fail(l->path, line, "no system call before the reason");
	strcpy(r->name, w);
	r->nr = seccomp_syscall_resolve_name_arch(SCMP_ARCH_X86_64, r->name);
	if (r->nr < 0)
		fail(l->path, line, "unknown system call \"%s\"", r->name);
	while ((w = strtok_r(NULL, " \t", &save)) != NULL)
		cond_parse(l, r, w, &save);
	alternatives_check(l, r);
	for (unsigned i = 0; i < l->rule_count; i++)
		seen |= l->rules[i].nr == r->nr;
	l->syscalls += !seen;
	l->rule_count++;
}

static void list_read(struct list *l, const char *path)
{
	const char *base = strrchr(path, '/') ? strrchr(path, '/') + 1 : path;
	size_t      len = strlen(base);
	char        text[1024];
	FILE       *f;
	int         line = 0;

	memset(l, 0, sizeof(*l));
	l->path = path;
	if (len < 6 || len - 5 >= sizeof(l->name) || strcmp(base + len - 5, ".list"))
		fail(path, 0, "a system call list is named NAME.list");
	memcpy(l->name, base, len - 5);
	for (const char *p = l->name; *p; p++)
		if (!isalnum((unsigned char)*p) && *p != '-' && *p != '_')
			fail(path, 0, "a list's name has letters, digits, '-' and '_' only");
	f = fopen(path, "r");
	if (!f)
		fail(path, 0, "%s", strerror(errno));
	while (fgets(text, sizeof(text), f)) {
		line++;
		if (!strchr(text, '\n') && !feof(f))
			fail(path, line, "line longer than %zu bytes", sizeof(text) - 2);
		line_parse(l, line, text);
	}
	if (ferror(f))
		fail(path, 0, "%s", strerror(errno));
	fclose(f);
	if (!l->rule_count)
		fail(path, 0, "allows nothing: a process could not even exit");
}

/* ---- output ---------------------------------------------------------------- */

static scmp_filter_ctx list_compile(const struct list *l)
{
	scmp_filter_ctx ctx = seccomp_init(otherwise);
	uint8_t         priority = 255;

	if (!ctx || seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS) ||
	    (seccomp_arch_exist(ctx, SCMP_ARCH_X86_64) && seccomp_arch_add(ctx, SCMP_ARCH_X86_64)))
		fail(l->path, 0, "libseccomp does not work here");
	for (unsigned i = 0; i < l->rule_count; i++) {
		const struct rule *r = &l->rules[i];
		int rc = seccomp_rule_add_exact_array(ctx, SCMP_ACT_ALLOW, r->nr, r->cond_count,
						      r->cond);

		if (rc)
			fail(l->path, r->line, "libseccomp refuses this: %s", strerror(-rc));
		/* Hot ones first: a list is read from top to bottom by the kernel too. */
		seccomp_syscall_priority(ctx, r->nr, priority);
		if (priority > 1)
			priority--;
	}
	return ctx;
}

static void list_symbol(const struct list *l, char *symbol)
{
	strcpy(symbol, l->name);
	for (char *p = symbol; *p; p++)
		if (*p == '-')
			*p = '_';
}

/* Writes the array of one list; number of instructions. */
static unsigned list_write(const struct list *l, FILE *out)
{
	scmp_filter_ctx    ctx = list_compile(l);
	int                fd = memfd_create("bpf", MFD_CLOEXEC);
	struct sock_filter insn;
	unsigned           count = 0;
	char               symbol[64];

	if (fd < 0 || seccomp_export_bpf(ctx, fd) || lseek(fd, 0, SEEK_SET))
		fail(l->path, 0, "libseccomp could not write the filter");
	list_symbol(l, symbol);
	fprintf(out, "static const struct sock_filter rf_filter_code_%s[] = {\n", symbol);
	for (; read(fd, &insn, sizeof(insn)) == (ssize_t)sizeof(insn); count++)
		fprintf(out, "\t{ 0x%02x, %u, %u, 0x%08x },\n", insn.code, insn.jt, insn.jf,
			insn.k);
	fprintf(out, "};\n\n");
	close(fd);
	seccomp_release(ctx);
	return count;
}

static void header_write(FILE *out, int count, char **paths)
{
	static struct list l;
	char              *table = NULL;
	size_t             table_len = 0;
	FILE              *rows = open_memstream(&table, &table_len);

	fprintf(out, "/* Written by policyc out of policy/syscalls; do not edit. */\n"
		     "#ifndef RF_FILTERS_H\n#define RF_FILTERS_H\n\n"
		     "#include \"filter.h\"\n\n");
	for (int i = 0; i < count; i++) {
		char symbol[64];

		list_read(&l, paths[i]);
		list_symbol(&l, symbol);
		unsigned insns = list_write(&l, out);
		fprintf(rows, "\t{ \"%s\", %u, rf_filter_code_%s, %u },\n", l.name, insns, symbol,
			l.syscalls);
	}
	fclose(rows);
	/* One row of zeroes at the end keeps the table valid C without any list. */
	fprintf(out,
		"static const struct rf_filter rf_filters[] __attribute__((unused)) = {\n"
		"%s\t{ 0, 0, 0, 0 },\n};\n"
		"#define RF_FILTER_COUNT %du\n\n#endif\n",
		table, count);
	free(table);
}

/* Rows "NAME" by number, holes as 0. */
static void names_write(const char *symbol, uint32_t arch, int most)
{
	printf("static const char *const %s[] = {\n", symbol);
	for (int nr = 0; nr < most; nr++) {
		char *name = seccomp_syscall_resolve_num_arch(arch, nr);

		if (name)
			printf("\t[%d] = \"%s\",\n", nr, name);
		free(name);
	}
	printf("};\n");
}

int main(int argc, char **argv)
{
	static struct list l;
	char  *text = NULL;
	size_t len = 0;

	if (argc == 2 && !strcmp(argv[1], "--names")) {
		printf("/* Written by policyc; do not edit. */\n");
		names_write("names_x86_64", SCMP_ARCH_X86_64, 600);
		names_write("names_i386", SCMP_ARCH_X86, 600);
		return fflush(stdout) ? POLICYC_REFUSED : 0;
	}
	if (argc >= 2 && !strcmp(argv[1], "--learn")) {
		otherwise = SCMP_ACT_TRACE(1);
		argc--;
		argv++;
	}

	if (argc >= 2 && !strcmp(argv[1], "--count")) {
		for (int i = 2; i < argc; i++) {
			list_read(&l, argv[i]);
			seccomp_release(list_compile(&l));
			printf("%s %u\n", l.name, l.syscalls);
		}
		return fflush(stdout) ? POLICYC_REFUSED : 0;
	}
	if (argc < 3 || strcmp(argv[1], "-o")) {
		fprintf(stderr, "usage: policyc -o OUT.h LIST... | policyc --count LIST...\n");
		return POLICYC_REFUSED;
	}
	output = argv[2];
	FILE *mem = open_memstream(&text, &len);
	header_write(mem, argc - 3, argv + 3);
	fclose(mem);
	FILE *f = fopen(output, "w");
	if (!f || fwrite(text, 1, len, f) != len || fclose(f))
		fail(output, 0, "%s", strerror(errno));
	free(text);
	return 0;
}
