/* SPDX-License-Identifier: MIT */
/*
 * vfio_user_region.c - what a vfio-user server says its device is, and what of it can be mapped.
 *
 * Room:   sandbox/device/vfio_user.
 * Trust:  sizes, offsets and counts are the server's word and are checked once, here.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "device.h"
#include "log.h"
#include "packet.h"
#include "range.h"
#include "user.h"

static int device_info(struct rf_vfio_user *u)
{
	struct rf_vu_device_info info = { .argsz = sizeof(info) };
	struct user_call c = { .command = RF_VU_DEVICE_GET_INFO,
			       .head = &info,
			       .head_bytes = sizeof(info),
			       .reply = &info,
			       .reply_min = sizeof(info),
			       .reply_room = sizeof(info) };
	int n = user_call(u, &c);

	if (n < 0)
		return n == -ENODEV ?
			       n :
			       user_dead(u, "does not say what device it is: %s", strerror(-n));
	if (info.argsz < sizeof(info))
		return user_dead(u, "described its device in %u bytes; there are %zu", info.argsz,
				 sizeof(info));
	if (!(info.flags & RF_VU_DEVICE_PCI))
		return user_dead(u, "serves something that is no PCI device");
	if (info.num_regions <= RF_VU_CONFIG)
		return user_dead(u, "has %u regions; a PCI device needs %u", info.num_regions,
				 RF_VU_CONFIG + 1u);
	u->device_flags = info.flags;
	u->irqs = info.num_irqs;
	return 0;
}

/* The sparse areas of a region, out of the capabilities behind its info. */
static int take_areas(struct rf_vfio_user *u, struct user_region *r, const unsigned char *info,
		      uint32_t bytes, uint32_t at)
{
	struct rf_vu_cap_sparse s;

	for (int left = 64; at; left--) {
		if (!left || at % 4 || at < sizeof(struct rf_vu_region_info) || at > bytes ||
		    bytes - at < sizeof(s.cap))
			return user_dead(u, "sent a region with a broken list of capabilities");
		memcpy(&s.cap, info + at, sizeof(s.cap));
		if (s.cap.id == RF_VU_CAP_SPARSE_MMAP) {
			if (bytes - at < sizeof(s))
				return user_dead(u, "sent a sparse area list that is cut off");
			memcpy(&s, info + at, sizeof(s));
			if (s.nr_areas > USER_AREAS ||
			    bytes - at - sizeof(s) < s.nr_areas * sizeof(r->area[0]))
				return user_dead(u, "sent a region of %u sparse areas", s.nr_areas);
			memcpy(r->area, info + at + sizeof(s), s.nr_areas * sizeof(r->area[0]));
			r->areas = s.nr_areas;
			/* A list of none: nothing can be mapped. */
			if (!s.nr_areas)
				r->flags &= ~RF_VU_REGION_MMAP;
		}
		at = s.cap.next;
	}
	return 0;
}

bool user_memory(int fd, uint64_t offset, uint64_t bytes)
{
	/* The seals are asked for first: only tmpfs and hugetlbfs have any, and these answer
	 * fstatfs() and fstat() without asking another process. */
	int seals = fcntl(fd, F_GET_SEALS);
	struct statfs fs;
	struct stat st;

	return seals >= 0 && seals & F_SEAL_SHRINK &&
	       !(seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) &&
	       !fstatfs(fd, &fs) && fs.f_type == TMPFS_MAGIC && !fstat(fd, &st) &&
	       rf_range_within(offset, bytes, (uint64_t)st.st_size);
}

/* Keeps the fd of a region if its memory can be mapped safely. */
static void take_region_fd(struct rf_vfio_user *u, uint32_t index, int *fds, int count)
{
	struct user_region *r = &u->region[index];

	if (r->flags & RF_VU_REGION_MMAP && count && user_memory(fds[0], r->offset, 0)) {
		r->fd = fds[0];
		fds[0] = -1;
	} else if (r->flags & RF_VU_REGION_MMAP && count)
		rf_log("%s: region %u is no memfd that is sealed against shrinking: it is reached "
		       "by messages",
		       u->label, index);
	for (int i = 0; i < count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

/* Checks that the answer describes what was asked about, and is as long as it says. */
static int check_info(struct rf_vfio_user *u, const struct rf_vu_region_info *info, uint32_t index,
		      uint32_t n)
{
	if (info->index != index)
		return user_dead(u, "described region %u when asked for %u", info->index, index);
	if (info->argsz < n)
		return user_dead(u, "described region %u in %u bytes and says that there are %u",
				 index, n, info->argsz);
	return 0;
}

/* Asks for a region's info, and again with more room if the first answer says so: known servers
 * leave the fd out too when the capabilities do not fit. -EINVAL: refused. */
static int region_info(struct rf_vfio_user *u, uint32_t index)
{
	static unsigned char reply[RF_VU_MAX_DATA];
	struct rf_vu_region_info info = { .argsz = 1024 };
	int fds[RF_VU_MAX_FDS], n;

	for (int again = 0;; again++) {
		struct rf_vu_region_info ask = { .argsz = info.argsz, .index = index };
		struct user_call c = { .command = RF_VU_GET_REGION_INFO,
				       .head = &ask,
				       .head_bytes = sizeof(ask),
				       .reply = reply,
				       .reply_min = sizeof(info),
				       .reply_room = ask.argsz,
				       .reply_fds = fds };
		if ((n = user_call(u, &c)) < 0)
			return n;
		memcpy(&info, reply, sizeof(info));
		u->region[index] = (struct user_region){ .bytes = info.size, .offset = info.offset,
							 .flags = info.flags, .fd = -1 };
		if (check_info(u, &info, index, (uint32_t)n)) {
			rf_close_all(fds, c.reply_fd_count);
			return -ENODEV;
		}
		if (info.argsz <= ask.argsz) {
			take_region_fd(u, index, fds, c.reply_fd_count);
			break;
		}
		rf_close_all(fds, c.reply_fd_count);
		if (again || info.argsz > sizeof(reply))
			return user_dead(u, "wants %u bytes to describe region %u", info.argsz,
					 index);
	}
	if (!(info.flags & RF_VU_REGION_CAPS))
		return 0;
	return take_areas(u, &u->region[index], reply, (uint32_t)n, info.cap_offset);
}

/* Asks for the BARs and configuration space. ROM and VGA are not used here, and some servers
 * have none. A BAR that the server does not know is not there. */
int user_regions(struct rf_vfio_user *u)
{
	int err = device_info(u);

	for (uint32_t i = 0; i < RF_VU_PCI_REGIONS; i++)
		u->region[i].fd = -1;
	for (uint32_t i = RF_VU_BAR0; !err && i <= RF_VU_BAR5; i++) {
		err = region_info(u, i);
		if (err && err != -ENODEV)
			err = 0;
	}
	if (!err && (err = region_info(u, RF_VU_CONFIG)) && err != -ENODEV)
		err = user_dead(u, "does not describe its configuration space: %s", strerror(-err));
	if (!err && u->region[RF_VU_CONFIG].bytes < 256)
		err = user_dead(u, "has %llu bytes of configuration space",
				(unsigned long long)u->region[RF_VU_CONFIG].bytes);
	return err;
}

/* Mappable memory stays valid: user_memory() has checked that. */
int user_region_fd(const struct user_region *r, uint64_t offset, uint64_t bytes, uint64_t *at)
{
	bool inside = !r->areas;

	if (r->fd < 0 || !rf_range_within(offset, bytes, r->bytes))
		return -1;
	for (uint32_t i = 0; i < r->areas; i++)
		inside |= rf_range_inside(offset, bytes, r->area[i].offset, r->area[i].size);
	if (!inside || __builtin_add_overflow(r->offset, offset, at) || *at % RF_PAGE ||
	    !user_memory(r->fd, *at, bytes))
		return -1;
	return r->fd;
}
