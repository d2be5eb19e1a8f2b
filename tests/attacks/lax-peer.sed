# What the controls take out of sandbox/device: see peered.c.
s/b->submit < b->complete ? b->submit : b->complete;/b->submit;/
s/b->bytes > RF_DOORBELL_BYTES || //
/RF_BUG_ON(!rf_range_inside(where, /,/;$/d
/!(seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) &&$/d
s/return seals >= 0 \&\& .* \&\&$/return/
s/!fstatfs(fd, \&fs) \&\& fs.f_type == TMPFS_MAGIC \&\& //
s/d->backend->gone_irqs && i < 2/i < 2/
