/* SPDX-License-Identifier: MIT */
/*
 * ward.h - `integrity disk`: what a driver returns is what was written there, also after a
 * restart, or it is EIO.
 *
 * Room:   sandbox/blk/integrity, trusted. It stands between clients and the core: takes their
 *         requests in order, makes requests of its own, and answers. Without the key none
 *         of it runs.
 * Files:  ward_layout what lies on the disk; ward_journal what was announced; ward_tags
 *         the table in memory; ward_checkpoint from journal to table; ward_start from
 *         disk to memory, and format; ward.c a client's request.
 * Copies: clients' data lies in private memory as large as the arena: a write is copied
 *         out to the arena when it is sent, a read is copied in once it was answered, then
 *         judged, then shown. No driver or device can reach what was judged.
 *
 * Protocol. Each write takes place in this order:
 *   1. Its blocks, with the tags they will have, are lines of a journal page. Pages are
 *      written one batch at a time, through the device's cache (FUA, or a flush behind).
 *      What is asked for meanwhile shares the next batch.
 *   2. Only then the data is sent. Its answer makes the new tags the only right ones.
 *   3. When the journal is full, or memory for it: no further writes are let in; those
 *      under way are waited for; flush; the table pages concerned are written; flush; a
 *      superblock says that the journal begins anew. Reads go on.
 * So a block that lies on the disk was announced there before it, and for each block the
 * journal has every version newer than the table's.
 *
 * Power cut. The cache keeps any subset of what was not flushed. Right is, for each block:
 * any of its versions since the last flush that was seen to end well (journal pages say which
 * writes that covers), or else the last one before, or else the table's. Which one it is
 * is found by reading the block, before clients are let in. It is the one version from then
 * on, and the table is written as in step 3. Whatever step a cut falls into, the journal that
 * the valid superblock names is whole, up to a batch that was never answered and whose data
 * was therefore never sent; table sectors may be older than the journal, or as new.
 * The same is done for what a reset made the device forget: a checkpoint is begun at once, and
 * until it is over no journal page calls such writes durable, whatever is flushed: a restart
 * finds the doubt where it was. A read that the loss overtook is done again. Writes that failed
 * are in doubt likewise, old or new of each block, else EIO; the next flush begins the
 * checkpoint.
 *
 * Waits. Whoever waits does so for an answer of the driver, and each answer wakes all that it
 * may have been the last thing for: a batch, the jobs it announced and a checkpoint in DRAIN;
 * a change, the checkpoint; one of the small requests, reads without their page and the
 * checkpoint; the checkpoint's end, those without room. test_ward_cuts looks after each answer.
 *
 * Discard and zeroing announce that there is nothing in the blocks; they then read as zeroes,
 * whatever the disk says. So does what was never written, unless the disk was adopted.
 *
 * Stale data. While this process lives: a version that is not the last one is EIO, and so is
 * an older page of the table (a number of each page's contents is kept in memory from the
 * first time it is seen). At a start all of the disk may be an older one of itself, with
 * the table to it: nobody can tell without a root kept elsewhere. No root is kept.
 */
#ifndef RF_WARD_H
#define RF_WARD_H

#endif
