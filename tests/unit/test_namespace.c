/* SPDX-License-Identifier: MIT */
/*
 * test_namespace.c - the namespace that a configuration means: its word, and the one that a
 * controller has under that name.
 *
 * Room:   tests/unit. nvme_namespace.c asks a controller that is a table here.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "device.h"
#include "log.h"
#include "nvme_command.h"
#include "sandbox/proto/namespace.c"

/* ---- the word --------------------------------------------------------------------------- */

static void words_that_name_a_namespace(void **state)
{
	static const struct { const char *word; uint32_t kind, id, first, last; } words[] = {
		{ "", RF_NAMESPACE_FIRST, 0, 0, 0 },
		{ "1", RF_NAMESPACE_ID, 1, 0, 0 },
		{ "4294967293", RF_NAMESPACE_ID, 0xfffffffd, 0, 0 },
		{ "0025385a71b0a1c3", RF_NAMESPACE_EUI64, 0, 0x00, 0xc3 },
		{ "1234567890123456", RF_NAMESPACE_EUI64, 0, 0x12, 0x56 },
		{ "eui.a025385a71b0a1cF", RF_NAMESPACE_EUI64, 0, 0xa0, 0xcf },
		{ "0123456789ABCDEF0123456789abcdef", RF_NAMESPACE_NGUID, 0, 0x01, 0xef },
		{ "eui.f123456789abcdef0123456789abcde0", RF_NAMESPACE_NGUID, 0, 0xf1, 0xe0 },
		{ "11111111-2222-3333-4444-555555555556", RF_NAMESPACE_UUID, 0, 0x11, 0x56 },
		{ "uuid.91111111-2222-3333-4444-555555555556", RF_NAMESPACE_UUID, 0, 0x91, 0x56 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct rf_namespace n;
		unsigned bytes = words[i].kind == RF_NAMESPACE_EUI64 ? 8 : 16;

		if (rf_namespace_parse(words[i].word, &n))
			fail_msg("%s: not taken", words[i].word);
		assert_int_equal(n.kind, words[i].kind);
		assert_int_equal(n.id, words[i].id);
		assert_int_equal(n.name[0], words[i].first);
		assert_int_equal(n.name[bytes - 1], words[i].last);
	}
}

static void words_that_name_none(void **state)
{
	static const char *const words[] = {
		"0", "4294967294", "4294967295", "4294967296", "12345678901", "-1", "1 ", "0x1",
		"one",
		"0025385a71b0a1c", "0025385a71b0a1c33", "0025385a71b0a1cg", "eui.1", "uuid.1",
		"0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcdef0",
		"11111111-2222-3333-4444-55555555555", "1111111-12222-3333-4444-555555555555",
		"11111111222233334444-555555555555", "eui.11111111-2222-3333-4444-555555555555",
		"uuid.0123456789abcdef0123456789abcdef", "nguid.0123456789abcdef0123456789abcdef",
		".", "eui.", "uuid.", "-",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct rf_namespace n;
		if (!rf_namespace_parse(words[i], &n))
			fail_msg("%s: taken as kind %u", words[i], n.kind);
	}
}

/* ---- the controller ---------------------------------------------------------------------- */

static char said[1024];
static _Alignas(RF_PAGE) char admin_pages[RF_ADMIN_BYTES];
struct nvme_admin nvme;
static uint32_t version;

static struct space {
	uint32_t id;
	const char *uuid, *nguid, *eui64; /* 16, 16 and 8 bytes; NULL: none */
	bool     descriptors;             /* they stand there, and not in Identify Namespace */
} spaces[4];
static uint32_t active[RF_PAGE / 4];
static struct nvme_id_ns one; /* what Identify Namespace says, besides the names */

void rf_log(const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(said, sizeof(said), format, ap);
	va_end(ap);
}

uint32_t nvme_reg32(struct rf_device *d, uint32_t at)
{
	(void)d;
	assert_int_equal(at, NVME_REG_VS);
	return version;
}

int nvme_failed(struct rf_device *d, const char *what, int status)
{
	rf_log("%s: %s failed", d->label, what);
	return status < 0 ? status : -EIO;
}

static char *described(char *to, uint8_t type, const char *name, uint8_t bytes)
{
	if (!name)
		return to;
	to[0] = (char)type;
	to[1] = (char)bytes;
	memcpy(to + 4, name, bytes);
	return to + 4 + bytes;
}

static int identify_space(const struct space *s, uint32_t cns, char *page)
{
	struct nvme_id_ns *ns = (void *)page;

	if (cns == NVME_CNS_NAMES) {
		if (s->descriptors) {
			page = described(page, NVME_NIDT_EUI64, s->eui64, 8);
			page = described(page, NVME_NIDT_NGUID, s->nguid, 16);
			described(page, NVME_NIDT_UUID, s->uuid, 16);
		}
		return 0;
	}
	*ns = one;
	if (s->nguid && !s->descriptors)
		memcpy(ns->nguid, s->nguid, 16);
	if (s->eui64 && !s->descriptors)
		memcpy(ns->eui64, s->eui64, 8);
	return 0;
}

int nvme_admin(struct rf_device *d, struct nvme_sqe *cmd, uint32_t *dw0)
{
	char *page = admin_pages + PAGE_IDENTIFY * RF_PAGE;

	(void)d, (void)dw0;
	memset(page, 0, RF_PAGE);
	if (cmd->cdw10 == NVME_CNS_ACTIVE_NS) {
		uint32_t *to = (void *)page;
		for (uint32_t i = 0; i < RF_PAGE / 4 && active[i]; i++)
			if (active[i] > cmd->nsid || version == 0) /* 0: one that repeats itself */
				*to++ = active[i];
		return 0;
	}
	for (unsigned i = 0; i < 4; i++)
		if (spaces[i].id == cmd->nsid)
			return identify_space(&spaces[i], cmd->cdw10, page);
	return cmd->nsid > 100 ? 0 : (int)NVME_SC_INVALID_NAMESPACE;
}

#include "sandbox/device/admin/nvme_namespace.c"

#define UUID  "\x11\x11\x11\x11\x22\x22\x33\x33\x44\x44\x55\x55\x55\x55\x55\x56"
#define NGUID "\x01\x23\x45\x67\x89\xab\xcd\xef\x01\x23\x45\x67\x89\xab\xcd\xef"
#define EUI64 "\x00\x25\x38\x5a\x71\xb0\xa1\xc3"

static struct rf_device *device(const char *word)
{
	static struct rf_device d;

	d = (struct rf_device){ .label = "it", .admin = admin_pages };
	assert_int_equal(rf_namespace_parse(word, &d.cfg.name_space), 0);
	memset(spaces, 0, sizeof(spaces));
	memset(active, 0, sizeof(active));
	spaces[0] = (struct space){ .id = 1, .uuid = UUID, .descriptors = true };
	spaces[1] = (struct space){ .id = 4, .nguid = NGUID, .descriptors = true };
	spaces[2] = (struct space){ .id = 9, .eui64 = EUI64 };
	for (unsigned i = 0; i < 3; i++)
		active[i] = spaces[i].id;
	one = (struct nvme_id_ns){ .nsze = 1000, .ncap = 1000, .lbaf[0].lbads = 9 };
	version = NVME_VS(1, 4);
	nvme = (struct nvme_admin){ .nsid = 77 };
	said[0] = '\0';
	return &d;
}

static void assert_said(const char *what)
{
	if (!strstr(said, what))
		fail_msg("wanted \"%s\" in: %s", what, said);
}

static void found_by_each_kind_of_name(void **state)
{
	static const struct { const char *word; uint32_t id; } cases[] = {
		{ "", 1 }, { "9", 9 }, { "11111111-2222-3333-4444-555555555556", 1 },
		{ "0123456789abcdef0123456789abcdef", 4 }, { "0025385a71b0a1c3", 9 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(nvme_namespace_find(device(cases[i].word)), 0);
		assert_int_equal(nvme.nsid, cases[i].id);
	}
	/* Before 1.3 there are no descriptors. */
	struct rf_device *d = device("0025385a71b0a1c3");
	version = NVME_VS(1, 2);
	assert_int_equal(nvme_namespace_find(d), 0);
	d = device("11111111-2222-3333-4444-555555555556");
	version = NVME_VS(1, 2);
	assert_int_equal(nvme_namespace_find(d), -EINVAL);
}

static void none_or_two_are_refused(void **state)
{
	struct rf_device *d = device("11111111-2222-3333-4444-000000000000");

	(void)state;
	assert_int_equal(nvme_namespace_find(d), -EINVAL);
	assert_said("no namespace of this controller has UUID "
		    "11111111-2222-3333-4444-000000000000");
	d = device("0025385a71b0a1c3");
	spaces[1].eui64 = EUI64;
	assert_int_equal(nvme_namespace_find(d), -EINVAL);
	assert_said("namespaces 4 and 9 both have EUI-64 0025385a71b0a1c3");
}

/* Two pages of ids, and the right one behind them; a list that begins anew is none. */
static void a_long_list_and_one_that_does_not_end(void **state)
{
	struct rf_device *d = device("0025385a71b0a1c3");

	(void)state;
	spaces[2].id = 5000;
	for (uint32_t i = 0; i < RF_PAGE / 4; i++)
		active[i] = 101 + i;
	assert_int_equal(nvme_namespace_find(d), -EINVAL);
	active[RF_PAGE / 4 - 1] = 5000;
	assert_int_equal(nvme_namespace_find(d), 0);
	assert_int_equal(nvme.nsid, 5000);
	version = 0;
	d = device("0123456789abcdef0123456789abcdef");
	version = 0;
	for (uint32_t i = 0; i < RF_PAGE / 4; i++)
		active[i] = 101 + i;
	assert_int_equal(nvme_namespace_find(d), -EPROTO);
	assert_said("its list of namespaces is none");
	d = device("0123456789abcdef0123456789abcdef");
	active[1] = 1;
	version = 0;
	assert_int_equal(nvme_namespace_find(d), -EPROTO);
}

static void what_has_changed_is_found(void **state)
{
	static const char *const said_of[] = { "not there any more", "name has changed",
					       "was formatted", "was formatted", "was formatted",
					       "another size" };

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		struct rf_device *d = device("");
		nvme_namespace_note(&one);
		nvme.nsid = 1;
		assert_int_equal(nvme_namespace_same(d), 0);
		one.nuse = 7; /* is no matter */
		assert_int_equal(nvme_namespace_same(d), 0);
		if (i == 0)
			one.nsze = one.ncap = 0;
		one.eui64[3] = i == 1;
		one.flbas = i == 2;
		if (i == 3)
			one.lbaf[0].lbads = 12;
		one.dps = i == 4;
		one.nsze += i == 5;
		assert_int_equal(nvme_namespace_same(d), -ESTALE);
		assert_said(said_of[i]);
		assert_said("nothing more is written to it");
	}
	struct rf_device *d = device("");
	nvme_namespace_note(&one);
	nvme.nsid = 50;
	assert_int_equal(nvme_namespace_same(d), -ESTALE);
	assert_said("not there any more");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_that_name_a_namespace),
		cmocka_unit_test(words_that_name_none),
		cmocka_unit_test(found_by_each_kind_of_name),
		cmocka_unit_test(none_or_two_are_refused),
		cmocka_unit_test(a_long_list_and_one_that_does_not_end),
		cmocka_unit_test(what_has_changed_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
