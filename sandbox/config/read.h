/* SPDX-License-Identifier: MIT */
/*
 * read.h - from the text files of the operator to one structure of fixed layout.
 *
 * Room:   sandbox/config, the process rf-config: no privilege, its own system call list.
 * Trust:  the keeper checks every range of what comes out before it is used.
 */
#ifndef RF_READ_H
#define RF_READ_H

#include <stdbool.h>
#include <stdint.h>

#include "config.h"
#include "rate_limit.h"
#include "lwip_config.h"
#include "words.h"

/* `c` holds defaults already, see config.h. Logs file:line and returns -EINVAL for a mistake
 * in a file. */
int rf_config_read(const char *file, struct rf_config *c);
int rf_policy_read(const char *file, struct rf_policy *);

/* finish.c: what only the whole shows; line[i] is where device i begins. */
int rf_config_finish(const char *file, struct rf_config *, const int *line);

/* values.c: `arena SIZE`, in a configuration or a policy. */
int rf_config_arena(struct rf_words *, uint64_t *bytes);
uint64_t rf_config_memory(void); /* bytes of this machine; ~0: not known */
/* A name of files and processes, in log lines and in JSON. */
bool rf_config_name_good(const char *);

/* limits.c: 'limit ...' or 'client-limit ...', one line of it. */
int rf_config_limit(struct rf_limits *, struct rf_words *);

/* integrity.c: 'integrity disk KEYFILE ...', and what does not go with it. */
int rf_config_integrity(struct rf_config_device *, struct rf_words *);
int rf_config_integrity_finish(const char *file, const struct rf_config_device *, bool net);

/* config_lwip.c: 'export lwip' and the keys of a stack; who serves which disk. */
int rf_config_export_lwip(struct rf_config_device *, struct rf_words *);
int rf_config_lwip_key(struct rf_config_device *, struct rf_words *); /* -ENOENT: not one */
int rf_config_lwip_finish(const char *file, struct rf_config *);

/* lwip_words.c: a stack without a line, and one line of it. -ENOENT: no key of ours;
 * -EINVAL: a mistake, after one line in the log. */
void rf_lwip_config_init(struct rf_lwip_config *);
int  rf_lwip_config_line(struct rf_lwip_config *, struct rf_words *);

#endif
