/* SPDX-License-Identifier: MIT */
/*
 * config_fetch.h - how rf-config comes to the operator's files and gives back what they say.
 *
 * Room:   sandbox/proto.
 * Wire:   SOCK_SEQPACKET, RF_CONFIG_FD_ASK, and a memfd, RF_CONFIG_FD_OUT.
 * Writes: the zygote sends the first packet, the name of the configuration file with a copy of
 *         it; rf-config asks for further files by name, and the zygote answers with an int, 0 or
 *         -errno, and the fd.
 * Reads:  both; the record in the memfd is read by the zygote when rf-config has ended.
 * Believed: no name that the configuration file does not have, and no record before its ranges are
 *         checked (config_check.h): rf-config has read the bytes of strangers.
 */
#ifndef RF_CONFIG_FETCH_H
#define RF_CONFIG_FETCH_H

#define RF_CONFIG_FD_OUT 3 /* memfd: struct rf_config */
#define RF_CONFIG_FD_ASK 4 /* SEQPACKET to the keeper */
#define RF_CONFIG_PATH   1024 /* most bytes of a name */
#define RF_CONFIG_TEXT   (1u << 20) /* most bytes of the file */

#endif
