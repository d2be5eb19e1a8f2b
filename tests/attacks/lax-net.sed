# What the controls take out of net/engine/frames.c: see WITHOUT_* in served.h.
s/i >= n->rx_count || n->buffer\[i\] != RF_BUFFER_POSTED/!(rf_without \& 4) \&\& (&)/
s/WORD_LENGTH(first) > n->rx_buffer/!(rf_without \& 8) \&\& &/
s/f->flags & RF_NET_CSUM && f->csum_start/!(rf_without \& 2) \&\& &/
s/f->flags & ~KNOWN || f->gso > RF_NET_GSO_TCP6 || n->chain_count == RF_NET_PARTS/!(rf_without \& 32) \&\& (&)/
s/unlikely(head - done > n->tx_seen - done)/!(rf_without \& 64) \&\& head - done > n->tx_seen - done/
s/unlikely(end - own > RF_NET_DEPTH)/!(rf_without \& 1) \&\& &/
s/!(n->info.features & RF_NET_HAS_RX_GSO)/!(rf_without \& 128) \&\& &/
