# What the controls take out of sandbox/service/service.c: see WITHOUT_* in served.h.
s/unlikely(r->generation != s->generation)/!(rf_without \& 2) \&\& r->generation != s->generation/
s/unlikely(index >= RF_BLK_DEPTH || s->entry\[index\].req.tag != r->tag)/!(rf_without \& 4) \&\& (index >= RF_BLK_DEPTH || s->entry[index].req.tag != r->tag)/
s/unlikely(r->status \&\& !rf_blk_status_valid(r->status))/!(rf_without \& 8) \&\& r->status \&\& !rf_blk_status_valid(r->status)/
# A second look at the same record, a moment later.
/found = judge(s, &r);/a\
		if (rf_without \& 16) {\
			for (uint64_t t = __builtin_ia32_rdtsc(); __builtin_ia32_rdtsc() - t < 3000000;)\
				__builtin_ia32_pause();\
			end.own--;\
			rf_ring_take(\&end, \&r, sizeof(r));\
		}
