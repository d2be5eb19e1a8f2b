/* SPDX-License-Identifier: MIT */
/*
 * internal.h - what the files of the server share. Models include server.h alone.
 *
 * Room:   tests/models/server.
 */
#ifndef SERVER_INTERNAL_H
#define SERVER_INTERNAL_H

#include "server.h"
#include "vfio_user.h"

#define CONFIG_BYTES  4096u
#define MAX_MAPS      256u
#define MAX_VECTORS   2048u
#define MAX_WATCHES   4u
#define MAX_REFUSALS  4u
#define MAX_CONTROLS  4u
#define MAX_FDS       16u /* of a message to us: what known clients send, whatever they were told */
#define MAX_POSTPONED 64u
#define CLIENT_NS     5000000000ull /* for a DMA answer, or a full socket */

enum doorbells { DOORBELLS_MMAP, DOORBELLS_PLAIN, DOORBELLS_SHADOW, DOORBELLS_SOCKET };

/* One message being received: the header first, then what it announces. */
struct message {
	struct rf_vu_header header;
	unsigned char body[RF_VU_MAX_MESSAGE];
	uint32_t have; /* bytes of header and body so far */
	int      fd[MAX_FDS];
	int      fds;
	bool     too_many_fds;
};

struct dma_map {
	uint64_t iova, bytes;
	uint32_t flags;        /* RF_VU_DMA_* */
	unsigned char *memory; /* NULL: by messages */
	bool     broken;       /* its file is shorter than the client said */
};

struct vector {
	int  event;   /* -1: not wired */
	bool masked;  /* by SET_IRQS */
	bool pending;
};

/* A run of pages of one BAR that the client may map. */
struct share {
	int      fd;
	unsigned bar;
	uint32_t offset, bytes, asleep;
	unsigned char *memory; /* NULL: none */
	int      kick;         /* eventfd */
};

struct refusal {
	int      fd; /* -1: free */
	uint64_t deadline;
};

struct control {
	int  fd; /* -1: free */
	char line[512];
	unsigned used;
};

/* Negotiated with the client that is there. */
struct session {
	int      fd;    /* -1: nobody */
	int      twin;  /* our end of the twin socket, -1: none */
	bool     greeted, doorbell_sleep, write_multiple;
	uint16_t minor;
	uint64_t since;
	uint32_t max_data; /* of the client, and at most ours */
	uint32_t max_fds;  /* the client takes with a message */
	uint16_t next_id;
	struct message in;
	struct message *postponed[MAX_POSTPONED]; /* came while a DMA reply was waited for */
	unsigned postponed_count;
};

enum {
	F_LATE, F_LOST, F_SHORT, F_WRONG_ID, F_ERROR, F_DISCONNECT, F_GARBAGE,
	F_IRQ_LOST, F_IRQ_DUPLICATE, F_IRQ_SPURIOUS, F_IRQ_STORM, F_MEMORY_PUNCHED, SERVER_FAULTS
};
enum {
	C_CLIENTS, C_REFUSED, C_BAD_HANDSHAKES, C_BAD_MESSAGES, C_ERRORS, C_MESSAGES, C_RESETS,
	C_DMA_REFUSED, C_IRQS, C_SLEEPS, C_KICKS, SERVER_COUNTERS
};

struct server {
	const struct model *model;
	void               *dev;
	struct model_pci    pci;

	/* options */
	const char    *path, *control_path;
	enum doorbells doorbells;
	uint64_t       budget_ns, seed, handshake_ns; /* the last: for a client that says nothing */
	bool           keep_state, twin, strict, as_qemu;

	int      listener, control_listener;
	struct session  session;
	struct refusal  refusal[MAX_REFUSALS];
	struct control  control[MAX_CONTROLS];
	int      watch[MAX_WATCHES];
	unsigned watches;

	struct dma_map map[MAX_MAPS];
	unsigned maps, last_map;
	uint64_t epoch;

	uint8_t  config[CONFIG_BYTES], writable[CONFIG_BYTES], config_reset[CONFIG_BYTES];
	uint32_t cap_pm, cap_msi, cap_pcie, cap_msix; /* offsets, 0: not there */

	unsigned char *msix_table; /* 16 bytes a vector */
	bool          *msix_opened; /* the client has unmasked this entry once */
	struct vector  msix[MAX_VECTORS], msi[32], intx;
	bool           intx_high;

	struct share     share;
	struct fault_set faults;
	struct fault     fault[SERVER_FAULTS];
	struct model_counter counter[SERVER_COUNTERS];
	volatile int     stop; /* a signal came */
	bool             closing; /* the client is to go once this message is dealt with */
};

static inline void count(struct server *s, unsigned which)
{
	s->counter[which].value++;
}

/* wire.c */
/* More of one message from fd: 1 complete, 0 not yet, -EPIPE gone, -EPROTO nonsense. */
int  message_receive(int fd, struct message *);
void message_drop(struct message *); /* closes its fds, starts anew */
/* Header, fixed part, data and fds by one sendmsg. 0 or -errno. */
int  message_send(int fd, const struct rf_vu_header *, const void *fixed, uint32_t fixed_bytes,
		  const void *data, uint32_t data_bytes, const int *fds, int fd_count);
/* The reply to `to`, with the protocol faults. error > 0: bare header. */
void reply_send(struct server *, const struct rf_vu_header *to, int error, const void *fixed,
		uint32_t fixed_bytes, const void *data, uint32_t data_bytes, const int *fds,
		int fd_count);

/* session.c */
void session_open(struct server *, int fd);
void session_readable(struct server *);
void session_close(struct server *, const char *why);
/* Puts session.in by, to be handled later, and makes room for the next. 0 or -ENOBUFS. */
int  session_postpone(struct server *);
void session_postponed(struct server *); /* handles what was put by */
/* version.c */
void version_answer(struct server *, struct message *);

/* region.c */
void region_info(struct server *, struct message *);
void region_io_fds(struct server *, struct message *);
void region_read(struct server *, struct message *);
void region_write(struct server *, struct message *);
void region_write_multi(struct server *, struct message *);
bool share_mapped(const struct server *); /* could the client ring without a message? */
void share_reset(struct server *);

/* dma.c */
void dma_map(struct server *, struct message *);
void dma_unmap(struct server *, struct message *);
void dma_unmap_all(struct server *);
void dma_guard(struct server *); /* SIGBUS of a client's file that shrank */
unsigned dma_broken(struct server *);
void dma_punch(struct server *); /* a hole where the client's first piece is */

/* irq.c */
void irq_info(struct server *, struct message *);
void irq_set(struct server *, struct message *);
void irq_open(struct server *);
void irq_unwire(struct server *); /* the client left: its eventfds are closed */
void irq_reset(struct server *);
bool irq_table_access(struct server *, unsigned bar, uint64_t offset, void *data, uint32_t bytes,
		      bool write);
void irq_unmasked(struct server *); /* the function mask is off: send what is pending */

/* pci.c */
int  pci_open(struct server *);
void pci_reset(struct server *);
int  pci_read(struct server *, uint64_t offset, void *to, uint32_t bytes);
int  pci_write(struct server *, uint64_t offset, const void *from, uint32_t bytes);
bool pci_bus_master(const struct server *);
bool pci_memory_enabled(const struct server *);
bool pci_msix_enabled(const struct server *);
bool pci_msix_function_mask(const struct server *);
unsigned pci_msi_enabled(const struct server *); /* how many, 0: off */
void device_reset(struct server *, enum model_reset why);

/* control.c */
int  control_open(struct server *);
void control_accept(struct server *);
void control_readable(struct server *, struct control *);

/* options.c */
int  options_parse(struct server *, int argc, char **argv);

/* json.c: is the value at this path of object keys ("a.b.c") there, and what is it? A number
 * is a whole one from 0 to UINT64_MAX; all others are of another kind. */
enum json_kind { JSON_NONE, JSON_OBJECT, JSON_BOOL, JSON_NUMBER, JSON_OTHER };
enum json_kind json_kind(const char *text, const char *path);
bool json_bool(const char *text, const char *path);
bool json_number(const char *text, const char *path, uint64_t *out);
bool json_valid_object(const char *text);

#endif
