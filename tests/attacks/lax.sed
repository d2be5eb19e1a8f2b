# What the controls take out of sandbox/blk/service.c: see WITHOUT_* in served.h.
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
# What a request was is read where the driver can write.
/uint32_t slot = s->req.own++/a\
	lax_slot[e - s->entry] = slot;
/^#define NO_OWNER/a\
static uint32_t lax_slot[RF_BLK_DEPTH];\
static int lax_full(const struct rf_service *s)\
{\
	return rf_without \& 64 \&\& s->req.own - s->req.ring->head >= RF_BLK_DEPTH;\
}
/struct rf_table_entry \*e = &s->entry\[RF_TAG_INDEX(r.tag)\];/a\
		if (rf_without \& 32)\
			memcpy(\&e->req, s->req.ring->records + lax_slot[e - s->entry] * sizeof(e->req), sizeof(e->req));
# The driver's index of requests it took is believed.
s/!s->free_count/(!s->free_count || lax_full(s))/
s/&& s->free_count)/\&\& s->free_count \&\& !lax_full(s))/
