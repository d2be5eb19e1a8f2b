/* SPDX-License-Identifier: MIT */
/*
 * journal.pml - the authenticated journal of `integrity disk`: whatever a cache loses, and
 * whatever dies, an honest disk is never an error, and nobody waits for nothing.
 *
 * Stands for: sandbox/blk/integrity. One block; a line of the journal a page; writes, flushes,
 *             reads, pages that say what is durable, checkpoints, lost caches, restarts of
 *             the export, power cuts, and a cache that writes back when it likes. The
 *             device has FUA. test_integrity_cuts does the same to the code itself.
 * Shown:      a read finds a version that may be there; what a good flush covered stays; a
 *             checkpoint ends. An assertion that fails where a read is judged is an EIO.
 * Controls:   -DMARK_OVER_DOUBT (a flush calls lost lines durable), -DNO_WAKE (the end of a page
 *             without lines wakes nobody), -DJUDGE_LATE (what was read before a loss is judged
 *             behind it), -DDOUBT_AGAIN (a loss doubts lines that a checkpoint has resolved),
 *             -DNO_REDO (a checkpoint goes on though its table pages are lost),
 *             -DDATA_FIRST (a block is written before its line).
 */
#define WRITES 3
#define LOSSES 2
#define STARTS 2
#define NEVER  99

mtype = { IDLE, DRAIN, FLUSH, RESOLVE, TABLE, TABLE_FLUSH, SUPER };

/* the device: version of the block, and of its entry in the table */
byte cache, stable, table_cache, table_stable;
/* and what is written through the cache at once */
byte line_disk, begun_disk, durable_disk; /* lines (begun..line]; up to durable they are sure */

/* memory */
byte  line, begun, durable, unsure = NEVER, table;
bool  doubt[WRITES + 1], dead[WRITES + 1];
mtype stage = IDLE;
bool  woken, table_lost, starting, mark, marking;
byte  writing;          /* 0: nobody, 1: its line is there, 2: sent, 3: carried out */
bool  flushing, flush_lost, ckpt_flushing;
byte  cover, ckpt_cover, promised_then;
#ifdef DATA_FIRST
bool  early;
#else
bool  early = true;
#endif
byte  reading = NEVER;  /* what the device gave, not judged yet */

/* the client */
byte low, promised, writes, losses, starts, failures;
bool curious = true;    /* something has happened since it last read */

inline judge(held) /* found: a version, or the table's */
{
	d_step {
		right = false;
		v = line;
		do
		:: right || v == begun -> break
		:: else ->
			if
			:: dead[v]
			:: !dead[v] && held == v -> right = true
			:: else -> assert(doubt[v])          /* EIO */
			fi;
			if
			:: right ->
				doubt[v] = false;
				w = v + 1;
				do :: w > line -> break :: else -> dead[w] = true; w++ od
			:: else -> v--
			fi
		od;
		if
		:: !right ->
			assert(held == table);               /* EIO */
			w = begun + 1;
			do :: w > line -> break :: else -> dead[w] = true; w++ od
		:: else
		fi;
		v = 0; w = 0; right = false
	}
}

inline raise_durable(to)
{
	if
#ifndef MARK_OVER_DOUBT
	:: to >= unsure ->
		if :: unsure - 1 > durable -> durable = unsure - 1; mark = true :: else fi
#endif
	:: else -> if :: to > durable -> durable = to; mark = true :: else fi
	fi
}

inline begin_checkpoint()
{
	if :: stage == IDLE -> stage = DRAIN; table_lost = false; woken = true :: else fi
}

inline lose()
{
	cache = stable;
	table_cache = table_stable;
	low = promised;
	flush_lost = flushing;
	if :: writing == 2 -> writing = 1 :: else fi;    /* what has no answer is asked for again */
	table_lost = table_lost || stage == TABLE || stage == TABLE_FLUSH || stage == SUPER;
	v = durable + 1;
	do
	:: v > line -> break
	:: else ->
		if
#ifndef DOUBT_AGAIN
		:: stage == RESOLVE || stage == TABLE || stage == TABLE_FLUSH || stage == SUPER
#endif
		:: else ->
			if :: !doubt[v] && v < unsure -> unsure = v :: else fi;
			doubt[v] = true; dead[v] = false
		fi;
		v++
	od;
	v = 0;
	if :: unsure != NEVER -> begin_checkpoint() :: else fi;
#ifndef JUDGE_LATE
	reading = NEVER;
#endif
	curious = true
}

inline start()
{
	line = line_disk; begun = begun_disk; table = table_cache;
	durable = (durable_disk > begun -> durable_disk : begun);
	unsure = NEVER;
	v = 0;
	do
	:: v > WRITES -> break
	:: else -> doubt[v] = v > durable && v <= line; dead[v] = false; v++
	od;
	v = 0;
#ifdef DATA_FIRST
	early = false;
#endif
	writing = 0; flushing = false; flush_lost = false; ckpt_flushing = false; mark = false;
	marking = false; reading = NEVER; starting = true; stage = DRAIN; table_lost = false;
	woken = true; curious = true
}

active proctype All()
{
	byte v, w;
	bool right;

	do
	/* a write: its line, its data, its answer */
	:: d_step { !starting && !writing && reading == NEVER && writes < WRITES && stage == IDLE &&
		    line == writes && early ->
#ifdef DATA_FIRST
		early = false;
#endif
		writes++; line++; line_disk = line; doubt[line] = true; dead[line] = false;
		writing = 1 }
#ifdef DATA_FIRST
	:: d_step { !starting && !writing && reading == NEVER && writes < WRITES && stage == IDLE &&
		    !early ->
		cache = line + 1; early = true }
#endif
	:: d_step { writing == 1 -> cache = line; writing = 2 }
	:: atomic { writing == 2 -> doubt[line] = false; low = line; writing = 0; woken = true;
		curious = true }

	/* a flush of the client */
	:: d_step { !starting && !flushing && low > promised ->
		flushing = true; flush_lost = false; promised_then = low;
		cover = (writing -> line - 1 : line) }
	:: atomic { flushing ->
		stable = cache; table_stable = table_cache; flushing = false;
		if
		:: flush_lost
		:: else ->
			if :: promised_then > promised -> promised = promised_then :: else fi;
			raise_durable(cover);
			if :: unsure != NEVER -> begin_checkpoint() :: else fi
		fi;
		curious = true }

	/* a page that says what is durable */
	:: d_step { mark && !marking && !writing && stage == IDLE -> marking = true; mark = false }
	:: d_step { marking -> durable_disk = durable; marking = false;
#ifndef NO_WAKE
		woken = true
#endif
		}

	/* a read: the device's answer, then the judgement (its table page comes in between) */
	:: d_step { !starting && curious && reading == NEVER && !writing ->
		reading = cache; curious = false }
	:: atomic { reading != NEVER ->
		judge(reading);
		assert(reading >= promised); reading = NEVER }

	/* a checkpoint, for want of room; whoever ends what it waits for wakes it */
	:: d_step { !starting && line > begun + 1 && stage == IDLE && !writing ->
		stage = DRAIN; table_lost = false; woken = true }
	:: d_step { stage == DRAIN && woken -> woken = false;
		if :: !writing && !marking -> stage = FLUSH :: else fi }
	:: d_step { stage == FLUSH && !ckpt_flushing -> ckpt_flushing = true; ckpt_cover = line }
	:: atomic { stage == FLUSH && ckpt_flushing ->
		ckpt_flushing = false; stable = cache; table_stable = table_cache;
		raise_durable(ckpt_cover); stage = RESOLVE }
	:: atomic { stage == RESOLVE -> judge(cache); stage = TABLE }
	:: d_step { stage == TABLE ->
		v = line;
		do
		:: v == begun -> break
		:: v > begun && !dead[v] -> table = v; break
		:: else -> v--
		od;
		v = 0; table_cache = table; stage = TABLE_FLUSH }
	:: d_step { stage == TABLE_FLUSH -> stable = cache; table_stable = table_cache;
		if
#ifndef NO_REDO
		:: table_lost -> table_lost = false; stage = FLUSH
#endif
		:: else -> stage = SUPER
		fi }
	:: d_step { stage == SUPER ->
		begun = line; begun_disk = line; durable = line; unsure = NEVER; mark = false;
		stage = IDLE; starting = false; curious = true }

	/* or it fails, by an error of the device, and its doubt stays */
	:: d_step { !starting && failures < 1 && stage == RESOLVE ->
		failures++; stage = IDLE; curious = true }

	/* the cache writes back when it likes */
	:: d_step { stable != cache -> stable = cache }
	:: d_step { table_stable != table_cache -> table_stable = table_cache }
	/* it is lost; the export starts anew; both at once */
	:: atomic { losses < LOSSES -> losses++; lose() }
	:: atomic { starts < STARTS -> starts++; start() }
	:: atomic { starts < STARTS ->
		starts++; cache = stable; table_cache = table_stable; low = promised; start() }

	/* all is done, and nothing is left to be waited for */
	:: atomic { writes == WRITES && line == writes && !writing && !flushing && !marking &&
		    !mark && stage == IDLE && reading == NEVER && !curious && low == promised ->
		break }
	od
}
