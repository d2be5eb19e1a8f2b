/* SPDX-License-Identifier: MIT */
/*
 * vfio_user_version.c - the first message: version and capabilities.
 *
 * Room:   sandbox/device/vfio_user.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "device.h"
#include "json.h"
#include "log.h"
#include "user.h"

/* All that is looked at in an answer is proposed: a server may only answer what was. */
static const char our_capabilities[] =
	"{\"capabilities\":{\"max_msg_fds\":8,\"max_data_xfer_size\":32768,"
	"\"max_dma_maps\":65535,\"pgsizes\":4096,"
	"\"twin_socket\":{\"supported\":true},"
	"\"ringfence\":{\"doorbell_sleep\":true,\"doorbell_shadow\":true}}}";
_Static_assert(RF_VU_MAX_FDS == 8 && RF_VU_MAX_DATA == 32768 && RF_VU_DEFAULT_MAPS == 65535 &&
	       RF_VU_DEFAULT_PGSIZE == 4096, "as the text above says");

/* A capability that is a number; `otherwise` if the peer does not name it. */
static int version_number(struct rf_vfio_user *u, struct json caps, const char *name,
			  uint64_t otherwise, uint64_t *out)
{
	struct json v = json_member(caps, name);

	*out = otherwise;
	if (v.at && !json_number(v, out))
		return user_dead(u, "gives its %s as something that is no number", name);
	return 0;
}

/* One that is an object; none if the peer does not name it. */
static int object(struct rf_vfio_user *u, struct json in, const char *name, struct json *out)
{
	*out = json_member(in, name);
	return !out->at || json_object(*out) ? 0 :
		       user_dead(u, "gives its %s as something that is no object", name);
}

/* One that is true or false; false if the peer does not name it. */
static int boolean(struct rf_vfio_user *u, struct json in, const char *name, bool *out)
{
	struct json v = json_member(in, name);

	*out = json_true(v);
	return !v.at || *out || json_false(v) ?
		       0 :
		       user_dead(u, "gives its %s as something that is neither true nor false",
				 name);
}

/* The server's own commands come on a socket apart if it sent one. */
static int take_twin(struct rf_vfio_user *u, struct json caps, int *fds, int count)
{
	struct json twin;
	uint64_t index;
	bool supported;
	int err;

	if ((err = object(u, caps, "twin_socket", &twin)) ||
	    (err = boolean(u, twin, "supported", &supported)))
		return err;
	if (!supported)
		return 0;
	if (!json_number(json_member(twin, "fd_index"), &index) || index >= (uint64_t)count)
		return user_dead(u, "offers a second socket and does not send it");
	u->twin = fds[index];
	fds[index] = -1;
	return 0;
}

/* Ours: the server says when it sleeps, or has shadow memory for its doorbells. Without a
 * place for the word it is as if it had said nothing. */
static int take_ours(struct rf_vfio_user *u, struct json caps)
{
	struct user_peer *p = &u->peer;
	struct json ours, sleep;
	int err;

	if ((err = object(u, caps, "ringfence", &ours)) ||
	    (err = object(u, ours, "doorbell_sleep", &sleep)) ||
	    (err = boolean(u, ours, "doorbell_shadow", &p->shadows)) || !sleep.at)
		return err;
	p->sleeps = json_number(json_member(sleep, "region"), &p->sleep_region) &&
		    json_number(json_member(sleep, "asleep"), &p->asleep) &&
		    p->sleep_region <= RF_VU_BAR5 && p->asleep % 4 == 0;
	return 0;
}

static int take_limits(struct rf_vfio_user *u, struct json caps)
{
	struct user_peer *p = &u->peer;
	bool ignored;
	int err;

	if ((err = version_number(u, caps, "max_msg_fds", RF_VU_DEFAULT_FDS, &p->max_fds)) ||
	    (err = version_number(u, caps, "max_data_xfer_size", RF_VU_DEFAULT_XFER,
				  &p->max_data)) ||
	    (err = version_number(u, caps, "max_dma_maps", RF_VU_DEFAULT_MAPS, &p->max_maps)) ||
	    (err = version_number(u, caps, "pgsizes", RF_VU_DEFAULT_PGSIZE, &p->page_sizes)) ||
	    (err = boolean(u, caps, "write_multiple", &ignored)))
		return err;
	if (!p->max_fds)
		return user_dead(u, "takes no fds, so it cannot be given memory");
	if (p->max_data < 8)
		return user_dead(u, "takes %u bytes a message only", (unsigned)p->max_data);
	return 0;
}

static int take_capabilities(struct rf_vfio_user *u, const char *text, uint32_t bytes, int *fds,
			     int count)
{
	struct json all = { 0 }, caps;
	int err;

	/* Its NUL is part of the text on the wire; none of it at all means no capabilities. */
	if (bytes && text[bytes - 1])
		return user_dead(u, "sent capabilities without an end");
	if (bytes > 1 && (!json_parse(text, bytes - 1, &all) || !json_object(all)))
		return user_dead(u, "sent capabilities that are not JSON, or no object");
	if ((err = object(u, all, "capabilities", &caps)) || (err = take_limits(u, caps)) ||
	    (err = take_ours(u, caps)))
		return err;
	return take_twin(u, caps, fds, count);
}

int user_handshake(struct rf_vfio_user *u)
{
	struct rf_vu_version ours = { RF_VU_MAJOR, RF_VU_MINOR }, theirs;
	char reply[sizeof(theirs) + RF_VU_MAX_JSON];
	int fds[RF_VU_MAX_FDS];
	struct user_call c = {
		.command = RF_VU_VERSION,
		.head = &ours,
		.head_bytes = sizeof(ours),
		.data = our_capabilities,
		.data_bytes = sizeof(our_capabilities),
		.reply = reply,
		.reply_min = sizeof(theirs),
		.reply_room = sizeof(reply),
		.reply_fds = fds,
	};
	int n = user_call(u, &c);

	if (n < 0) {
		if (n == -EBUSY)
			rf_log("%s: the device server already has a client, and takes one only",
			       u->label);
		else if (n != -ENODEV)
			rf_log("%s: the server at its socket refuses version %u.%u of vfio-user: "
			       "%s",
			       u->label, RF_VU_MAJOR, RF_VU_MINOR, strerror(-n));
		else
			rf_log("%s: no vfio-user handshake: another client has it, or that is no "
			       "vfio-user "
			       "server",
			       u->label);
		return RF_EXIT_DEVICE;
	}
	memcpy(&theirs, reply, sizeof(theirs));
	int err = theirs.major == RF_VU_MAJOR && theirs.minor <= RF_VU_MINOR ?
			  take_capabilities(u, reply + sizeof(theirs), (uint32_t)n - sizeof(theirs),
					    fds, c.reply_fd_count) :
			  user_dead(u, "speaks version %u.%u of the protocol; we speak 0.0 to 0.2",
				    theirs.major, theirs.minor);
	for (int i = 0; i < c.reply_fd_count; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return err ? RF_EXIT_DEVICE : 0;
}
