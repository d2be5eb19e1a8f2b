/* SPDX-License-Identifier: MIT */
/* lwip_words.c - reads the lines of a TCP/IP stack, see lwip_config.h. Room: sandbox/config. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lwip_config.h"
#include "read.h"

static bool parse_address(const char *word, struct rf_lwip_addr *out)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, word, out->bytes) == 1)
		*out = (struct rf_lwip_addr){ .family = 4, .bits = 32, .bytes = { out->bytes[0],
					      out->bytes[1], out->bytes[2], out->bytes[3] } };
	else if (inet_pton(AF_INET6, word, out->bytes) == 1)
		out->family = 6, out->bits = 128;
	return out->family;
}

/* ADDR/BITS, or ADDR alone: that one address. */
static bool parse_network(const char *word, struct rf_lwip_addr *out)
{
	char text[64];
	const char *slash = strchr(word, '/');
	uint64_t bits;

	if (strlen(word) >= sizeof(text))
		return false;
	strcpy(text, word);
	if (slash)
		text[slash - word] = '\0';
	if (!parse_address(text, out))
		return false;
	if (slash && (rf_parse_number(slash + 1, &bits) || bits > out->bits))
		return false;
	if (slash)
		out->bits = (uint8_t)bits;
	return true;
}

/* ADDR:PORT and so on; *: where one may listen, a name where one may connect. */
static bool parse_place(const char *word, struct rf_lwip_place *p, bool may_any, bool may_name)
{
	const char *colon = strrchr(word, ':');
	char host[108];
	uint64_t port;

	if (!colon || rf_parse_number(colon + 1, &port) || !port || port > 65535)
		return false;
	size_t n = (size_t)(colon - word);
	bool six = n > 2 && word[0] == '[' && word[n - 1] == ']';
	if (six)
		word++, n -= 2;
	if (!n || n >= sizeof(host))
		return false;
	memcpy(host, word, n);
	host[n] = '\0';
	p->port = (uint16_t)port;
	if (!six && !strcmp(host, "*"))
		return (p->any = may_any);
	if (parse_address(host, &p->address))
		return six == (p->address.family == 6);
	strcpy(p->name, host);
	return may_name && !six && !strpbrk(host, ":/[]");
}

/* A mistake that has a line of its own; 0: it has none. */
static int path_long(const struct rf_words *w)
{
	for (int i = 1; i < w->count; i++)
		if (!strncmp(w->word[i], "unix:", 5) &&
		    strlen(w->word[i] + 5) >= sizeof(((struct rf_lwip_place *)0)->name))
			return rf_words_error(
				w, "%s: the path of a UNIX socket has at most %zu characters",
				w->word[i], sizeof(((struct rf_lwip_place *)0)->name) - 1);
	return 0;
}

/* Takes one or two words from *at on: unix:PATH, tcp:PLACE, lwip-tcp PLACE. */
static bool parse_where(struct rf_words *w, int *at, struct rf_lwip_place *p, bool listens)
{
	const char *word = *at < w->count ? w->word[(*at)++] : "";

	if (!strncmp(word, "unix:/", 6)) {
		p->kind = RF_LWIP_UNIX;
		if (strlen(word + 5) >= sizeof(p->name))
			return false;
		strcpy(p->name, word + 5);
		return true;
	}
	if (!strncmp(word, "tcp:", 4)) {
		p->kind = RF_LWIP_TCP;
		return parse_place(word + 4, p, listens, false);
	}
	p->kind = RF_LWIP_STACK;
	return !strcmp(word, "lwip-tcp") && *at < w->count &&
	       parse_place(w->word[(*at)++], p, listens, !listens);
}

static int parse_rest(struct rf_words *w, int at, struct rf_lwip_service *s)
{
	uint64_t n;

	for (; at < w->count && strcmp(w->word[at], "allow"); at++) {
		if (s->job == RF_LWIP_DISK && !strcmp(w->word[at], "read-only")) {
			s->read_only = 1;
		} else if (s->job == RF_LWIP_DISK && !strcmp(w->word[at], "partition") &&
			   at + 1 < w->count && !rf_parse_number(w->word[at + 1], &n) && n &&
			   n <= 128) {
			s->partition = (uint8_t)n;
			at++;
		} else {
			return rf_words_error(w, "%s: '%s' is not understood", w->word[0],
					      w->word[at]);
		}
	}
	if (at + 1 == w->count || (at < w->count && s->listen.kind == RF_LWIP_UNIX))
		return rf_words_error(
			w, at + 1 == w->count ?
				   "allow takes networks such as 10.0.0.0/8" :
				   "a UNIX socket has no allow-list: its owner and mode decide");
	for (at++; at < w->count; at++) {
		if (s->allow_count == RF_LWIP_ALLOWS)
			return rf_words_error(w, "more than %d networks", RF_LWIP_ALLOWS);
		if (!parse_network(w->word[at], &s->allow[s->allow_count++]))
			return rf_words_error(w, "'%s' is not a network such as 10.0.0.0/8",
					      w->word[at]);
	}
	return 0;
}

static int lwip_words_add(struct rf_lwip_config *c, struct rf_words *w, enum rf_lwip_job job)
{
	static const char *const usage[] = {
		[RF_LWIP_FORWARD] =
			"forward FROM to WHERE [allow CIDR...]: one of them lwip-tcp PLACE, "
			"the other unix:/PATH or tcp:ADDR:PORT",
		[RF_LWIP_SOCKS] = "socks tcp:ADDR:PORT | unix:/PATH [allow CIDR...]",
		[RF_LWIP_STATUS] = "status lwip-tcp ADDR:PORT [allow CIDR...]",
		[RF_LWIP_DISK] =
			"disk DEVICE lwip-tcp ADDR:PORT [read-only] [partition N] [allow CIDR...]",
	};
	struct rf_lwip_service s = { .job = (uint8_t)job };
	int at = 1;
	bool good = true;

	if (c->count == RF_LWIP_SERVICES)
		return rf_words_error(w, "more than %d services of one stack", RF_LWIP_SERVICES);
	if (path_long(w))
		return -EINVAL;
	if (job == RF_LWIP_DISK) {
		good = w->count > 1 && strlen(w->word[1]) < sizeof(s.device);
		if (good)
			strcpy(s.device, w->word[at++]);
	}
	good = good && parse_where(w, &at, &s.listen, true);
	if (job == RF_LWIP_FORWARD)
		good = good && at < w->count && !strcmp(w->word[at++], "to") &&
		       parse_where(w, &at, &s.target, false) &&
		       (s.listen.kind == RF_LWIP_STACK) != (s.target.kind == RF_LWIP_STACK);
	else
		good = good && (s.listen.kind == RF_LWIP_STACK) == (job != RF_LWIP_SOCKS);
	if (!good)
		return rf_words_error(w, "write as '%s'", usage[job]);
	int err = parse_rest(w, at, &s);
	if (!err)
		c->service[c->count++] = s;
	return err;
}

static int lwip_words_address(struct rf_words *w, uint8_t *mode, uint8_t *bits, uint8_t *bytes,
			      uint8_t family, enum rf_lwip_mode by_itself, const char *itself)
{
	struct rf_lwip_addr a;

	if (w->count == 2 && !strcmp(w->word[1], itself)) {
		*mode = (uint8_t)by_itself;
	} else if (w->count == 2 && !strcmp(w->word[1], "none")) {
		*mode = RF_LWIP_OFF;
	} else if (w->count == 2 && strchr(w->word[1], '/') && parse_network(w->word[1], &a) &&
		   a.family == family) {
		*mode = RF_LWIP_STATIC;
		*bits = a.bits;
		memcpy(bytes, a.bytes, family == 4 ? 4 : 16);
	} else {
		return rf_words_error(w, "%s takes ADDRESS/BITS, %s or none", w->word[0], itself);
	}
	return 0;
}

static int dns(struct rf_lwip_config *c, struct rf_words *w)
{
	c->dns_count = 0;
	for (int i = 1; i < w->count; i++)
		if (i > 2 || !parse_address(w->word[i], &c->dns[c->dns_count++]))
			return rf_words_error(w, "dns takes one or two addresses");
	return w->count > 1 ? 0 : rf_words_error(w, "dns takes one or two addresses");
}

int rf_lwip_config_line(struct rf_lwip_config *c, struct rf_words *w)
{
	static const char *const jobs[] = { [RF_LWIP_FORWARD] = "forward",
					    [RF_LWIP_SOCKS] = "socks",
					    [RF_LWIP_STATUS] = "status",
					    [RF_LWIP_DISK] = "disk" };
	const char *key = w->word[0], *value = w->count == 2 ? w->word[1] : "";
	struct rf_lwip_addr a;

	for (int job = RF_LWIP_FORWARD; job <= RF_LWIP_DISK; job++)
		if (!strcmp(key, jobs[job]))
			return lwip_words_add(c, w, job);
	if (!strcmp(key, "address"))
		return lwip_words_address(w, &c->mode4, &c->bits4, c->address4, 4, RF_LWIP_DHCP,
					  "dhcp");
	if (!strcmp(key, "address6"))
		return lwip_words_address(w, &c->mode6, &c->bits6, c->address6, 6, RF_LWIP_AUTO,
					  "auto");
	if (!strcmp(key, "dns"))
		return dns(c, w);
	if (!strcmp(key, "gateway")) {
		if (!parse_address(value, &a) || a.family != 4)
			return rf_words_error(w, "gateway takes an IPv4 address");
		memcpy(c->gateway4, a.bytes, 4);
		return 0;
	}
	if (!strcmp(key, "hostname")) {
		if (!value[0] || strlen(value) >= sizeof(c->hostname))
			return rf_words_error(w,
					      "hostname takes one word of at most %zu characters",
					      sizeof(c->hostname) - 1);
		strcpy(c->hostname, value);
		return 0;
	}
	if (!strcmp(key, "trust-device-checksum")) {
		if (strcmp(value, "yes") && strcmp(value, "no"))
			return rf_words_error(w, "%s is yes or no", key);
		c->flags = value[0] == 'y' ? c->flags | RF_LWIP_TRUST_CHECKSUM :
					     c->flags & ~RF_LWIP_TRUST_CHECKSUM;
		return 0;
	}
	return -ENOENT;
}

void rf_lwip_config_init(struct rf_lwip_config *c)
{
	memset(c, 0, sizeof(*c));
	c->mode4 = RF_LWIP_DHCP;
}
