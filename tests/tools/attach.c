/* SPDX-License-Identifier: MIT */
/*
 * attach.c - gives an NBD server's disk to the kernel's client, and a new connection whenever
 * the old one breaks, so that whoever uses the block device only waits.
 *
 *   attach SOCKET NUMBER SECONDS      /dev/nbdNUMBER; SECONDS: what requests wait at most
 *
 * Room:   tests/tools. Says "attached" and then "again N" for every connection, until it is
 *         killed. Netlink as of linux/nbd-netlink.h: the old ioctls fail what is in flight
 *         when a connection breaks.
 */
#include <endian.h>
#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <linux/genetlink.h>
#include <linux/nbd-netlink.h>
#include <linux/netlink.h>

static _Noreturn void fail(const char *what)
{
	fprintf(stderr, "attach: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* ---- netlink --------------------------------------------------------------------- */

struct message {
	struct nlmsghdr   head;
	struct genlmsghdr generic;
	unsigned char     attributes[512];
};

static struct nlattr *put(struct message *m, uint16_t type, const void *data, size_t bytes)
{
	struct nlattr *a = (void *)((char *)m + NLMSG_ALIGN(m->head.nlmsg_len));

	*a = (struct nlattr){ .nla_len = (uint16_t)(NLA_HDRLEN + bytes), .nla_type = type };
	if (bytes)
		memcpy((char *)a + NLA_HDRLEN, data, bytes);
	m->head.nlmsg_len = NLMSG_ALIGN(m->head.nlmsg_len) + (uint32_t)NLA_ALIGN(a->nla_len);
	return a;
}

static void put_number(struct message *m, uint16_t type, uint64_t value, size_t bytes)
{
	put(m, type, &value, bytes);
}

static struct message message(uint16_t family, uint8_t command)
{
	return (struct message){
		.head = { .nlmsg_len = NLMSG_LENGTH(GENL_HDRLEN), .nlmsg_type = family,
			  .nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK },
		.generic = { .cmd = command, .version = 1 },
	};
}

/* 0 or -errno. `family`: where to store the number of the family an answer tells of. */
static int talk(int nl, struct message *m, uint16_t *family)
{
	static union { struct message m; char bytes[8192]; } in;

	if (send(nl, m, m->head.nlmsg_len, 0) < 0)
		fail("netlink");
	for (;;) {
		if (recv(nl, &in, sizeof(in), 0) < 0)
			fail("netlink");
		if (in.m.head.nlmsg_type == NLMSG_ERROR)
			return ((struct nlmsgerr *)NLMSG_DATA(&in.m.head))->error;
		struct nlattr *a = (void *)in.m.attributes;
		for (; family && (char *)a < in.bytes + in.m.head.nlmsg_len &&
		       a->nla_len >= NLA_HDRLEN;
		     a = (void *)((char *)a + NLA_ALIGN(a->nla_len)))
			if (a->nla_type == CTRL_ATTR_FAMILY_ID)
				memcpy(family, (char *)a + NLA_HDRLEN, sizeof(*family));
	}
}

static uint16_t nbd_family(int nl)
{
	struct message m = message(GENL_ID_CTRL, CTRL_CMD_GETFAMILY);
	uint16_t family = 0;

	put(&m, CTRL_ATTR_FAMILY_NAME, NBD_GENL_FAMILY_NAME, sizeof(NBD_GENL_FAMILY_NAME));
	if ((errno = -talk(nl, &m, &family)) || !family)
		fail("no nbd in this kernel");
	return family;
}

static void put_socket(struct message *m, int fd)
{
	struct nlattr *sockets = put(m, NBD_ATTR_SOCKETS | NLA_F_NESTED, NULL, 0);
	struct nlattr *item = put(m, NBD_SOCK_ITEM | NLA_F_NESTED, NULL, 0);

	put_number(m, NBD_SOCK_FD, (uint64_t)fd, 4);
	char *end = (char *)m + m->head.nlmsg_len;
	sockets->nla_len = (uint16_t)(end - (char *)sockets);
	item->nla_len = (uint16_t)(end - (char *)item);
}

/* ---- the server -------------------------------------------------------------------- */

struct disk { uint64_t bytes, flags; };

static void pause_a_little(void)
{
	nanosleep(&(struct timespec){ .tv_nsec = 20000000 }, NULL);
}

/* Fixed newstyle, the default export. -1: not now. */
static int dial(const char *path, struct disk *disk)
{
	/* no zeroes behind the export; option 1: its (empty) name */
	static const unsigned char ask[] = { 0,   0,   0, 3, 'I', 'H', 'A', 'V', 'E', 'O',
					     'P', 'T', 0, 0, 0,   1,   0,   0,   0,   0 };
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	unsigned char hello[18], export[10];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&a, sizeof(a)) &&
	    recv(fd, hello, sizeof(hello), MSG_WAITALL) == sizeof(hello) &&
	    send(fd, ask, sizeof(ask), MSG_NOSIGNAL) == sizeof(ask) &&
	    recv(fd, export, sizeof(export), MSG_WAITALL) == sizeof(export)) {
		uint64_t bytes;
		uint16_t flags;
		memcpy(&bytes, export, 8);
		memcpy(&flags, export + 8, 2);
		*disk = (struct disk){ be64toh(bytes), be16toh(flags) };
		return fd;
	}
	close(fd);
	return -1;
}

static int connection(const char *path, struct disk *disk)
{
	int fd;

	while ((fd = dial(path, disk)) < 0)
		pause_a_little();
	return fd;
}

int main(int argc, char **argv)
{
	struct disk disk;

	if (argc != 4) {
		fprintf(stderr, "usage: attach SOCKET NUMBER SECONDS\n");
		return 64;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	int nl = socket(AF_NETLINK, SOCK_RAW, NETLINK_GENERIC);
	uint16_t family = nbd_family(nl);
	int fd = connection(argv[1], &disk);
	struct message m = message(family, NBD_CMD_CONNECT);

	put_number(&m, NBD_ATTR_INDEX, strtoull(argv[2], NULL, 0), 4);
	put_number(&m, NBD_ATTR_SIZE_BYTES, disk.bytes, 8);
	put_number(&m, NBD_ATTR_BLOCK_SIZE_BYTES, 4096, 8);
	put_number(&m, NBD_ATTR_SERVER_FLAGS, disk.flags, 8);
	put_number(&m, NBD_ATTR_DEAD_CONN_TIMEOUT, strtoull(argv[3], NULL, 0), 8);
	put_socket(&m, fd);
	if ((errno = -talk(nl, &m, NULL)))
		fail("connect");
	puts("attached");
	for (unsigned n = 1;; n++) {
		struct pollfd p = { .fd = fd, .events = POLLRDHUP };

		while (poll(&p, 1, -1) < 0)
			;
		close(fd);
		fd = connection(argv[1], &disk);
		m = message(family, NBD_CMD_RECONFIGURE);
		put_number(&m, NBD_ATTR_INDEX, strtoull(argv[2], NULL, 0), 4);
		put_socket(&m, fd);
		/* Until the kernel has noticed, too, it has no place for a new one. */
		int err;
		while ((err = talk(nl, &m, NULL)) == -ENOSPC)
			pause_a_little();
		if ((errno = -err))
			fail("reconfigure");
		printf("again %u\n", n);
	}
}
