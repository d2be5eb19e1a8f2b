/* SPDX-License-Identifier: MIT */
/*
 * ring.pml - the service reads the response ring of a driver that may write anything,
 * at any time, between any two of the service's steps.
 *
 * Stands for: sandbox/abi/ring.h rf_ring_ready(), rf_ring_take(); service.c judge() and
 *             rf_blk_take(). Counters are modulo 8 instead of 2^32, the ring has two
 *             slots, the table two entries, a tag is index + 4 * serial.
 * Shown:      whatever the peer does, the service looks at two slots a turn at most,
 *             never uses an index outside its table, completes nothing that is not in
 *             flight, and goes on until it has no more to issue.
 * Not shown:  that an answer is true. A driver can say done before it is.
 * Controls:   -DTAKE_UNCHECKED, -DFETCH_TWICE, -DTAG_UNCHECKED, -DINDEX_UNCHECKED each take one
 *             check away, and each must be found out.
 */
#define SLOTS   2
#define MASK    7
#define ENTRIES 2
#define ISSUES  4 /* requests in all */
#define NONE    255 /* a tag no peer can name an entry by, as 0 is in the code */
#define INDEX(tag)  ((tag) & 3)
#define TAG(i, ser) ((i) + 4 * (ser))

byte tail;               /* shared: the peer writes these two */
byte slot[SLOTS];

bool flight[ENTRIES];    /* the service's own table */
byte expected[ENTRIES] = NONE; /* tag of the entry in flight */
bool finished;

active proctype Peer()
{
end:
	do
	:: finished -> break
	:: !finished -> if
		:: tail = (tail + 1) & MASK
		:: tail = (tail + 3) & MASK
		fi
	:: !finished -> if
		:: slot[0] = TAG(0, 1) :: slot[0] = TAG(1, 1)
		:: slot[0] = TAG(0, 2) :: slot[0] = TAG(3, 1)
		:: slot[1] = TAG(0, 1) :: slot[1] = TAG(1, 2)
		:: slot[1] = TAG(1, 1) :: slot[1] = TAG(2, 0)
		fi
	od
}

active proctype Service()
{
	byte own, ready, tag, i, issued, serial = 1, taken;
	bool lied;

	do
	:: lied -> break
	:: !lied && issued < ISSUES && !flight[0] ->
		expected[0] = TAG(0, serial); flight[0] = true; issued++;
		serial = (serial == 2 -> 1 : 2)
	:: !lied && issued < ISSUES && !flight[1] ->
		expected[1] = TAG(1, serial); flight[1] = true; issued++;
		serial = (serial == 2 -> 1 : 2)
	:: !lied ->
		ready = (tail - own) & MASK;
#ifndef TAKE_UNCHECKED
		if
		:: ready > SLOTS -> lied = true; ready = 0
		:: else
		fi;
#endif
		taken = 0;
		do
		:: taken == ready || lied -> break
		:: else ->
			assert(taken < SLOTS);     /* a slot the producer never filled */
			tag = slot[own % SLOTS];   /* the one fetch */
			if
#ifndef INDEX_UNCHECKED
			:: INDEX(tag) >= ENTRIES -> lied = true
#endif
#ifndef TAG_UNCHECKED
			:: INDEX(tag) < ENTRIES && (expected[INDEX(tag)] != tag) -> lied = true
#endif
			:: else ->
#ifdef FETCH_TWICE
				i = INDEX(slot[own % SLOTS]);
#else
				i = INDEX(tag);
#endif
				assert(i < ENTRIES);
				assert(flight[i]);
				flight[i] = false;
				expected[i] = NONE
			fi;
			own = (own + 1) & MASK;
			taken++
		od
	:: !lied && issued == ISSUES && !flight[0] && !flight[1] -> break
	od;
	finished = true
}
