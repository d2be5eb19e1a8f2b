/* SPDX-License-Identifier: MIT */
/*
 * queue_reset.pml - a dead driver's queue pair is taken from a controller that goes on, or the
 * controller is reset: no command of the dead one moves data when its memory is somebody else's.
 *
 * Stands for: sandbox/device/admin/nvme_queues.c (delete, make), nvme_command.c (what is believed
 *             of a completion), sandbox/device/core/generation.c (quiet, reset, enable). Three
 *             commands are under way when their driver dies; the controller ends them when it
 *             likes, and may answer a deletion, fail it, be silent, or reset itself instead.
 * Forged:     a command of the dead driver's may write a completion where ours belongs, with a
 *             guess of its id. The right one is unpredictable: here one of IDS.
 * Shown:      memory is given away only when nothing of the dead driver's can move data; the
 *             successor's queues are made only in a controller without those of the dead one.
 *             A forger that guesses is found out, or has guessed two ids in turn.
 * Controls:   -DDELETE_EARLY (a controller answers while commands are under way),
 *             -DANY_ID (a completion is believed whatever its id), -DONE_ANSWER (the pair is taken
 *             for gone when the first deletion was answered), -DNO_RESET (a deletion that failed
 *             is taken for done).
 */
#define IDS 3

#ifdef DELETE_EARLY
#define ALL_ENDED true
#else
#define ALL_ENDED (moving == 0) /* completed or aborted: Base 5.7 */
#endif
#ifdef ANY_ID
#define OURS true
#else
#define OURS (entry_id == id)
#endif

mtype = { WAIT, DONE, BAD };

byte  moving = 3;        /* commands of the dead driver that are under way */
bool  sq = true, cq = true, on = true; /* as the controller has them; enabled */
bool  given;             /* their memory is somebody else's */
byte  forged;            /* ids that were guessed rightly */

/* Admin command 1 deletes the submission queue, 2 the completion queue. */
bool  asked[3];          /* by us, and not yet carried out */
byte  now;               /* the one that we wait for; 0: none */
byte  id;                /* its id, */
mtype answer = WAIT;     /* and what is believed of it */
bool  seen;              /* an entry stands where its completion belongs: */
byte  entry_id;
bool  entry_good;

/* The controller ends commands by itself, at any time. Each may be a forger's. */
active proctype Commands()
{
	byte guess;

end:
	do
	:: atomic { moving > 0 && on ->
			assert(!given);            /* else: a late write on memory in use */
			moving-- }
	:: atomic { moving > 0 && on && now && !seen && answer == WAIT ->
			assert(!given);
			moving--;
			select(guess : 0 .. IDS - 1);
			seen = true; entry_id = guess; entry_good = true;
			if :: guess == id -> forged++ :: else fi }
	od
}

/* A completion lies in the place of its command: too late for one that is believed already. */
inline reply(command, good)
{
	asked[command] = false;
	if
	:: now == command && !seen -> seen = true; entry_id = id; entry_good = good
	:: else
	fi
}

active proctype Controller()
{
end:
	do
	:: atomic { asked[1] && on && sq && ALL_ENDED -> sq = false; reply(1, true) }
	:: atomic { asked[2] && on && !sq && cq -> cq = false; reply(2, true) }
	:: atomic { asked[2] && on && sq -> reply(2, false) }     /* one is left on it: 5.6 */
	:: atomic { asked[1] && on -> reply(1, false) }           /* fails, */
	:: atomic { asked[2] && on -> reply(2, false) }
	:: atomic { asked[1] -> asked[1] = false }                /* is silent, */
	:: atomic { asked[2] -> asked[2] = false }
	:: atomic { on && now && !given ->                        /* or resets itself */
			on = false; sq = false; cq = false; moving = 0;
			asked[1] = false; asked[2] = false }
	od
}

inline admin(command)
{
	atomic {
		seen = false; answer = WAIT;
		select(id : 0 .. IDS - 1);
		now = command; asked[command] = true
	}
	if
	:: atomic { seen ->
		if
		:: entry_good && OURS -> answer = DONE
		:: else -> answer = BAD
		fi
	   }
	:: atomic { !seen -> answer = BAD }                       /* the deadline */
	fi
}

/* CC.EN to 0; CSTS.RDY reads 0 when all commands have ended. */
inline reset()
{
	atomic {
		on = false; sq = false; cq = false; moving = 0;
		asked[1] = false; asked[2] = false
	}
}

active proctype Device()
{
	admin(1);
#ifndef ONE_ANSWER
	if
	:: answer == DONE -> admin(2)
	:: else
	fi;
#endif
#ifndef NO_RESET
	if
	:: answer != DONE -> reset()
	:: else
	fi;
#endif
	/* Two ids that were guessed in turn, 1 in 2^32, are not stopped. */
	atomic {
		now = 0;
#ifndef ANY_ID
		if :: forged >= 2 -> goto lost :: else fi;
#endif
		given = true
	}
	/* The pair is made anew; if the controller has the old one, or is disabled, that fails. */
	atomic {
		if
		:: on && !sq && !cq
		:: else -> on = false; moving = 0; on = true
		fi;
		sq = true; cq = true;
		assert(moving == 0)
	}
lost:
	skip
}
