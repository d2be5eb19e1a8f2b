# What the controls take out of sandbox/abi/ring.h: see WITHOUT_INDEX in served.h. Without the
# check a number of records is what it is, and not a negative error.
s/if (ready > c->slots)/if (!(rf_without \& 1) \&\& ready > c->slots)/
s/return (int)ready;/return (int)(rf_without \& 1 ? ready \& 0x7fffffff : ready);/
