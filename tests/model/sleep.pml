/* SPDX-License-Identifier: MIT */
/*
 * sleep.pml - nobody sleeps for ever: the producer publishes, then looks whether the
 * consumer asked for a kick; the consumer asks, then looks at the ring once more.
 *
 * Stands for: sandbox/abi/ring.h rf_ring_publish(), rf_ring_peer_asleep(),
 *             rf_ring_arm(), rf_ring_disarm() and the loops around them. Each side has
 *             a store buffer, as x86 has: a store is seen by the other side any time
 *             later, a fence waits for it.
 * Shown:      every record is taken; neither side waits for ever.
 * Controls:   -DNO_SECOND_LOOK, -DNO_FENCE_CONSUMER, -DNO_FENCE_PRODUCER: each must be found out.
 */
#define RECORDS 4
#define SLOTS   2

byte tail, asleep, head;            /* as memory has them */
chan tail_buffer = [2] of { byte }; /* the producer's store buffer */
chan wish_buffer = [2] of { byte }; /* the consumer's: stores to asleep */
byte kicks;                         /* the eventfd */

active proctype DrainTail() { byte v; end: do :: tail_buffer ? v -> tail = v od }
active proctype DrainWish() { byte v; end: do :: wish_buffer ? v -> asleep = v od }

active proctype Producer()
{
	byte own;

	do
	:: own == RECORDS -> break
	:: own < RECORDS && own - head < SLOTS ->
		own++;
		tail_buffer ! own;
#ifndef NO_FENCE_PRODUCER
		empty(tail_buffer);
		/* the value taken out of the buffer is in memory */
		tail == own;
#endif
		if
		:: asleep -> if :: kicks < 2 -> kicks++ :: else fi
		:: !asleep
		fi
	od
}

active proctype Consumer()
{
	byte own;

	do
	:: own == RECORDS -> break
	:: own < RECORDS && tail != own -> own++; head = own
	:: own < RECORDS && tail == own ->
		wish_buffer ! 1;
#ifndef NO_FENCE_CONSUMER
		empty(wish_buffer);
		asleep == 1;
#endif
#ifndef NO_SECOND_LOOK
		if
		:: tail != own
		:: tail == own -> kicks > 0 -> kicks = 0
		fi;
#else
		kicks > 0 -> kicks = 0;
#endif
		wish_buffer ! 0;
		/* the next arm comes after it: one buffer, in order */
		empty(wish_buffer);
		asleep == 0
	od
}
