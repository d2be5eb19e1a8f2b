/* SPDX-License-Identifier: MIT */
/*
 * recover.pml - drivers die at any moment; the device goes on by itself until it was
 * made quiet. Every request ends once, and no late write of the device meets a buffer
 * or a queue that belongs to somebody else by then.
 *
 * Stands for: sandbox/device/core/generation.c (ending, died, quiet, start),
 *             sandbox/session/session.c (DOWN, QUIESCED, UP), sandbox/blk/recover.c (the poison
 *             rule). Two requests, six deaths, two halves.
 *             Reissued once, a request that was in flight at a death goes alone
 *             (ALONE_AFTER is 1 here, 2 in the code).
 * Honest:     drivers of this model answer only what the device did. What a lying one
 *             can do to its own requests is no question of order; see ring.pml.
 * Shown:      no request ends twice, none is lost, all end; the rule "quiet, then
 *             reuse" holds for buffers and for queue memory.
 * Controls:   -DFAIL_EARLY (a poisoned request fails before the device is quiet),
 *             -DNO_QUIESCE, -DNO_DRAIN_CHECK (what the dead answered is reissued all the same and
 *             ends twice or never), -DRUN_UNPREPARED (the successor runs before its ring is ready),
 *             -DRUN_UNREAPED (or before its predecessor is dead), -DQUIET_TOO_SOON (the device is
 *             made quiet when the driver was sent its signal, not when it stopped for it).
 */
#define N      2
#define DEATHS 6

mtype = { FREE, FLIGHT, REDO, ENDED };
mtype = { DOWN, QUIESCED, UP, PREPARED };

chan to_export = [4] of { mtype, byte };
chan to_device = [4] of { mtype, byte };

mtype state[N] = FREE;   /* the service's table */
bool  poison[N];
byte  attempts[N];
bool  owned[N];          /* buffer belongs to a request in the table */

/* Two halves: requests in the ring, answers in the ring, what the device works on. */
typedef half_t { bool asked[N]; bool answered[N]; byte device[N]; }
half_t half[2];
byte  alive;             /* generation that runs; 0: none */
byte  ending;            /* generation that executes nothing more and is not dead yet; 0: none */
byte  deaths;
byte  ended;

#define H(g) half[(g) & 1]

/* The device: works on what a queue told it, whether its driver lives or not. It writes
 * the buffer, and reads and writes the queue of that half. */
inline device_completes(r, g)
{
	assert(owned[r]);                  /* else: a late write on reused memory */
	H(g).device[r] = 0;
}

proctype Driver(byte g)
{
	byte r;

	do
	:: atomic { alive != g -> break }
#ifdef QUIET_TOO_SOON
	:: atomic { alive == g && deaths < DEATHS && !ending -> deaths++; ending = g }
#else
	:: atomic { alive == g && deaths < DEATHS -> /* killed */
		deaths++; alive = 0; ending = g; break }
#endif
	:: atomic { alive == g && ended == N -> break }
	:: for (r : 0 .. N - 1) {
		if
		:: atomic { alive == g && H(g).asked[r] && !H(g).device[r] && !H(g).answered[r] ->
				H(g).asked[r] = false; H(g).device[r] = 1 }
		:: atomic { alive == g && H(g).device[r] -> /* completion seen */
				device_completes(r, g); H(g).answered[r] = true }
		:: true
		fi
	}
	od
}

/* The kernel takes a dying driver's memory down, at leisure. */
active proctype Kernel()
{
end:
	do
	:: atomic {
		ending ->
#ifdef QUIET_TOO_SOON
		alive = 0;
#endif
		ending = 0
	   }
	od
}

/* Late completions: the device finishes by itself what a dead driver started. */
active proctype Hardware()
{
end:
	do
	:: atomic { half[0].device[0] && (alive == 0 || alive & 1) -> device_completes(0, 0) }
	:: atomic { half[0].device[1] && (alive == 0 || alive & 1) -> device_completes(1, 0) }
	:: atomic { half[1].device[0] && (alive == 0 || !(alive & 1)) -> device_completes(0, 1) }
	:: atomic { half[1].device[1] && (alive == 0 || !(alive & 1)) -> device_completes(1, 1) }
	od
}

active proctype Device()
{
	byte g = 1, r, answer;

	to_export ! UP, 1;
	atomic { alive = 1; run Driver(1) }
	do
	:: atomic { ended == N -> break }
	:: atomic { (ending || alive == 0) && ended < N } ->
		to_export ! DOWN, g;
#ifndef NO_QUIESCE
		atomic { for (r : 0 .. N - 1) { H(g).device[r] = 0 } }
#endif
		to_export ! QUIESCED, g;
#ifndef RUN_UNPREPARED
		to_device ? PREPARED, answer;
		assert(answer == g + 1);
#endif
		g++;
		/* Queue memory of this half is used anew. */
		for (r : 0 .. N - 1) { assert(!H(g).device[r]) }
#ifndef RUN_UNREAPED
		!ending;
#endif
		atomic { assert(!ending); alive = g; run Driver(g) }
		to_export ! UP, g
	od
}

inline finish(r)
{
	assert(state[r] != ENDED && owned[r]);
	state[r] = ENDED;
	owned[r] = false;
	ended++
}

/* One request goes alone while a suspect is there. */
inline reissue(g)
{
	atomic {
		suspect = N;
		in_flight = 0;
		for (i : 0 .. N - 1) {
			if :: state[i] == FLIGHT -> in_flight++ :: else fi;
			if
			:: state[i] == REDO && !poison[i] && attempts[i] >= 1 -> suspect = i
			:: else
			fi
		}
		if
		:: in_flight > 0
		:: in_flight == 0 && suspect < N ->
			alone = true; state[suspect] = FLIGHT; attempts[suspect]++;
			H(g).asked[suspect] = true
		:: else ->
			alone = false;
			for (i : 0 .. N - 1) {
				if
				:: state[i] == REDO && !poison[i] ->
					state[i] = FLIGHT; attempts[i]++; H(g).asked[i] = true
				:: else
				fi
			}
		fi
	}
}

active proctype Export()
{
	byte g = 1, i, suspect, in_flight, what;
	bool up, alone;

end:
	do
	:: to_export ? UP, what -> assert(what == g); up = true; reissue(g)
	:: to_export ? DOWN, what ->
		assert(what == g);
		up = false;
		/* What the dead driver still answered is true. */
		for (i : 0 .. N - 1) {
			if
			:: H(g).answered[i] ->
				H(g).answered[i] = false;
#ifdef NO_DRAIN_CHECK
				finish(i); state[i] = REDO; owned[i] = true
#else
				finish(i)
#endif
			:: else
			fi
		}
		for (i : 0 .. N - 1) {
			if
			:: state[i] == FLIGHT ->
				state[i] = REDO;
				if
				:: alone ->
					poison[i] = true;
#ifdef FAIL_EARLY
					finish(i)
#endif
				:: else
				fi
			:: else
			fi
		}
		g++;
		atomic { for (i : 0 .. N - 1) { H(g).asked[i] = false; H(g).answered[i] = false } }
		alone = false;
		reissue(g);
		to_device ! PREPARED, g
	:: to_export ? QUIESCED, what ->
		for (i : 0 .. N - 1) {
			if :: state[i] != ENDED && poison[i] -> finish(i) :: else fi
		}
	/* new requests, once a driver is up and none under suspicion */
	:: atomic { up && !alone && state[0] == FREE ->
		state[0] = FLIGHT; owned[0] = true; H(g).asked[0] = true }
	:: atomic { up && !alone && state[1] == FREE ->
		state[1] = FLIGHT; owned[1] = true; H(g).asked[1] = true }
	:: atomic { up && H(g).answered[0] } -> H(g).answered[0] = false; finish(0); reissue(g)
	:: atomic { up && H(g).answered[1] } -> H(g).answered[1] = false; finish(1); reissue(g)
	od
}
